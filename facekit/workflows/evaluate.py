"""Clips, a character and photos in; a report with figures, gates and pictures out."""

import dataclasses
import datetime
import hashlib
import platform
from collections.abc import Mapping, Sequence
from pathlib import Path

import facekit
from facekit.adapters.character import Character, load_character
from facekit.errors import GateFailed, UsageError
from facekit.evaluation.gates import GateResult, build_gates, judge, verdict
from facekit.evaluation.measure import check_report_encoder
from facekit.evaluation.report import ReportContent, write_report
from facekit.evaluation.scores import CharacterScores, Take
from facekit.evaluation.words import format_figure, wording
from facekit.faces.protocols import FaceVendor
from facekit.faces.vendors import encoder_id, load_faces
from facekit.media.files import ensure_new, ensure_out_dir, scan_photos
from facekit.recipe import Recipe, recipe_digest
from facekit.types import Progress
from facekit.workflows.characters import find_character
from facekit.workflows.measuring import (
    build_reference,
    load_probe,
    make_takes,
    measure,
    read_photos,
)
from facekit.workflows.takes import StoredTake, read_take, scan_takes

__all__ = ["EvaluatePlan", "EvaluateResult", "plan_evaluate", "run_evaluate"]

BASE_DIR = "base"
"""Folder beside clips that holds the base model's clips of the same names and seeds."""

TRUTH_DIR = "truth"
"""Folder beside clips that holds drawn clips of the character itself."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class EvaluatePlan:
    """What will be measured, against what."""

    character: Character
    clips: tuple[Path, ...]
    base_clips: tuple[Path, ...]
    """The base model's, in the order of the clips; empty where one is missing."""
    truth_clips: tuple[Path, ...]
    """Drawn clips of the character; empty outside of the toon world."""
    enrolled: tuple[Path, ...]
    held_out: tuple[Path, ...]
    recipe: Recipe
    out_dir: Path

    def describe(self) -> str:
        """Write clips, photos, encoders and gates."""
        base = f"{len(self.base_clips)}" if self.base_clips else "none, so no motion or locality"
        gates = ", ".join(str(gate) for gate in build_gates(self.recipe.gates.model_dump()))
        return "\n".join(
            [
                f"character: {self.character.name} ({self.character.source})",
                f"clips: {len(self.clips)}",
                f"base clips: {base}",
                f"photos: {len(self.held_out)} unseen, {len(self.enrolled)} used in training",
                f"report encoder: {self.recipe.encoder.report}"
                f" (trained with {train_encoder_of(self.character, self.recipe)})",
                f"gates: {gates}",
                f"out: {self.out_dir}",
            ]
        )

    def to_json(self) -> Mapping[str, object]:
        """Return the same as plain data."""
        return {
            "character": self.character.name,
            "character_file": self.character.source,
            "clips": [str(path) for path in self.clips],
            "base_clips": [str(path) for path in self.base_clips],
            "truth_clips": [str(path) for path in self.truth_clips],
            "enrolled_photos": [str(path) for path in self.enrolled],
            "held_out_photos": [str(path) for path in self.held_out],
            "report_encoder": self.recipe.encoder.report,
            "train_encoder": train_encoder_of(self.character, self.recipe),
            "gates": self.recipe.gates.model_dump(),
            "out": str(self.out_dir),
        }


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class EvaluateResult:
    """What was measured and where the report is."""

    report: Path
    scores: CharacterScores
    gates: tuple[GateResult, ...]

    @property
    def exit_code(self) -> int:
        """5 when a gate is missed, else 0."""
        return GateFailed.exit_code if verdict(self.gates) == "fail" else 0

    def describe(self) -> str:
        """Write the gated figures, the verdict and the path of the report."""
        lines = [
            f"{result.verdict:<12}  {wording(result.gate.figure).title}:"
            f" {format_figure(result.gate.figure, result.value)} (gate {result.gate})"
            for result in self.gates
        ]
        return "\n".join([*lines, f"report: {self.report}"])

    def to_json(self) -> Mapping[str, object]:
        """Return every figure, the gates and the paths."""
        return {
            "report": str(self.report),
            "figures": dict(self.scores.figures),
            "gates": [result.to_json() for result in self.gates],
            "verdict": verdict(self.gates),
        }


def train_encoder_of(character: Character, recipe: Recipe) -> str:
    """Name the encoder that trained a character, with its digest where the file knows it."""
    header = character.file.header
    if not header.encoder:
        return recipe.encoder.train
    return f"{header.encoder}@{header.encoder_digest[:12]}"


