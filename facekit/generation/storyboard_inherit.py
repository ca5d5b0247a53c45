"""What a shot takes from another where it says nothing: the one it extends, or is the same as."""

from collections.abc import Mapping

from facekit.generation.storyboard import ShotEntry, Storyboard, full_name

__all__ = ["find_cycles", "inherited", "references"]

_OF_EXTENDED = (
    "size", "camera", "action", "place", "light", "style", "negative", "prompt", "characters",
    "aspects", "continuity", "override",
)  # fmt: skip
_OF_ALIKE = ("place", "light", "style")
_JOINED = frozenset({"action", "camera", "place", "light", "style"})


def references(board: Storyboard, sequence: str, shot: ShotEntry) -> dict[str, str]:
    """What a shot refers to: its key to the full name of the other shot, where there is one."""
    asked = {
        "extend_of": shot.extend_of,
        "first_frame": shot.first_frame.shot if shot.first_frame else None,
        "last_frame": shot.last_frame.shot if shot.last_frame else None,
        "continuity": shot.continuity.same_as,
    }
    found = {key: board.find(other, sequence) for key, other in asked.items() if other is not None}
    return {key: other for key, other in found.items() if other is not None}


def find_cycles(edges: Mapping[str, tuple[str, ...]]) -> list[tuple[str, ...]]:
    """Every cycle once, beginning with its first name in the order of the mapping.

    Args:
        edges: A name to those that it needs.
    """
    cycles: dict[frozenset[str], tuple[str, ...]] = {}
    done: set[str] = set()
    for start in edges:
        trail: list[tuple[str, list[str]]] = [(start, list(edges[start]))]
        while trail and start not in done:
            here, left = trail[-1]
            if not left:
                done.add(here)
                trail.pop()
                continue
            other = left.pop(0)
            names = [name for name, _ in trail]
            if other in names:
                cycle = tuple(names[names.index(other) :])
                first = min(range(len(cycle)), key=lambda i: list(edges).index(cycle[i]))
                cycles.setdefault(frozenset(cycle), cycle[first:] + cycle[:first])
            elif other not in done and other in edges:
                trail.append((other, list(edges[other])))
    return list(cycles.values())


def inherited(board: Storyboard) -> dict[str, ShotEntry]:
    """Every shot by its full name, with what it takes from others.

    A shot in a circle takes nothing from what would lead back to it.
    """
    entries = {
        full_name(group.id, shot.id): (group.id, shot) for *_, group, shot in board.entries()
    }
    made: dict[str, ShotEntry] = {}

    def make(name: str, above: tuple[str, ...]) -> ShotEntry:
        if name in made:
            return made[name]
        sequence, shot = entries[name]
        others = references(board, sequence, shot)
        for key, fields in (("extend_of", _OF_EXTENDED), ("continuity", _OF_ALIKE)):
            other = others.get(key)
            if other is not None and other != name and other not in above:
                shot = _taken(shot, make(other, (*above, name)), fields)
        if not above:
            made[name] = shot
        return shot

    return {name: make(name, ()) for name in entries}


def _taken(shot: ShotEntry, other: ShotEntry, fields: tuple[str, ...]) -> ShotEntry:
    said = shot.model_fields_set
    update = {name: getattr(other, name) for name in fields if name not in said}
    if "prompt" in said:  # the whole prompt: nothing is joined to it
        update = {name: value for name, value in update.items() if name not in _JOINED}
    elif said & _JOINED:
        update.pop("prompt", None)
    return shot.model_copy(update=update)
