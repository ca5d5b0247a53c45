"""What a report says of how its clips were made and measured."""

import datetime
import platform
from collections.abc import Sequence
from pathlib import Path

import facekit
from facekit.adapters.character import Character
from facekit.recipe import Recipe, recipe_digest
from facekit.weights import file_digest
from facekit.workflows.takes import StoredTake

__all__ = ["report_settings", "share", "train_encoder_of"]


def train_encoder_of(character: Character, recipe: Recipe) -> str:
    """Name the encoder that trained a character, with its digest where the file knows it."""
    header = character.file.header
    if not header.encoder:
        return recipe.encoder.train
    return f"{header.encoder}@{header.encoder_digest[:12]}"


def report_settings(
    character: Character,
    recipe: Recipe,
    report_encoder: str,
    takes: Sequence[StoredTake],
    *,
    base: str,
    held_out: Sequence[Path],
    missing: Sequence[str],
) -> dict[str, str]:
    """Write the settings of a report.

    Args:
        character: Who was measured.
        recipe: By what.
        report_encoder: Name and digest.
        takes: The clips.
        base: Which clips of the base model and which drawn ones were at hand, in words.
        held_out: Photos that judged.
        missing: Names of photos that were not at hand.
    """
    header = character.file.header
    sampling = {str(take.record["sampling"]) for take in takes if "sampling" in take.record}
    return {
        "character file": f"{character.source} (sha256 {file_digest(character.source)})",
        "level": header.level,
        "trigger": header.trigger,
        "backbone": f"{header.backbone} (sha256 {header.backbone_digest or 'unknown'})",
        "trained with encoder": train_encoder_of(character, recipe),
        "reported with encoder": report_encoder,
        "recipe": recipe_digest(recipe),
        "sampling": "; ".join(sorted(sampling)) or "unknown",
        "base clips": base,
        "photos kept back": ", ".join(str(path) for path in held_out),
        "photos not at hand": ", ".join(missing) or "none",
        "facekit": f"{facekit.__version__}, Python {platform.python_version()}",
        "made": datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d %H:%M UTC"),
    }


def share(paths: Sequence[Path | None]) -> str:
    """How many of some files are there, in words."""
    return f"{sum(path is not None for path in paths)} of {len(paths)}"
