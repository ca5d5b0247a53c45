"""Each gate of a take: what was measured, what is asked, whether that holds; and all together."""

import dataclasses

from facekit.evaluation.take_figures import Limit, TakeFigures, TakeLimits

__all__ = ["GateCheck", "TakeJudgement", "gate_checks", "judge_take"]

_LEVELS = ("fail", "review", "pass", "off")
"""From the worst on."""
_TOLD_FIRST = ("swap", "wrong_person")
"""Gates whose reasons stand before those on single characters."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class GateCheck:
    """One gate on one take."""

    gate: str
    """As the board calls it: `identity.p05`, `identity.coverage`, `wrong_person`, ..."""
    character: str
    """Whom it is about; empty for gates on the whole picture."""
    value: float | None
    """None where nobody could be scored."""
    limit: float | None
    """None where there is nothing to compare with, and where the gate is off."""
    at_least: bool
    """Whether the value must reach the limit, or else must not pass it."""
    verdict: str
    """`pass`, `review`, `fail` or `off`."""

    @property
    def is_missed(self) -> bool:
        """Whether the value is on the wrong side of the limit."""
        if self.value is None or self.limit is None:
            return False
        return self.value < self.limit if self.at_least else self.value > self.limit

    def to_json(self) -> dict[str, object]:
        """All of it as plain data."""
        return dataclasses.asdict(self)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class TakeJudgement:
    """What the gates say."""

    verdict: str
    """`pass`, `review` or `fail`."""
    reasons: tuple[str, ...]


def gate_checks(figures: TakeFigures, limits: TakeLimits) -> tuple[GateCheck, ...]:
    """Hold a take against every gate.

    Args:
        figures: What was measured.
        limits: What is asked.
    """
    found: list[GateCheck] = []
    for name, one in figures.characters.items():
        likeness = _check("identity.p05", name, one.p05, limits.p05.get(name))
        if name not in limits.p05:  # nobody to compare with, so nothing else is known either
            found.append(dataclasses.replace(likeness, verdict="review"))
            continue
        asked = limits.coverage if name in limits.demanded else 0.0
        coverage = _check("identity.coverage", name, one.coverage, asked)
        if coverage.verdict == "fail":
            coverage = dataclasses.replace(coverage, verdict=limits.on_na)
        slope = _check("drift_slope", name, one.slope_per_s, limits.drift_slope)
        found += [likeness, coverage, slope]
    strangers, swaps = float(figures.wrong_person), float(figures.swap)
    found.append(_check("wrong_person", "", strangers, limits.wrong_person, at_least=False))
    found.append(_check("swap", "", swaps, limits.swap, at_least=False))
    return tuple(found)


def judge_take(figures: TakeFigures, limits: TakeLimits) -> TakeJudgement:
    """Hold figures against limits: the worst gate decides; not scorable is never a low score."""
    checks = sorted(gate_checks(figures, limits), key=_told_order)
    told = [_reason(check, figures) for check in checks]
    worst = checks[0].verdict
    return TakeJudgement(
        verdict="pass" if worst == "off" else worst,
        reasons=tuple(reason for reason in told if reason),
    )


def _told_order(check: GateCheck) -> tuple[int, int]:
    place = _TOLD_FIRST.index(check.gate) if check.gate in _TOLD_FIRST else len(_TOLD_FIRST)
    return _LEVELS.index(check.verdict), place


def _reason(check: GateCheck, figures: TakeFigures) -> str | None:
    name, value, limit = check.character, check.value, check.limit
    if check.verdict == "review" and limit is None:
        return f"{name}: no photos at hand to compare with"
    if not check.is_missed:
        return None
    match check.gate:
        case "swap":
            return f"two characters are swapped in {value:.0f} frames"
        case "wrong_person":
            return _wrong_person(figures)
        case "identity.p05":
            return f"{name}: likeness {value:.2f}, at least {limit:.2f} asked"
        case "drift_slope":
            return f"{name}: likeness changes by {value:.3f} a second, at least {limit:g} asked"
        case _:
            return f"{name}: face scored in {value:.0%} of the frames, {limit:.0%} asked"


def _wrong_person(figures: TakeFigures) -> str:
    near = [
        f"{one.closest:.2f} like {name}"
        for name, one in figures.characters.items()
        if one.closest is not None
    ]
    text = f"somebody else's face in {figures.wrong_person} frames"
    return f"{text}, at best {' and '.join(near)}" if near else text


def _check(
    gate: str, character: str, value: float | None, limit: Limit | None, *, at_least: bool = True
) -> GateCheck:
    check = GateCheck(
        gate=gate,
        character=character,
        value=value,
        limit=None if limit is None or limit == "off" else float(limit),
        at_least=at_least,
        verdict="off" if limit == "off" else "pass",
    )
    return dataclasses.replace(check, verdict="fail") if check.is_missed else check
