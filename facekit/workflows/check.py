"""Photos in, a verdict on each out: will they make a character?"""

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from facekit.curation.captioning import check_captioner
from facekit.curation.dataset import Inspection, inspect_photos
from facekit.curation.findings import Role, Verdict
from facekit.curation.folder import check_place
from facekit.curation.manifest import DatasetManifest
from facekit.errors import PhotosRefused
from facekit.faces.protocols import FaceVendor
from facekit.faces.vendors import check_vendor, encoder_id, load_faces, vendor_facts
from facekit.identity.photo_set import PhotoSet
from facekit.media.scan import Source, is_dataset, scan_sources, tell_sources
from facekit.recipe import Recipe
from facekit.types import NoProgress, Progress
from facekit.workflows.captions import CaptionSummary, add_captions, summarise_captions
from facekit.workflows.datasets import REPORT_FILE, refuse_datasets, write_checked
from facekit.workflows.source_names import name_within

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
    options: tuple[str, ...] = ()
    """What chose the recipe, as words of a command line; only for the next step."""
    out_dir: Path | None = None
    """Where the dataset goes; None writes none."""

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
                *([] if self.out_dir is None else [f"out: {self.out_dir}{self._found()}"]),
            ]
        )

    def to_json(self) -> Mapping[str, object]:
        """The photos, the encoder and the thresholds."""
        return {
            "photos": [source.name for source in self.sources],
            "encoder": self.recipe.encoder.train,
            "rules": self.recipe.photos.model_dump(mode="json"),
            "out": None if self.out_dir is None else str(self.out_dir),
        }

    def _found(self) -> str:
        known = self.out_dir is not None and is_dataset(self.out_dir)
        return " (brought up to date)" if known else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckReport:
    """The verdict on every photo, and whether they will do as a set."""

    inspection: Inspection
    encoder: str
    """Who compared the faces: ``name@`` and the first 12 hex digits of the weights' sha256."""
    next_step: str
    """What to do now."""
    captions: CaptionSummary
    """What will be said of the photos."""
    dataset: Path | None = None
    """The folder that was written; None where none was asked for."""
    manifest: DatasetManifest | None = None
    """What is in it."""

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
        lines = [*_table(self.verdicts), ""]
        lines += [f"advice: {advice.sentence}" for advice in self.inspection.advice]
        lines.append(
            f"usable: {usable} of {len(self.verdicts)} photos"
            + (f", {held_out} of them held out to measure the result" if held_out else "")
        )
        if not self.accepted:
            lines.append(f"refused: at least {self.inspection.min_usable} usable photos are needed")
        lines += self.captions.lines()
        if self.dataset is not None:
            lines.append(f"dataset: {self.dataset}")
            lines.append(f"report: {self.dataset / REPORT_FILE}")
            if self.manifest is not None and self.manifest.parser.shortfall:
                lines.append(f"note: {self.manifest.parser.shortfall}")
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
            "photos": [verdict.to_json() for verdict in self.verdicts],
            "advice": [advice.to_json() for advice in self.inspection.advice],
            "captions": self.captions.to_json(),
            "dataset": None if self.dataset is None else str(self.dataset),
            "report": None if self.dataset is None else str(self.dataset / REPORT_FILE),
            "manifest": None
            if self.manifest is None
            else self.manifest.model_dump(mode="json", exclude={"photos", "advice"}),
            "next": self.next_step,
        }


def plan_check(
    photos: Sequence[Path | str],
    *,
    recipe: Recipe,
    name: str | None = None,
    options: Sequence[str] = (),
    out: Path | None = None,
) -> CheckPlan:
    """List the photos to look at.

    Args:
        photos: Files, folders, patterns or zip archives.
        recipe: Names the encoder and the thresholds.
        name: What the character will be called.
        options: What chose the recipe, like ("--set", "photos.holdout=1"); training needs the same.
        out: The folder of the dataset; None writes none.

    Raises:
        UsageError: The recipe names an unknown encoder or captioning model, or a dataset is given.
        MediaError: A path does not exist, or there is no photo and no clip at all.
        OutputExists: `out` holds something else.
    """
    check_vendor(recipe.encoder.train)
    check_captioner(recipe.captions.model)
    refuse_datasets(photos)
    found = scan_sources(photos)
    if out is not None:
        check_place(out)
    return CheckPlan(
        sources=found,
        recipe=recipe,
        name=name,
        given=tuple(str(path) for path in photos),
        options=tuple(options),
        out_dir=out,
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
        WeightsError: The weights of the encoder or the captioning model are missing or damaged.
        MediaError: An archive is gone since it was listed.
        OutputError: What is unpacked cannot be kept, or the dataset cannot be written.
    """
    bar = progress or NoProgress()
    vendor = faces or load_faces(plan.recipe.encoder.train)
    inspection = inspect_photos(plan.sources, plan.recipe.photos, vendor, bar)
    inspection = add_captions(inspection, plan.recipe.captions, bar)
    manifest = None
    if plan.out_dir is not None:
        manifest = write_checked(plan.out_dir, inspection, vendor, plan.recipe, plan.name, bar)
    if not inspection.accepted:
        step = "add sharp photos of one person, alone in the picture, and check again"
    else:
        photos = plan.given if plan.out_dir is None else (str(plan.out_dir),)
        words = (*photos, "--as", plan.name or "NAME", *plan.options)
        step = f"facekit train {shlex.join(words)}"
    return CheckReport(
        inspection=inspection,
        encoder=encoder_id(vendor),
        next_step=step,
        captions=summarise_captions(inspection, plan.recipe.captions),
        dataset=plan.out_dir,
        manifest=manifest,
    )


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
    return (name, *measured, alike, said)
