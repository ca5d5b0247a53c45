"""Each gate of a take by itself: what was measured, what is asked, and whether that holds."""

import dataclasses

from facekit.evaluation.take_figures import TakeFigures, TakeLimits

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
    """None where there is nothing to compare with."""
    at_least: bool
    """Whether the value must reach the limit, or else must not pass it."""
    verdict: str
    """`pass`, `review` or `fail`."""

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
        least = limits.p05.get(name)
        # Nobody to compare with is for somebody to look at, and nobody in sight is told below.
        if one.p05 is None:
            word = "pass"
        elif least is None:
            word = "review"
        else:
            word = "pass" if one.p05 >= least else "fail"
        found.append(_check("identity.p05", name, one.p05, least, word))
        asked = limits.coverage if name in limits.demanded else 0.0
        word = "pass" if one.coverage >= asked else limits.on_na
        found.append(_check("identity.coverage", name, one.coverage, asked, word))
        slope = one.slope_per_s
        word = "pass" if slope is None or slope >= limits.drift_slope else "fail"
        found.append(_check("drift_slope", name, slope, limits.drift_slope, word))
    for gate, count, most in (
        ("wrong_person", figures.wrong_person, limits.wrong_person),
        ("swap", figures.swap, limits.swap),
    ):
        word = "pass" if count <= most else "fail"
        found.append(_check(gate, "", float(count), float(most), word, at_least=False))
    return tuple(found)


def _check(
    gate: str,
    character: str,
    value: float | None,
    limit: float | None,
    verdict: str,
    *,
    at_least: bool = True,
) -> GateCheck:
    return GateCheck(
        gate=gate,
        character=character,
        value=value,
        limit=limit,
        at_least=at_least,
        verdict=verdict,
    )
