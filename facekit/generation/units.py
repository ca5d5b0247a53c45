"""What a render does next: takes as units, which of them are there, and which one is delivered.

Nothing here reads a file or draws; the same records always lead to the same decision.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from facekit.generation.storyboard_shot import ShotPlan

__all__ = [
    "Decision",
    "TakeRecord",
    "Verdict",
    "decide",
    "take_name",
    "take_number",
    "take_seed",
    "unit_name",
]

Verdict: TypeAlias = Literal["pass", "review", "fail"]
_ORDER: Mapping[str, int] = {"pass": 0, "review": 1, "fail": 2}


@dataclass(frozen=True, slots=True, kw_only=True)
class TakeRecord:
    """A take that is there, and what the gates say of it."""

    number: int
    """From 1 on."""
    fingerprint: str
    verdict: Verdict
    score: float | None
    """Likeness of the worst character in it; None where nobody was recognised."""
    reasons: tuple[str, ...] = ()
    is_drawn: bool = True
    """False where it cannot be drawn: with this seed nobody stands where characters belong."""
    closest: float | None = None
    """Where nobody was recognised, how near its faces come; tells two failing takes apart."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What is to be done about a shot now: takes to make, or the take that is delivered."""

    make: tuple[int, ...] = ()
    """Numbers of takes."""
    chosen: TakeRecord | None = None
    reason: str = ""
    """Why this one is delivered, or why another one is made."""


def take_name(number: int) -> str:
    """What a take is called: `t01`."""
    return f"t{number:02d}"


def take_number(name: str) -> int | None:
    """The number of a take that is called so; None for anything else."""
    digits = name.removeprefix("t")
    return int(digits) if name.startswith("t") and digits.isdecimal() and int(digits) else None


def take_seed(shot: ShotPlan, number: int) -> int:
    """The seed of a take: each has the next one."""
    return (shot.seeds[0] + number - 1) % 2**31


def unit_name(shot: str, number: int) -> str:
    """What a unit is called on the command line: `SEQ010_SH0010:t01`."""
    return f"{shot}:{take_name(number)}"


def decide(
    shot: ShotPlan,
    takes: Sequence[TakeRecord],
    *,
    asked: int = 0,
    picked: int | None = None,
    may_retake: bool = True,
) -> Decision:
    """Decide what a shot needs.

    Takes that the board asks for are made in any case. When all of them fail, another one is made,
    up to `max_takes`; a take that somebody has to look at is not made again.

    Args:
        shot: The shot.
        takes: Those that are there, made in the way that the plan says.
        asked: So many takes are wanted at least, beside what the board says.
        picked: The take that somebody has chosen.
        may_retake: Whether the budget allows another one.
    """
    there = {take.number: take for take in takes}
    wanted = max(len(shot.seeds), asked)
    missing = tuple(number for number in range(1, wanted + 1) if number not in there)
    if missing:
        return Decision(make=missing, reason="asked for")
    if picked is not None and picked in there and there[picked].is_drawn:
        return Decision(chosen=there[picked], reason=f"{take_name(picked)} was picked")
    best = min(takes, key=_rank)
    if best.verdict == "fail":
        last = max(there)
        told = f"{_count(len(takes))} failed; {best.reasons[0] if best.reasons else ''}".strip("; ")
        if last < shot.gates.max_takes and may_retake:
            return Decision(make=(last + 1,), reason=told)
        limit = "the budget is spent" if last < shot.gates.max_takes else "max_takes is reached"
        if not best.is_drawn:
            return Decision(reason=f"{told}; {limit}")
        return Decision(chosen=best, reason=f"{told}; {limit}, so the best one is kept")
    if best.verdict == "review":
        told = best.reasons[0] if best.reasons else "somebody has to look"
        return Decision(chosen=best, reason=told)
    others = f", the best of {len(takes)}" if len(takes) > 1 else ""
    return Decision(chosen=best, reason=f"passes{others}")


def _rank(take: TakeRecord) -> tuple[int, int, int, float, int]:
    """Best first: by verdict, then by likeness, then the earlier one."""
    likeness = take.closest if take.score is None else take.score
    score = -1.0 if likeness is None else likeness
    is_nobody = int(take.score is None)
    return int(not take.is_drawn), _ORDER[take.verdict], is_nobody, -score, take.number


def _count(number: int) -> str:
    return "the take" if number == 1 else f"all {number} takes"
