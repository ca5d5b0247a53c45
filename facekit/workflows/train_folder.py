"""The folder of a character while it is trained: what may stay, what must go."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

from facekit.adapters.character_file import CharacterFile
from facekit.errors import AdapterError, CheckpointMismatch, OutputExists, WeightsError
from facekit.media.files import write_text
from facekit.recipe import Recipe, dump_recipe, recipe_digest
from facekit.training.checkpoint import load_state
from facekit.training.trackers import TENSORBOARD_DIR
from facekit.training.train_character import CACHE_FILE, HELD_OUT_FILE
from facekit.training.trainer import METRICS_FILE, STATE_FILE
from facekit.workflows.characters import ADAPTER_FILE, RECIPE_FILE, RESULT_FILE
from facekit.workflows.masks import MasksUsed
from facekit.workflows.rights_choice import CONSENT_FILE
from facekit.workflows.train_outcome import TrainOutcome

__all__ = [
    "SAMPLES_DIR",
    "finished_outcome",
    "is_resumed",
    "make_room",
    "photos_folder",
    "recipe_text",
    "sweep",
    "write_result",
]

SAMPLES_DIR = "samples"


def finished_outcome(out_dir: Path, digest: str) -> TrainOutcome | None:
    """The outcome of this very run, when it is already there with a whole character file.

    The file is the one in this folder, wherever the folder was when the run ended.
    """
    adapter = out_dir / ADAPTER_FILE
    try:
        content = json.loads((out_dir / RESULT_FILE).read_text(encoding="utf-8"))
        outcome = content["outcome"]
        if content["run_digest"] != digest or not adapter.is_file():
            return None
        if _is_of_another_run(adapter, digest):
            return None
        own = {
            "adapter": adapter,
            "warnings": tuple(outcome["warnings"]),
            "overruled": tuple(outcome.get("overruled", ())),
            "masks": MasksUsed(**outcome["masks"]) if outcome.get("masks") else None,
            "was_there": True,
        }
        return TrainOutcome(**{**outcome, **own})
    except (OSError, ValueError, KeyError, TypeError):
        return None


def write_result(out_dir: Path, digest: str, outcome: TrainOutcome, photos: Path) -> None:
    """Write how a run ended, and the folder of its photos, which no character file tells."""
    content = {"run_digest": digest, "photos": str(photos), "outcome": outcome.to_json()}
    write_text(out_dir / RESULT_FILE, json.dumps(content, indent=1) + "\n")


def photos_folder(out_dir: Path, digest: str) -> Path | None:
    """The folder of a run's photos as it was then; None where this run left no result."""
    try:
        content = json.loads((out_dir / RESULT_FILE).read_text(encoding="utf-8"))
        return Path(content["photos"]) if content["run_digest"] == digest else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def make_room(out_dir: Path, digest: str, *, replace: bool, again: bool) -> None:
    """Keep the state of this run, and remove what another one left where that is allowed.

    The old character file stays until a new one replaces it.

    Raises:
        CheckpointMismatch: The folder holds another run, and it may not be replaced.
        ChecksumMismatch: The state is cut short.
    """
    try:
        state = load_state(out_dir / STATE_FILE, digest)
        other = state is None and _is_of_another_run(out_dir / ADAPTER_FILE, digest)
    except WeightsError:
        if not replace:
            raise
        other = True
    if other and not replace:
        raise CheckpointMismatch(
            f"{out_dir / ADAPTER_FILE}: made by another recipe, another trigger, other photos,"
            " other face masks or other weights, expected an unfinished run of these; add --force"
            " to replace it or choose another --out"
        )
    if not other and not again:
        return
    for name in (RESULT_FILE, STATE_FILE, METRICS_FILE, CACHE_FILE, HELD_OUT_FILE):
        (out_dir / name).unlink(missing_ok=True)
    for sample in (out_dir / SAMPLES_DIR).glob("step-*.png"):
        sample.unlink()
    shutil.rmtree(out_dir / TENSORBOARD_DIR, ignore_errors=True)


def _is_of_another_run(adapter: Path, digest: str) -> bool:
    """Whether a character file is there that this run did not write."""
    if not adapter.exists():
        return False
    try:
        return CharacterFile.load(adapter).header.run_digest != digest
    except AdapterError:
        return True


def recipe_text(recipe: Recipe) -> str:
    """The resolved recipe as it lies beside its result, with its digest."""
    return f"# resolved recipe, sha256 {recipe_digest(recipe)}\n{dump_recipe(recipe)}"


def is_resumed(out_dir: Path, recipe: Recipe, *, force: bool) -> bool:
    """Whether a run of this recipe is in the folder; anything else there is refused."""
    if not out_dir.exists():
        return False
    if out_dir.is_dir() and set(out_dir.iterdir()) <= set(_left_behind(out_dir)):
        return False  # empty, or killed before the first file had its name
    try:
        written = (out_dir / RECIPE_FILE).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        written = ""
    if written == recipe_text(recipe):
        return True
    if force and out_dir.is_dir():
        return False
    if written:
        raise CheckpointMismatch(
            f"{out_dir}: holds a character of another recipe, expected a new folder or recipe"
            f" {recipe_digest(recipe)[:12]}; add --force to replace it or choose another --out"
        )
    what = "is not a folder" if out_dir.is_file() else "holds something else"
    raise OutputExists(
        f"{out_dir}: {what}, expected a new folder; choose another --out or add --force to use it"
    )


def sweep(out_dir: Path) -> None:
    """Remove what a kill in the middle of a write has left: files that were never renamed."""
    for left in _left_behind(out_dir):
        left.unlink(missing_ok=True)


def _left_behind(out_dir: Path) -> Iterator[Path]:
    caches = (CACHE_FILE, HELD_OUT_FILE)
    own = (ADAPTER_FILE, RESULT_FILE, RECIPE_FILE, CONSENT_FILE)
    for name in (STATE_FILE, METRICS_FILE, *caches, *own):
        stem, suffix = Path(name).stem, Path(name).suffix
        yield from out_dir.glob(f".{stem}-????????{suffix}")
