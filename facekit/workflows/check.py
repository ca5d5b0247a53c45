"""Photos in, a verdict on each out: will they make a character?"""

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from facekit.curation.allowing import read_allowed
from facekit.curation.captioning import check_captioner
from facekit.curation.coverage import Coverage, cover
from facekit.curation.findings import Role, Verdict
from facekit.curation.folder import check_place
from facekit.curation.inspecting import inspect_photos
from facekit.curation.inspection import Inspection
from facekit.curation.manifest import DatasetManifest
from facekit.errors import PhotosRefused
from facekit.faces.protocols import FaceVendor
from facekit.faces.vendors import check_vendor, encoder_id, load_faces, vendor_facts
from facekit.identity.photo_set import PhotoSet
from facekit.media.scan import Source, is_dataset, scan_sources, tell_sources
from facekit.recipe import Recipe
from facekit.types import NoProgress, Progress
from facekit.workflows.captions import CaptionSummary, add_captions, summarise_captions
from facekit.workflows.check_json import photos_to_json, rounded
from facekit.workflows.check_table import coverage_lines, photo_table
from facekit.workflows.datasets import REPORT_FILE, refuse_datasets, write_checked
from facekit.workflows.source_names import name_within, shown_name

__all__ = ["CheckPlan", "CheckReport", "plan_check", "run_check"]


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
                *([f"overruled: {', '.join(self.allow)}"] if self.allow else []),
                *([] if self.out_dir is None else [f"out: {self.out_dir}{self._found()}"]),
            ]
        )

    def to_json(self) -> Mapping[str, object]:
        """The photos, the encoder and the thresholds."""
        return {
            "photos": [source.name for source in self.sources],
            "encoder": self.recipe.encoder.train,
            "rules": self.recipe.photos.model_dump(mode="json"),
            "allow": list(self.allow),
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
        lines = [*photo_table(self.verdicts), "", *coverage_lines(self.coverage)]
        lines += [f"advice: {advice.sentence}" for advice in self.inspection.advice]
        lines.append(
            f"usable: {usable} of {len(self.verdicts)} photos"
            + (f", {held_out} of them held out to measure the result" if held_out else "")
        )
        if self.inspection.views:
            best = ", ".join(map(shown_name, name_within(self.inspection.views)))
            lines.append(f"best views: {best}")
        lines += [f"overruled: {line}" for line in self.inspection.overruled]
        lines += [f"refused: {finding.sentence}" for finding in self.inspection.findings]
        if not self.accepted and not self.inspection.findings:
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
            "min_same_person": round(self.inspection.min_same_person, 4),
            "findings": rounded([finding.to_json() for finding in self.inspection.findings]),
            "allowed": rounded([finding.to_json() for finding in self.inspection.allowed]),
            "photos": rounded(photos_to_json(self.inspection)),
            "similarity": self.inspection.similarity_to_json(),
            "coverage": self.coverage.to_json(),
            "views": list(self.inspection.views),
            "advice": rounded([advice.to_json() for advice in self.inspection.advice]),
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
    allow: Sequence[str] = (),
    out: Path | None = None,
) -> CheckPlan:
    """List the photos to look at.

    Args:
        photos: Files, folders, patterns or zip archives.
        recipe: Names the encoder and the thresholds.
        name: What the character will be called.
        options: What chose the recipe, like ("--set", "photos.holdout=1"); training needs the same.
        allow: Codes of reasons that are overruled, like "blurred".
        out: The folder of the dataset; None writes none.

    Raises:
        UsageError: The recipe names an unknown encoder or captioning model, what is overruled is
            no reason, or a dataset is given.
        MediaError: A path does not exist, or there is no photo and no clip at all.
        OutputExists: `out` holds something else.
    """
    check_vendor(recipe.encoder.train)
    check_captioner(recipe.captions.model)
    read_allowed(allow)
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
        allow=tuple(allow),
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
    inspection = inspect_photos(
        plan.sources,
        plan.recipe.photos,
        vendor,
        bar,
        allow=plan.allow,
        num_views=plan.recipe.identity.max_photos,
    )
    inspection = add_captions(inspection, plan.recipe.captions, bar)
    manifest = None
    if plan.out_dir is not None:
        manifest = write_checked(
            plan.out_dir, inspection, vendor, plan.recipe, plan.allow, plan.name, bar
        )
    if inspection.findings:
        step = inspection.findings[0].sentence.rpartition("; ")[2]
    elif not inspection.accepted:
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
