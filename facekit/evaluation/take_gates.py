"""Each gate of a take by itself: what was measured, what is asked, and whether that holds."""

import dataclasses

from facekit.evaluation.take_figures import Limit, TakeFigures, TakeLimits

__all__ = ["GateCheck", "gate_checks"]


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

    def to_json(self) -> dict[str, object]:
        """All of it as plain data."""
        return dataclasses.asdict(self)


def gate_checks(figures: TakeFigures, limits: TakeLimits) -> tuple[GateCheck, ...]:
    """Hold a take against every gate; the worst verdict is that of `judge_take`.

    Args:
        figures: What was measured.
        limits: What is asked.
    """
    found: list[GateCheck] = []
    for name, one in figures.characters.items():
        likeness = _check("identity.p05", name, one.p05, limits.p05.get(name))
        if one.p05 is not None and name not in limits.p05:
            likeness = dataclasses.replace(likeness, verdict="review")  # nobody to compare with
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


def _check(
    gate: str, character: str, value: float | None, limit: Limit | None, *, at_least: bool = True
) -> GateCheck:
    verdict, mark = "pass", None
    if limit == "off":
        verdict = "off"
    elif limit is not None:
        mark = float(limit)
        if value is not None and (value < mark if at_least else value > mark):
            verdict = "fail"
    return GateCheck(
        gate=gate, character=character, value=value, limit=mark, at_least=at_least, verdict=verdict
    )
