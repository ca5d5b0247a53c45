"""An evaluation before and after: what will be measured against what, and what came of it."""

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch

from facekit.adapters.character import Character
from facekit.adapters.judging_faces import JudgingFaces
from facekit.errors import GateFailed
from facekit.evaluation.gates import GateResult, build_gates, tell_verdict, verdict
from facekit.evaluation.reasons import NO_BASE
from facekit.evaluation.scores import CharacterScores
from facekit.recipe import Recipe
from facekit.workflows.device import device_text
from facekit.workflows.evaluate_settings import train_encoder_of
from facekit.workflows.takes import BASE_DIR

__all__ = ["EvaluatePlan", "EvaluateResult", "share_text"]

_MAKE_BASE = (
    "for prompt obedience, motion and locality shoot the same prompts and seeds again with"
    f" --strength 0 --out CLIPS/{BASE_DIR}"
)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class EvaluatePlan:
    """What will be measured, against what."""

    character: Character
    clips: tuple[Path, ...]
    names: tuple[str, ...]
    """What the report calls each clip: its place in the folder that was given."""
    base_clips: tuple[Path | None, ...]
    """The base model's, one per clip; None where it is missing."""
    truth_clips: tuple[Path | None, ...]
    """Drawn clips of the character, one per clip; None outside of the toon world."""
    enrolled: tuple[Path, ...]
    held_out: tuple[Path, ...]
    has_new_photos: bool
    """Whether some of those that judge are not the ones that training held out."""
    missing: tuple[str, ...]
    """Names of photos that the character file knows and that are not at hand."""
    kept: JudgingFaces | None
    """What templates hold in place of photos, where no photos are at hand."""
    recipe: Recipe
    device: torch.device
    """Of the report encoder."""
    out_dir: Path
    warnings: tuple[str, ...] = ()
    """What is allowed and better known before the work starts."""

    def describe(self) -> str:
        """Write clips, photos, encoders and gates."""
        base = share_text(self.base_clips) if any(self.base_clips) else f"none; {_MAKE_BASE}"
        folders = len({path.parent for path in self.clips})
        gates = ", ".join(str(gate) for gate in build_gates(self.recipe.gates.model_dump()))
        return "\n".join(
            [
                f"character: {self.character.name} ({self.character.source})",
                f"clips: {len(self.clips)}" + (f" in {folders} folders" if folders > 1 else ""),
                f"base clips: {base}",
                f"photos: {self._photos_text()}",
                f"report encoder: {self.recipe.encoder.report}"
                f" (trained with {train_encoder_of(self.character, self.recipe)})",
                f"device: {device_text(self.device)}",
                f"gates: {gates}",
                f"out: {self.out_dir}",
                *(f"warning: {told}" for told in self.warnings),
            ]
        )

    def _photos_text(self) -> str:
        if self.kept is not None:
            unseen, used = len(self.kept.held_out_HD), len(self.kept.enrolled_ED)
            return f"{unseen} unseen, {used} used in training, by the templates of the preset"
        return f"{len(self.held_out)} unseen, {len(self.enrolled)} used in training" + (
            f", not at hand: {', '.join(self.missing)}" if self.missing else ""
        )

    def to_json(self) -> Mapping[str, object]:
        """Return the same as plain data."""
        return {
            "character": self.character.name,
            "character_file": self.character.source,
            "clips": [str(path) for path in self.clips],
            "names": list(self.names),
            "base_clips": [str(path) if path else None for path in self.base_clips],
            "truth_clips": [str(path) if path else None for path in self.truth_clips],
            "enrolled_photos": [str(path) for path in self.enrolled],
            "held_out_photos": [str(path) for path in self.held_out],
            "missing_photos": list(self.missing),
            "by_templates": None if self.kept is None else len(self.kept.held_out_HD),
            "report_encoder": self.recipe.encoder.report,
            "train_encoder": train_encoder_of(self.character, self.recipe),
            "device": str(self.device),
            "gates": self.recipe.gates.model_dump(mode="json"),
            "out": str(self.out_dir),
            "warnings": list(self.warnings),
        }


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class EvaluateResult:
    """What was measured and where the report is."""

    report: Path
    scores: CharacterScores
    gates: tuple[GateResult, ...]

    @property
    def exit_code(self) -> int:
        """5 when a gate is missed, else 0, even if some gates could not be measured."""
        return GateFailed.exit_code if verdict(self.gates) == "fail" else 0

    def describe(self) -> str:
        """Write the gated figures, the verdict and the path of the report."""
        lines = [result.describe() for result in self.gates]
        lines += [f"verdict: {verdict(self.gates)} ({tell_verdict(self.gates)})"]
        if any(gate.value is None and gate.reason == NO_BASE for gate in self.gates):
            lines += [f"{NO_BASE}: {_MAKE_BASE}"]
        return "\n".join([*lines, f"report: {self.report}"])

    def to_json(self) -> Mapping[str, object]:
        """Return every figure, the gates and the paths."""
        return {
            "report": str(self.report),
            "figures": dict(self.scores.figures),
            "gates": [result.to_json() for result in self.gates],
            "verdict": verdict(self.gates),
        }


def share_text(paths: Sequence[Path | None]) -> str:
    """Say how many of the clips are there."""
    return f"{sum(path is not None for path in paths)} of {len(paths)}"
