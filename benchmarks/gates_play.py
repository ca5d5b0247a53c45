"""What a render would have made of a shot whose takes are all there, gates on or off."""

import dataclasses
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

from benchmarks.gates_work import MAX_TAKES, Row
from facekit.generation.storyboard_parts import Gates
from facekit.generation.units import TakeRecord, decide

__all__ = ["WAYS", "Played", "play"]

WAYS = {
    "one": "one take of every shot",
    "gates": "gates by the encoder's own threshold",
    "calibrated": "gates calibrated on the show",
    "blind": "further takes of the same shots, the last one delivered",
    "best_of_3": "the best of three takes of every shot",
}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Played:
    """What a render makes of one shot."""

    takes: tuple[Row, ...]
    """Those that are drawn, in order."""
    chosen: Row
    verdict: str
    """What the gates say of the delivered one."""


def play(takes: Sequence[Row], way: str) -> Played:
    """Replay one shot from all its takes, by the very rule of a render.

    Args:
        takes: Of the shot, in order, MAX_TAKES of them.
        way: A key of WAYS.
    """
    gates = "calibrated" if way == "calibrated" else "own"
    records = [
        TakeRecord(
            number=row["take"],
            fingerprint="",
            verdict=row[gates]["verdict"],
            score=row[gates]["score"],
            closest=row[gates]["closest"],
            reasons=tuple(row[gates]["reasons"]),
        )
        for row in takes
    ]
    most = 1 if way == "one" else MAX_TAKES
    asked = MAX_TAKES if way == "best_of_3" else 0
    shot: Any = SimpleNamespace(seeds=(0,), gates=Gates(max_takes=most))
    made = 0
    while (decision := decide(shot, records[:made], asked=asked)).make:
        made = max(decision.make)
    assert decision.chosen is not None, "every take was drawn"
    place = made - 1 if way == "blind" else decision.chosen.number - 1
    return Played(takes=tuple(takes[:made]), chosen=takes[place], verdict=records[place].verdict)
