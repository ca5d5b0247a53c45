"""What does not fit together on a board, told without any file and without a backbone."""

import string
from collections import Counter
from collections.abc import Iterator, Mapping

from facekit.generation.storyboard import (
    ShotEntry,
    Storyboard,
    full_name,
)
from facekit.generation.storyboard_inherit import find_cycles, inherited, references
from facekit.generation.storyboard_loading import LocatedBoard
from facekit.generation.storyboard_mistakes import nearest
from facekit.generation.storyboard_people import cast_words, check_people, people_in
from facekit.generation.storyboard_prompt import names_in
from facekit.generation.storyboard_yaml import KeyPath, Mistake

__all__ = ["TEMPLATE_KEYS", "aspect_ratio", "check_board"]

TEMPLATE_KEYS = ("project", "seq", "shot")


def check_board(located: LocatedBoard) -> tuple[Mistake, ...]:
    """List what does not fit together, as far as the board could be understood."""
    board = located.board
    if board is None:
        return ()
    found = [*_show(located, board), *_names(located, board), *_cycles(located, board)]
    resolved = inherited(board)
    for path, sequence, shot in located.shots():
        whole = resolved[full_name(sequence.id, shot.id)]
        found += _length(located, path, shot)
        found += _references(located, board, path, sequence.id, shot, resolved)
        found += check_people(located, board, path, shot, whole)
        found += _prompt(board, path, shot, whole)
        found += _delivery(board, path, shot, whole)
    return tuple(found)


def aspect_ratio(aspect: str) -> tuple[int, int]:
    """Width and height of an aspect such as "16:9"."""
    width, _, height = aspect.partition(":")
    return int(width), int(height)


def _show(located: LocatedBoard, board: Storyboard) -> Iterator[Mistake]:
    deliver = board.deliver
    try:
        keys = {key for _, key, _, _ in string.Formatter().parse(board.project.template) if key}
    except ValueError as error:
        yield Mistake(path=("project", "template"), text=f"not a template ({error})")
        keys = {"shot"}
    unknown = sorted(keys - set(TEMPLATE_KEYS))
    if unknown or "shot" not in keys:
        known = ", ".join("{" + key + "}" for key in TEMPLATE_KEYS)
        yield Mistake(
            path=("project", "template"),
            text=f"got {board.project.template!r}, expected {known}, {{shot}} among them",
        )
    for aspect, count in Counter(deliver.aspects).items():
        if count > 1:
            yield Mistake(path=("deliver", "aspects"), text=f"{aspect} said {count} times")
    if deliver.size is not None:
        wide, high = aspect_ratio(deliver.aspects[0])
        width, height = deliver.size
        fits = min(width, height) > 0 and abs(width * high - height * wide) <= max(wide, high)
        if not fits or width % 2 or height % 2:
            yield Mistake(
                path=("deliver", "size"),
                text=f"got {width}x{height}, expected even numbers in {deliver.aspects[0]}, the"
                " first of deliver.aspects",
            )
    for key in ("place", "light", "style"):
        yield from _unknown_names(board, ("world", key), getattr(board.world, key))


def _names(located: LocatedBoard, board: Storyboard) -> Iterator[Mistake]:
    sequences: dict[str, int] = {}
    shots: dict[tuple[str, str], int] = {}
    files: dict[str, str] = {}
    for path, sequence, shot in located.shots():
        place, name = path[:2], full_name(sequence.id, shot.id)
        if sequences.setdefault(sequence.id, int(path[1])) != path[1]:
            line = located.where.line(("sequences", sequences[sequence.id], "id"))
            yield Mistake(
                path=(*place, "id"), text=f"{sequence.id} is the id of line {line} too, expected"
                " each once"
            )  # fmt: skip
            continue
        line = located.where.line((*path, "id"))
        if (first := shots.setdefault((sequence.id, shot.id), line)) != line:
            text = f"{shot.id} is the id of line {first} too, expected each once in a sequence"
            yield Mistake(path=(*path, "id"), text=text, line=line)
            continue
        if "{shot}" not in board.project.template:
            continue  # that is told
        file = board.project.template
        for key, value in zip(TEMPLATE_KEYS, (board.project.id, sequence.id, shot.id), strict=True):
            file = file.replace("{" + key + "}", value)
        if (other := files.setdefault(file.lower(), name)) != name:
            text = f"its files would be called {file}, as those of {other}, expected another name"
            yield Mistake(path=(*path, "id"), text=text)


def _cycles(located: LocatedBoard, board: Storyboard) -> Iterator[Mistake]:
    edges: dict[str, tuple[str, ...]] = {}
    places: dict[str, tuple[KeyPath, dict[str, str]]] = {}
    for path, sequence, shot in located.shots():
        name = full_name(sequence.id, shot.id)
        if name in edges:
            continue  # its id is told
        found = references(board, sequence.id, shot)
        edges[name], places[name] = tuple(dict.fromkeys(found.values())), (path, found)
    for cycle in find_cycles(edges):
        path, found = places[cycle[0]]
        following = cycle[1] if len(cycle) > 1 else cycle[0]
        key = next(key for key, other in found.items() if other == following)
        told = " -> ".join([*cycle, cycle[0]])
        text = f"shots wait for each other in a circle, {told}, expected a first one"
        yield Mistake(path=(*path, key), text=text)


