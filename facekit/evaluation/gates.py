"""Pass marks: a figure, the side it must be on, and whether it is."""

import dataclasses
from collections.abc import Mapping, Sequence

from facekit.errors import UsageError
from facekit.evaluation.words import NOT_SCORABLE, format_figure, wording

__all__ = ["Gate", "GateResult", "build_gates", "judge", "tell_verdict", "verdict"]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Gate:
    """A pass mark on one figure."""

    figure: str
    at_least: bool
    """True when the figure must reach the threshold, False when it must stay under it."""
    threshold: float | None
    """None is a gate that is switched off."""

    def __str__(self) -> str:
        """Write the condition, such as "likeness_ratio >= 0.85", or "m_cp off"."""
        if self.threshold is None:
            return f"{self.figure} off"
        return f"{self.figure} {'>=' if self.at_least else '<='} {self.threshold:g}"


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class GateResult:
    """A gate and what was measured."""

    gate: Gate
    value: float | None
    reason: str = NOT_SCORABLE
    """Why there is no value, where there is none."""

    @property
    def verdict(self) -> str:
        """Return "pass", "fail", "not measured" or "off"."""
        if self.gate.threshold is None:
            return "off"
        if self.value is None:
            return "not measured"
        good = (
            self.value >= self.gate.threshold
            if self.gate.at_least
            else self.value <= self.gate.threshold
        )
        return "pass" if good else "fail"

    def describe(self) -> str:
        """Write the verdict, the figure in plain words, and the gate or why there is no value."""
        gate, told = self.gate, self.reason
        if self.value is not None:
            mark = "gate " if gate.threshold is not None else ""
            told = f"{format_figure(gate.figure, self.value)} ({mark}{gate})"
        return f"{self.verdict:<12}  {wording(gate.figure).title}: {told}"

    def to_json(self) -> dict[str, object]:
        """Return the gate, the value, the verdict and why there is no value."""
        return {
            "gate": str(self.gate),
            "figure": self.gate.figure,
            "value": self.value,
            "verdict": self.verdict,
            "reason": self.reason if self.value is None else None,
        }


def build_gates(thresholds: Mapping[str, float | None]) -> tuple[Gate, ...]:
    """Turn recipe fields into gates: `min_x` becomes x at least, `max_x` becomes x at most.

    None is a gate that is switched off: it is told, and neither passes nor fails.

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
        gates.append(Gate(figure=figure, at_least=side == "min", threshold=threshold))
    return tuple(gates)


def judge(
    figures: Mapping[str, float | None],
    gates: Sequence[Gate],
    reasons: Mapping[str, str] | None = None,
) -> tuple[GateResult, ...]:
    """Compare figures with their gates, in the order of the gates.

    Args:
        figures: Name to value; None could not be measured.
        gates: The pass marks.
        reasons: Why a figure has no value; "not scorable" where nothing is said.

    Raises:
        UsageError: A gate names a figure that nothing measures.
    """
    unknown = [gate.figure for gate in gates if gate.figure not in figures]
    if unknown:
        raise UsageError(
            f"gates on {', '.join(unknown)}: nothing measures that, expected one of "
            f"{', '.join(sorted(figures))}; rename the gate"
        )
    told = reasons or {}
    return tuple(
        GateResult(
            gate=gate,
            value=figures[gate.figure],
            reason=told.get(gate.figure, NOT_SCORABLE),
        )
        for gate in gates
    )


def verdict(results: Sequence[GateResult]) -> str:
    """Return "fail" when any gate fails, "pass" when all pass, "incomplete" when only some do.

    Gates that are off do not count. Gates of which none was measured, and no gates at all, are "not
    measured".
    """
    verdicts = {result.verdict for result in results}
    if "fail" in verdicts:
        return "fail"
    if "pass" not in verdicts:
        return "not measured"
    return "incomplete" if "not measured" in verdicts else "pass"


def tell_verdict(results: Sequence[GateResult]) -> str:
    """Say how many gates are on, how many of them were measured, and what came out."""
    failed = sum(result.verdict == "fail" for result in results)
    missing = sum(result.verdict == "not measured" for result in results)
    count = sum(result.verdict != "off" for result in results)
    if failed:
        return f"{failed} of {count} gates failed" + (
            f", {missing} not measured" if missing else ""
        )
    if missing == count:
        return "No gate measured"
    if missing:
        return f"{count - missing} of {count} gates measured, all passed"
    return f"All {count} gates passed"
