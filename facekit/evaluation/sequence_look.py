"""What somebody should look at first in a rendered sequence, and why."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from itertools import pairwise

from facekit.evaluation.sequence_content import SequenceCharacter, SequenceContent, SequenceShot

__all__ = ["NUM_LOOKS", "Look", "first_looks", "urgency"]

NUM_LOOKS = 12
_NUM_OF_A_KIND = 6
"""As long as there is something else, too."""
_NUM_WEAK = 3
"""Of shots that pass, so many of the least alike are named."""
_SEAM_STEP = 0.1
"""A change of likeness from one chunk to the next that is told."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """One thing to look at."""

    shot: str
    """Where it is to be seen."""
    kind: str
    """`fail`, `pair`, `review`, `unseen`, `seam` or `weak`."""
    why: str

    def to_json(self) -> dict[str, object]:
        """All of it as plain data."""
        return asdict(self)


def urgency(shot: SequenceShot) -> tuple[int, float]:
    """Sort shots by how much they need somebody: failures first, then the least alike."""
    order = {"fail": 0, "review": 1, "pass": 3}
    return order.get(shot.verdict, 2), 1.0 if shot.likeness is None else shot.likeness


def first_looks(content: SequenceContent) -> tuple[Look, ...]:
    """Name the worst of a sequence, the worst first; one reason for each shot.

    Many of one kind do not hide the others.
    """
    found: dict[str, Look] = {}
    for look in _looks(content):
        found.setdefault(look.shot, look)
    looks = list(found.values())
    of_kind: Counter[str] = Counter()
    first: list[int] = []
    rest: list[int] = []
    for place, look in enumerate(looks):
        of_kind[look.kind] += 1
        (first if of_kind[look.kind] <= _NUM_OF_A_KIND else rest).append(place)
    chosen = [*first[:NUM_LOOKS], *rest][:NUM_LOOKS]
    return tuple(looks[place] for place in sorted(chosen))


def _looks(content: SequenceContent) -> Iterator[Look]:
    ranked = sorted(content.shots, key=urgency)
    for shot in ranked:
        if shot.verdict == "fail":
            yield Look(shot=shot.name, kind="fail", why=shot.reason)
    for one in content.characters:
        yield from _pair(one, content)
    for shot in ranked:
        if shot.verdict == "review":
            yield Look(shot=shot.name, kind="review", why=shot.reason)
    for shot in content.shots:
        yield from _unseen(shot)
    for shot in content.shots:
        yield from _seams(shot)
    weak = [shot for shot in ranked if shot.verdict == "pass" and shot.likeness is not None]
    for shot in weak[:_NUM_WEAK]:
        why = f"passes, and is among the least alike: {shot.likeness:.2f}"
        yield Look(shot=shot.name, kind="weak", why=why)


def _pair(one: SequenceCharacter, content: SequenceContent) -> Iterator[Look]:
    """The least alike pair, where even its two shots could be two people."""
    cross = one.cross_shot
    if cross.pair is None or cross.xmin is None:
        return
    if content.floor is not None and cross.xmin >= content.floor:
        return
    shots = [content.named(one.shots[place]) for place in cross.pair]
    worse, better = sorted(shots, key=urgency)
    why = f"{one.name} is another face than in {better.name}: {cross.xmin:.2f} between the two"
    yield Look(shot=worse.name, kind="pair", why=why)


def _unseen(shot: SequenceShot) -> Iterator[Look]:
    """Who should be in a shot that passes, and whose face no frame shows."""
    missing = [curve.character for curve in shot.curves if curve.mean is None]
    if shot.verdict == "pass" and missing:
        who = " and ".join(missing)
        why = f"passes, and no frame shows a face that could be told to be {who}"
        yield Look(shot=shot.name, kind="unseen", why=why)


def _seams(shot: SequenceShot) -> Iterator[Look]:
    for curve in shot.curves:
        for number, (before, after) in enumerate(pairwise(curve.chunk_means(shot.frames.seams))):
            if before is not None and after is not None and before - after > _SEAM_STEP:
                at = shot.frames.seam_numbers[number]
                told = f"{curve.character} falls from {before:.2f} to {after:.2f}"
                yield Look(shot=shot.name, kind="seam", why=f"{told} at the seam, frame {at}")
