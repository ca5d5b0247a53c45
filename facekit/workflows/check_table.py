"""Verdicts and coverage as lines of plain text."""

from collections.abc import Sequence

from facekit.curation.coverage import (
    DISTANCE,
    EXPRESSION,
    LIGHT,
    PITCH,
    YAW,
    Coverage,
    usual_pitch_deg,
)
from facekit.curation.findings import Verdict
from facekit.workflows.source_names import name_within, shown_name

__all__ = ["coverage_lines", "photo_table"]

_HEAD = ("photo", "face px", "sharp", "light", "turn", "nod", "alike", "verdict")


def photo_table(verdicts: Sequence[Verdict]) -> list[str]:
    """A row per photo, with what was measured, and the verdict with its reasons."""
    names = [shown_name(name) for name in name_within([v.source for v in verdicts])]
    middle = usual_pitch_deg([v.quality for v in verdicts if v.usable and v.quality is not None])
    rows = [
        _HEAD,
        *(_row(verdict, name, middle) for verdict, name in zip(verdicts, names, strict=True)),
    ]
    widths = [max(len(row[column]) for row in rows) for column in range(len(_HEAD))]
    lines = []
    for row in rows:
        cells = [row[0].ljust(widths[0])]
        cells += [cell.rjust(width) for cell, width in zip(row[1:-1], widths[1:-1], strict=True)]
        lines.append("  ".join([*cells, row[-1]]).rstrip())
    return lines


def coverage_lines(coverage: Coverage) -> list[str]:
    """A row per pitch and a column per yaw, and a line of what else is shown; none of no photo."""
    if not any(map(any, coverage.grid)):
        return []
    rows: list[tuple[str, ...]] = [("views", *YAW.places)]
    rows += [
        (name, *("-" if count == 0 else str(count) for count in row))
        for name, row in zip(PITCH.places, coverage.grid, strict=True)
    ]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]
    told = [
        f"{name}: "
        + ", ".join(f"{count} {kind}" for kind, count in coverage.counts[axis.name].items())
        for name, axis in (("light", LIGHT), ("distance", DISTANCE), ("mouth", EXPRESSION))
    ]
    return [*lines, "; ".join(told), ""]


def _row(verdict: Verdict, name: str, usual_pitch_deg: float) -> tuple[str, ...]:
    quality = verdict.quality
    measured = ("-",) * 5
    if quality is not None:
        measured = (
            f"{quality.face_px:.0f}",
            f"{quality.sharpness:.2f}",
            f"{quality.brightness:.2f}",
            f"{round(quality.yaw_deg):+d}",
            f"{round(quality.pitch_deg - usual_pitch_deg):+d}",
        )
    alike = "-" if verdict.similarity is None else f"{verdict.similarity:.2f}"
    role = verdict.role.value
    said = f"{role}: {verdict.reasons}" if verdict.findings else role
    said += f" (note: {verdict.remarks})" if verdict.notes else ""
    said += f" (overruled: {verdict.overruled})" if verdict.allowed else ""
    return (name, *measured, alike, said)
