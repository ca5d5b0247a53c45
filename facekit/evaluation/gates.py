"""Pass marks: a figure, the side it must be on, and whether it is."""

import dataclasses
from collections.abc import Mapping, Sequence

from facekit.errors import UsageError

__all__ = ["Gate", "GateResult", "build_gates", "judge", "tell_verdict", "verdict"]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Gate:
    """A pass mark on one figure."""

    figure: str
    at_least: bool
    """True when the figure must reach the threshold, False when it must stay under it."""
    threshold: float

    def __str__(self) -> str:
        """Write the condition, such as "likeness_ratio >= 0.85"."""
        return f"{self.figure} {'>=' if self.at_least else '<='} {self.threshold:g}"


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class GateResult:
    """A gate and what was measured."""

    gate: Gate
    value: float | None

    @property
    def verdict(self) -> str:
        """Return "pass", "fail" or "not measured"."""
        if self.value is None:
            return "not measured"
        good = (
            self.value >= self.gate.threshold
            if self.gate.at_least
            else self.value <= self.gate.threshold
        )
        return "pass" if good else "fail"

    def to_json(self) -> dict[str, object]:
        """Return the gate, the value and the verdict."""
        return {
            "gate": str(self.gate),
            "figure": self.gate.figure,
            "value": self.value,
            "verdict": self.verdict,
        }


def build_gates(thresholds: Mapping[str, float]) -> tuple[Gate, ...]:
    """Turn recipe fields into gates: `min_x` becomes x at least, `max_x` becomes x at most.

    Raises:
        UsageError: A name begins with neither.
    """
    gates = []
    for name, threshold in thresholds.items():
        side, _, figure = name.partition("_")
        if side not in ("min", "max") or not figure:
            raise UsageError(
                f"gates.{name}: no such gate, expected min_<figure> or max_<figure>; rename it"
            )
        gates.append(Gate(figure=figure, at_least=side == "min", threshold=float(threshold)))
    return tuple(gates)


def judge(figures: Mapping[str, float | None], gates: Sequence[Gate]) -> tuple[GateResult, ...]:
    """Compare figures with their gates, in the order of the gates.

    Raises:
        UsageError: A gate names a figure that nothing measures.
    """
    unknown = [gate.figure for gate in gates if gate.figure not in figures]
    if unknown:
        raise UsageError(
            f"gates on {', '.join(unknown)}: nothing measures that, expected one of "
            f"{', '.join(sorted(figures))}; rename the gate"
        )
    return tuple(GateResult(gate=gate, value=figures[gate.figure]) for gate in gates)


def verdict(results: Sequence[GateResult]) -> str:
    """Return "fail" when any gate fails, "pass" when all pass, "incomplete" when only some do.

    Gates of which none was measured, and no gates at all, are "not measured".
    """
    verdicts = {result.verdict for result in results}
    if "fail" in verdicts:
        return "fail"
    if "pass" not in verdicts:
        return "not measured"
    return "incomplete" if "not measured" in verdicts else "pass"


def tell_verdict(results: Sequence[GateResult]) -> str:
    """Say how many gates there are, how many of them were measured, and what came out."""
    failed = sum(result.verdict == "fail" for result in results)
    missing = sum(result.verdict == "not measured" for result in results)
    count = len(results)
    if failed:
        return f"{failed} of {count} gates failed" + (
            f", {missing} not measured" if missing else ""
        )
    if missing == count:
        return "No gate measured"
    if missing:
        return f"{count - missing} of {count} gates measured, all passed"
    return f"All {count} gates passed"
