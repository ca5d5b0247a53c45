"""Who is in a shot, and where in the picture."""

from collections import Counter
from collections.abc import Iterator
from itertools import combinations, pairwise

from facekit.generation.named_regions import MAX_OVERLAP, NAMED_REGIONS
from facekit.generation.storyboard import CharacterInShot, ShotEntry, Storyboard
from facekit.generation.storyboard_loading import LocatedBoard
from facekit.generation.storyboard_mistakes import nearest
from facekit.generation.storyboard_prompt import names_in
from facekit.generation.storyboard_yaml import KeyPath, Mistake

__all__ = ["cast_words", "check_people", "people_in", "region_box"]


def people_in(shot: ShotEntry) -> tuple[CharacterInShot, ...]:
    """Who is in a shot: those listed or, where none is, those that its texts name."""
    if shot.characters:
        return shot.characters
    texts = " ".join((shot.prompt or "", shot.action))
    return tuple(CharacterInShot(id=name) for name in names_in(texts))


def region_box(person: CharacterInShot) -> tuple[float, float, float, float] | None:
    """Left, top, right, bottom in parts of the picture; None for auto, a mask and everywhere."""
    if isinstance(person.region, str):
        return NAMED_REGIONS.get(person.region)
    return person.region


def check_people(
    located: LocatedBoard, board: Storyboard, path: KeyPath, shot: ShotEntry, whole: ShotEntry
) -> Iterator[Mistake]:
    """Tell what is wrong with who is in a shot.

    Args:
        located: Where it is written.
        board: The whole board.
        path: Of the shot.
        shot: As it is written.
        whole: With what it takes from others.
    """
    said = "characters" in shot.model_fields_set and shot.characters
    places = located.kept((*path, "characters")) if said else []
    for place, person in zip(places, shot.characters, strict=False):
        if person.id not in board.cast and ("cast", person.id) not in located.dropped:
            text = f"{person.id}: not in the cast{nearest(person.id, list(board.cast))}"
            yield Mistake(path=(*place, "id"), text=f"{text}, expected one of {cast_words(board)}")
        if person.mask is not None and person.region is not None:
            text = "got region as well, expected one of the two"
            yield Mistake(path=(*place, "mask"), text=text)
        box = region_box(person)
        if box is not None and (box[0] >= box[2] or box[1] >= box[3]):
            text = f"got {list(box)}, expected left below right and top below bottom"
            yield Mistake(path=(*place, "region"), text=text)
        if isinstance(person.strength, tuple):
            frames = [frame for frame, _ in person.strength]
            if not frames or any(b <= a for a, b in pairwise(frames)):
                text = f"keyframes at {frames}, expected one or more, in rising order"
                yield Mistake(path=(*place, "strength"), text=text)
            elif shot.frames is not None and frames[-1] >= shot.frames:
                text = f"keyframe {frames[-1]} of {shot.frames} frames, expected"
                yield Mistake(path=(*place, "strength"), text=f"{text} 0 to {shot.frames - 1}")
    for name, count in Counter(person.id for person in shot.characters).items():
        if count > 1:
            text = f"{name} is there {count} times, expected each once"
            yield Mistake(path=(*path, "characters"), text=text)
    boxes = [(person.id, box) for person in shot.characters if (box := region_box(person))]
    for (one, first), (other, second) in combinations(boxes, 2):
        if (share := _overlap(first, second)) > MAX_OVERLAP:
            text = f"the regions of {one} and {other} overlap by {share:.0%} of the smaller,"
            text += f" expected at most {MAX_OVERLAP:.0%}"
            yield Mistake(path=(*path, "characters"), text=text)
    for index, line in enumerate(shot.dialogue):
        if line.who not in board.cast and ("cast", line.who) not in located.dropped:
            text = f"{line.who}: not in the cast{nearest(line.who, list(board.cast))}, expected"
            yield Mistake(
                path=(*path, "dialogue", index, "who"), text=f"{text} {cast_words(board)}"
            )
    if said or shot.model_fields_set & {"action", "prompt"}:
        yield from _unlisted(board, path, shot, whole)


def _unlisted(
    board: Storyboard, path: KeyPath, shot: ShotEntry, whole: ShotEntry
) -> Iterator[Mistake]:
    """Those of the cast that the texts name and the list of characters does not."""
    listed = {person.id for person in people_in(whole)}
    for key in ("prompt", "action"):
        for name in names_in(getattr(whole, key) or ""):
            if name in board.cast and name not in listed:
                yield Mistake(
                    path=(*path, key if key in shot.model_fields_set else "characters"),
                    text=f"@{name}: not among the characters of this shot, expected one of"
                    f" {', '.join(sorted(listed))}",
                )


def _overlap(one: tuple[float, ...], other: tuple[float, ...]) -> float:
    """How much of the smaller box lies in the other, 0..1."""
    width = min(one[2], other[2]) - max(one[0], other[0])
    height = min(one[3], other[3]) - max(one[1], other[1])
    smaller = min((box[2] - box[0]) * (box[3] - box[1]) for box in (one, other))
    return max(width, 0.0) * max(height, 0.0) / smaller if smaller > 0 else 0.0


def cast_words(board: Storyboard) -> str:
    """Names of the cast, for a message."""
    return ", ".join(board.cast) or "a cast"
