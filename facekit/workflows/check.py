"""Photos in, a verdict on each out: will they make a character?"""

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from facekit.curation.allowing import read_allowed
from facekit.curation.coverage import PITCHES, YAWS, Coverage, cover
from facekit.curation.dataset import Inspection, inspect_photos
from facekit.curation.findings import Role, Verdict
from facekit.errors import PhotosRefused
from facekit.faces.protocols import FaceVendor
from facekit.faces.vendors import check_vendor, encoder_id, load_faces, vendor_facts
from facekit.identity.photo_set import PhotoSet
from facekit.media.scan import Source, scan_sources, tell_sources
from facekit.recipe import Recipe
from facekit.types import Progress
from facekit.workflows.photos import name_within

__all__ = ["CheckPlan", "CheckReport", "plan_check", "run_check"]

_HEAD = ("photo", "face px", "sharp", "light", "turn", "alike", "verdict")


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckPlan:
    """Which photos will be looked at, and by what measure."""

    sources: tuple[Source, ...]
    recipe: Recipe
    name: str | None
    """What the character is called; only for the next step."""
    given: tuple[str, ...]
    """The files, folders, patterns and archives as they were given."""
    allow: tuple[str, ...] = ()
    """Codes of reasons that are overruled."""
    options: tuple[str, ...] = ()
    """What chose the recipe, as words of a command line; only for the next step."""

    def describe(self) -> str:
        """The number of photos, the encoder and the thresholds."""
        rules = self.recipe.photos
        return "\n".join(
            [
                f"found: {tell_sources(self.sources, rules.frames_per_clip)} in"
                f" {', '.join(self.given)}",
                f"encoder: {vendor_facts(self.recipe.encoder.train).describe()}",
                f"needed: {rules.min_usable} usable photos of one person, each with one face of"
                f" {rules.min_face_px} px or more",
                *([f"overruled: {', '.join(self.allow)}"] if self.allow else []),
            ]
        )

    def to_json(self) -> Mapping[str, object]:
        """The photos, the encoder and the thresholds."""
        return {
            "photos": [source.name for source in self.sources],
            "encoder": self.recipe.encoder.train,
            "rules": self.recipe.photos.model_dump(mode="json"),
            "allow": list(self.allow),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckReport:
    """The verdict on every photo, and whether they will do as a set."""

    inspection: Inspection
    encoder: str
    """Who compared the faces: ``name@`` and the first 12 hex digits of the weights' sha256."""
    next_step: str
    """What to do now."""

    @property
    def accepted(self) -> bool:
        """Whether a character can be trained on these photos."""
        return self.inspection.accepted

    @property
    def exit_code(self) -> int:
        """0 when the photos will do, 3 when they are refused."""
        return 0 if self.accepted else PhotosRefused.exit_code

    @property
    def verdicts(self) -> tuple[Verdict, ...]:
        """One per photo, in the order given."""
        return self.inspection.verdicts

    @property
    def coverage(self) -> Coverage:
        """What the usable photos show."""
        return cover([v.quality for v in self.verdicts if v.usable and v.quality is not None])

    def require(self) -> PhotoSet:
        """The photos to train on and those held out.

        Raises:
            PhotosRefused: Too few are usable; the message gives the reason of each.
        """
        return self.inspection.require()

    def describe(self) -> str:
        """A table with a row per photo, the advice, and what to do now."""
        usable = sum(verdict.usable for verdict in self.verdicts)
        held_out = sum(verdict.role is Role.HELD_OUT for verdict in self.verdicts)
        lines = [*_table(self.verdicts), "", *_grid(self.coverage)]
        lines += [f"advice: {advice.sentence}" for advice in self.inspection.advice]
        lines.append(
            f"usable: {usable} of {len(self.verdicts)} photos"
            + (f", {held_out} of them held out to measure the result" if held_out else "")
        )
        if self.inspection.views:
            best = ", ".join(name_within(self.inspection.views))
            lines.append(f"best views: {best}")
        lines += [f"overruled: {line}" for line in self.inspection.overruled]
        lines += [f"refused: {finding.sentence}" for finding in self.inspection.findings]
        if not self.accepted and not self.inspection.findings:
            lines.append(f"refused: at least {self.inspection.min_usable} usable photos are needed")
        lines.append(f"next: {self.next_step}")
        return "\n".join(lines)

    def to_json(self) -> Mapping[str, object]:
        """Every measurement, verdict and advice."""
        return {
            "accepted": self.accepted,
            "num_photos": len(self.verdicts),
            "num_usable": sum(verdict.usable for verdict in self.verdicts),
            "min_usable": self.inspection.min_usable,
            "encoder": self.encoder,
            "findings": [finding.to_json() for finding in self.inspection.findings],
            "allowed": [finding.to_json() for finding in self.inspection.allowed],
            "photos": [verdict.to_json() for verdict in self.verdicts],
            "coverage": self.coverage.to_json(),
            "views": list(self.inspection.views),
            "advice": [advice.to_json() for advice in self.inspection.advice],
            "next": self.next_step,
        }


def plan_check(
    photos: Sequence[Path | str],
    *,
    recipe: Recipe,
    name: str | None = None,
    options: Sequence[str] = (),
    allow: Sequence[str] = (),
) -> CheckPlan:
    """List the photos to look at.

    Args:
        photos: Files, folders, patterns or zip archives.
        recipe: Names the encoder and the thresholds.
        name: What the character will be called.
        options: What chose the recipe, like ("--set", "photos.holdout=1"); training needs the same.
        allow: Codes of reasons that are overruled, like "blurred".

    Raises:
        UsageError: The recipe names an unknown encoder, or what is overruled is no reason.
        MediaError: A path does not exist, or there is no photo and no clip at all.
    """
    check_vendor(recipe.encoder.train)
    read_allowed(allow)
    found = scan_sources(photos)
    given = tuple(str(path) for path in photos)
    return CheckPlan(
        sources=found,
        recipe=recipe,
        name=name,
        given=given,
        options=tuple(options),
        allow=tuple(allow),
    )


def run_check(
    plan: CheckPlan, progress: Progress | None = None, *, faces: FaceVendor | None = None
) -> CheckReport:
    """Look at every photo; a bad one never stops the others, and refused photos do not raise.

    Args:
        plan: What `plan_check` made.
        progress: Counts the photos.
        faces: Detector and encoder; the recipe's training encoder when absent.

    Raises:
        UsageError: The recipe names an unknown encoder.
        WeightsError: The encoder's weights are missing or damaged.
        MediaError: An archive is gone since it was listed.
        OutputError: What is unpacked cannot be kept.
    """
    vendor = faces or load_faces(plan.recipe.encoder.train)
    inspection = inspect_photos(
        plan.sources, plan.recipe.photos, vendor, progress, allow=plan.allow
    )
    if inspection.findings:
        step = inspection.findings[0].sentence.rpartition("; ")[2]
    elif not inspection.accepted:
        step = "add sharp photos of one person, alone in the picture, and check again"
    else:
        words = (*plan.given, "--as", plan.name or "NAME", *plan.options)
        step = f"facekit train {shlex.join(words)}"
    return CheckReport(inspection=inspection, encoder=encoder_id(vendor), next_step=step)


def _table(verdicts: Sequence[Verdict]) -> list[str]:
    names = name_within([verdict.source for verdict in verdicts])
    rows = [_HEAD, *map(_row, verdicts, names)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(_HEAD))]
    lines = []
    for row in rows:
        cells = [row[0].ljust(widths[0])]
        cells += [cell.rjust(width) for cell, width in zip(row[1:-1], widths[1:-1], strict=True)]
        lines.append("  ".join([*cells, row[-1]]).rstrip())
    return lines