def _length(located: LocatedBoard, path: KeyPath, shot: ShotEntry) -> Iterator[Mistake]:
    if any((*path, key) in located.dropped for key in ("seconds", "frames")):
        return
    if (shot.seconds is None) == (shot.frames is None):
        got = "neither seconds nor frames" if shot.seconds is None else "seconds and frames"
        yield Mistake(path=path, text=f"got {got}, expected one of the two")


def _references(
    located: LocatedBoard,
    board: Storyboard,
    path: KeyPath,
    sequence: str,
    shot: ShotEntry,
    resolved: Mapping[str, ShotEntry],
) -> Iterator[Mistake]:
    asked = {("extend_of",): shot.extend_of, ("continuity", "same_as"): shot.continuity.same_as}
    for key in ("first_frame", "last_frame"):
        pin = getattr(shot, key)
        if pin is not None:
            asked[key, "shot"] = pin.shot
            if (pin.image is None) == (pin.shot is None):
                got = "neither image nor shot" if pin.shot is None else "image and shot"
                yield Mistake(path=(*path, key), text=f"got {got}, expected one of the two")
    for keys, other in asked.items():
        if other is None or board.find(other, sequence) is not None:
            continue
        if _was_dropped(located, other):
            continue
        known = [shot.id for *_, shot in board.entries()] + list(resolved)
        yield Mistake(
            path=(*path, *keys),
            text=f"{other}: no such shot{nearest(other, known)}, expected the id of one, or"
            " SEQUENCE/SHOT where several have it",
        )
    if shot.extend_of is not None and shot.first_frame is not None:
        text = "got extend_of as well, expected one picture to begin with"
        yield Mistake(path=(*path, "first_frame"), text=text)


def _was_dropped(located: LocatedBoard, reference: str) -> bool:
    """Whether the shot is there and was left out because of another mistake."""
    called = reference.rpartition("/")[2]
    for dropped in located.dropped:
        item = located.where.data
        for part in dropped[:4]:
            item = item.get(part) if isinstance(item, dict) else item[part]
        if dropped[:1] == ("sequences",) and f"'id': {called!r}" in repr(item):
            return True
    return False


def _prompt(
    board: Storyboard, path: KeyPath, shot: ShotEntry, whole: ShotEntry
) -> Iterator[Mistake]:
    if shot.prompt is not None:
        joined = ("action", "camera", "place", "light", "style")
        said = [key for key in joined if key in shot.model_fields_set]
        said += ["continuity.props"] if shot.continuity.props else []
        if said:
            text = f"got {', '.join(said)} as well, expected either a whole prompt or its parts"
            yield Mistake(path=(*path, "prompt"), text=text)
    elif shot.extend_of is None and not _says_something(board, whole):
        text = "says nothing of what is seen, expected an action, a place, a prompt or characters"
        yield Mistake(path=path, text=text)
    for key in ("prompt", "action", "place", "light", "style"):
        if key in shot.model_fields_set:
            yield from _unknown_names(board, (*path, key), getattr(shot, key) or "")


def _says_something(board: Storyboard, shot: ShotEntry) -> bool:
    texts = (shot.prompt, shot.action, shot.place, board.world.place)
    return any(texts) or bool(people_in(shot))


def _unknown_names(board: Storyboard, path: KeyPath, text: str) -> Iterator[Mistake]:
    for name in names_in(text):
        if name not in board.cast:
            near = nearest(name, list(board.cast))
            yield Mistake(
                path=path, text=f"@{name}: not in the cast{near}, expected {cast_words(board)}"
            )
    for name in board.cast:
        if "{" + name + "}" in text:
            yield Mistake(path=path, text=f"got {{{name}}}, expected @{name}")


def _delivery(
    board: Storyboard, path: KeyPath, shot: ShotEntry, whole: ShotEntry
) -> Iterator[Mistake]:
    if shot.aspects is not None:
        for aspect in shot.aspects:
            if aspect not in board.deliver.aspects:
                known = ", ".join(board.deliver.aspects)
                text = f"{aspect}: not delivered, expected some of {known}"
                yield Mistake(path=(*path, "aspects"), text=text)
    transition = shot.transition
    if transition.type == "cut" and transition.frames:
        text = f"got {transition.frames} frames of a cut, expected 0, or type: dissolve"
        yield Mistake(path=(*path, "transition"), text=text)
    if transition.type == "dissolve" and not transition.frames:
        yield Mistake(path=(*path, "transition"), text="a dissolve of 0 frames, expected 1 or more")
    gates = shot.gates if "max_takes" in shot.gates.model_fields_set else board.gates
    if shot.takes > gates.max_takes:
        text = f"got {shot.takes}, expected at most gates.max_takes, {gates.max_takes}"
        yield Mistake(path=(*path, "takes"), text=text)