def plan_evaluate(
    clips: Sequence[Path | str],
    *,
    character: str,
    photos: Sequence[Path | str] = (),
    recipe: Recipe,
    out: Path | None = None,
    force: bool = False,
) -> EvaluatePlan:
    """Find everything that is compared.

    Args:
        clips: Files or folders. Clips of the same names in a folder `base` beside them are the
            base model's.
        character: A character's name, its folder or its file.
        photos: Photos that training never saw; those that training held out when none are given.
        recipe: Names the report encoder and the gates.
        out: Folder of the report; `report` beside the clips when None.
        force: Whether a report that is there may be replaced.

    Raises:
        UsageError: No such character, no photos, or the report encoder also trained.
        MediaError: A path does not exist, or no clip is there.
        OutputExists: A report is there already.
    """
    loaded = load_character(find_character(character))
    check_report_encoder(train_encoder_of(loaded, recipe), recipe.encoder.report)
    found = scan_takes(clips)
    enrolled, held_out = photos_of(loaded)
    if photos:
        held_out = tuple(scan_photos(photos))
    if not held_out:
        raise UsageError(
            f"{loaded.source}: names no held-out photos that are still there, expected at least"
            " one; name photos that training never saw with --photos"
        )
    out_dir = out or found[0].parent / "report"
    for name in ("report.html", "report.json"):
        ensure_new(out_dir / name, force)
    return EvaluatePlan(
        character=loaded,
        clips=tuple(found),
        base_clips=_beside(found, BASE_DIR),
        truth_clips=_beside(found, TRUTH_DIR),
        enrolled=enrolled,
        held_out=held_out,
        recipe=recipe,
        out_dir=out_dir,
    )


def photos_of(character: Character) -> tuple[tuple[Path, ...], tuple[Path, ...]]:
    """Return the photos that a character was trained on and those held out.

    The character file remembers their paths; those that are gone are left out.
    """
    stored = character.file.header.training.get("photos", {})
    roles = []
    for role in ("train", "held_out"):
        paths = [Path(str(path)) for path in stored.get(role, ())]
        roles.append(tuple(path for path in paths if path.is_file()))
    return roles[0], roles[1]


def _beside(clips: Sequence[Path], folder: str) -> tuple[Path, ...]:
    places = tuple(path.parent / folder / path.name for path in clips)
    return places if all(place.is_file() for place in places) else ()


def run_evaluate(
    plan: EvaluatePlan, progress: Progress, *, faces: FaceVendor | None = None
) -> EvaluateResult:
    """Measure the clips and write the report; a missed gate does not raise.

    Args:
        plan: What to measure.
        progress: Counts the clips.
        faces: Detector and encoder; the recipe's report encoder when None.

    Raises:
        UsageError: The report encoder also trained.
        FaceError: A photo without a face.
        OutputError: The folder cannot be written, or the disk is full.
    """
    ensure_out_dir(plan.out_dir)
    vendor = faces or load_faces(plan.recipe.encoder.report)
    photos = read_photos(plan.enrolled, plan.held_out)
    reference = build_reference(photos, vendor)
    stored: dict[str, list[StoredTake]] = {}
    groups = {"clips": plan.clips, BASE_DIR: plan.base_clips, TRUTH_DIR: plan.truth_clips}
    progress.start(sum(len(paths) for paths in groups.values()), "measuring")
    takes: dict[str, list[Take]] = {}
    for group, paths in groups.items():
        stored[group] = [read_take(path) for path in paths]
        takes[group] = []
        for take in stored[group]:
            takes[group] += make_takes([take.shot], [take.clip], vendor)
            progress.advance(1, take.path.name)
    progress.finish()
    backbone = plan.character.file.header.backbone
    scores = measure(
        plan.character.name,
        takes["clips"],
        reference,
        train_encoder=train_encoder_of(plan.character, plan.recipe),
        report_encoder=encoder_id(vendor),
        base_takes=takes[BASE_DIR] or None,
        truth_takes=takes[TRUTH_DIR] or None,
        probe=load_probe(backbone, vendor),
        prompts=[str(t.record.get("resolved_prompt", t.shot.prompt)) for t in stored["clips"]],
    )
    gates = judge(scores.figures, build_gates(plan.recipe.gates.model_dump()))
    content = ReportContent(
        scores=scores,
        takes=tuple(takes["clips"]),
        enrolled_photos=photos.enrolled,
        held_out_photos=photos.held_out,
        gates=gates,
        settings=_settings(plan, encoder_id(vendor), stored["clips"]),
    )
    return EvaluateResult(report=write_report(content, plan.out_dir), scores=scores, gates=gates)


def _settings(
    plan: EvaluatePlan, report_encoder: str, takes: Sequence[StoredTake]
) -> dict[str, str]:
    header = plan.character.file.header
    sampling = {str(take.record["sampling"]) for take in takes if "sampling" in take.record}
    adapter = hashlib.sha256(Path(plan.character.source).read_bytes()).hexdigest()
    return {
        "character file": f"{plan.character.source} (sha256 {adapter})",
        "level": header.level,
        "trigger": header.trigger,
        "backbone": f"{header.backbone} (sha256 {header.backbone_digest or 'unknown'})",
        "trained with encoder": train_encoder_of(plan.character, plan.recipe),
        "reported with encoder": report_encoder,
        "recipe": recipe_digest(plan.recipe),
        "sampling": "; ".join(sorted(sampling)) or "unknown",
        "photos kept back": ", ".join(str(path) for path in plan.held_out),
        "facekit": f"{facekit.__version__}, Python {platform.python_version()}",
        "made": datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d %H:%M UTC"),
    }