def _grid(coverage: Coverage) -> list[str]:
    """A row per pitch and a column per yaw, and a line of what else is shown."""
    rows: list[tuple[str, ...]] = [("views", *YAWS)]
    rows += [
        (name, *("-" if count == 0 else str(count) for count in row))
        for name, row in zip(PITCHES, coverage.grid, strict=True)
    ]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]
    parts = (
        ("light", coverage.lights),
        ("distance", coverage.distances),
        ("mouth", coverage.expressions),
    )
    told = [
        f"{name}: " + ", ".join(f"{count} {kind}" for kind, count in counts.items())
        for name, counts in parts
    ]
    return [*lines, "; ".join(told), ""]


def _row(verdict: Verdict, name: str) -> tuple[str, ...]:
    quality = verdict.quality
    measured = ("-",) * 4
    if quality is not None:
        measured = (
            f"{quality.face_px:.0f}",
            f"{quality.sharpness:.2f}",
            f"{quality.brightness:.2f}",
            f"{round(quality.yaw_deg):+d}",
        )
    alike = "-" if verdict.similarity is None else f"{verdict.similarity:.2f}"
    role = verdict.role.value
    said = f"{role}: {verdict.reasons}" if verdict.findings else role
    said += f" (note: {verdict.remarks})" if verdict.notes else ""
    said += f" (overruled: {verdict.overruled})" if verdict.allowed else ""
    return (name, *measured, alike, said)
