"""What would need less memory, told where a run has none left."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

import torch

from facekit.backbones.held import BaseWeights
from facekit.errors import OutOfMemory, WeightsError
from facekit.recipe import Recipe
from facekit.training.shortage import out_of_memory
from facekit.workflows.cost import ROOM, device_bytes, in_gb, recipe_cost
from facekit.workflows.train_checks import is_refused

__all__ = ["Saving", "advice_on_memory", "fitting", "savings"]

_HALVINGS = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Saving:
    """A change of a recipe that needs less memory."""

    setting: str
    """As ``--set`` takes it."""
    peak: int
    """Bytes with it."""
    before: int
    """Bytes without it."""

    def describe(self) -> str:
        """The setting, what it leaves and what it saves."""
        return f"{self.setting} (about {in_gb(self.peak)}, {in_gb(self.before - self.peak)} less)"


def savings(recipe: Recipe, *, device: str = "cuda", num_views: int = 24) -> Sequence[Saving]:
    """Changes of a recipe that need less memory, the one that saves most first.

    Raises:
        WeightsError: The backbone is neither on this machine nor known by its shape.
    """
    before = recipe_cost(recipe, device=device, num_views=num_views).peak
    found = []
    for setting, changed in _smaller(recipe, device):
        if is_refused(changed):
            continue  # advice must be something that can be followed
        peak = recipe_cost(changed, device=device, num_views=num_views).peak
        if peak < before:
            found.append(Saving(setting=setting, peak=peak, before=before))
    return tuple(sorted(found, key=lambda saving: saving.peak))


def fitting(
    recipe: Recipe,
    found: Sequence[Saving],
    room: int,
    *,
    device: str = "cuda",
    num_views: int = 24,
) -> Saving | None:
    """Settings that together are expected to fit: one after the other, then smaller batches.

    Args:
        recipe: That does not fit.
        found: What `savings` gave, of which none fits by itself.
        room: Bytes that there are.
        device: As for `recipe_cost`.
        num_views: As for `recipe_cost`.

    Returns:
        The settings as ``--set`` takes them, and the bytes with all of them, more than `room` where
        nothing is left to change; None where nothing saves.

    Raises:
        WeightsError: The backbone is neither on this machine nor known by its shape.
    """
    chosen: dict[str, str] = {}
    peak = found[0].before if found else 0
    keys = list(dict.fromkeys(saving.setting.partition("=")[0] for saving in found))
    for key in keys + ["train.batch_size"] * _HALVINGS:
        options = ((s, c) for s, c in _smaller(recipe, device) if s.startswith(f"{key}="))
        setting, changed = next(options, ("", recipe))
        if not setting or is_refused(changed):
            continue
        needs = recipe_cost(changed, device=device, num_views=num_views).peak
        if needs < peak:
            chosen[key], recipe, peak = setting, changed, needs
        if peak <= room:
            break
    if not chosen:
        return None
    return Saving(setting=" --set ".join(chosen.values()), peak=peak, before=found[0].before)


@contextmanager
def advice_on_memory(recipe: Recipe, device: torch.device, state: Path) -> Iterator[None]:
    """Tell what would need less memory where a run has none left.

    Args:
        recipe: Of the run.
        device: Of the run.
        state: Where its checkpoint lies, if there is one.

    Raises:
        OutOfMemory: With settings as its next step, the one that saves most first.
    """
    try:
        yield
    except OutOfMemory as error:
        kind = "cpu" if device.type == "cpu" else "cuda"
        room = int((1 - ROOM) * (device_bytes(device) or 0)) if kind == "cuda" else error.held
        enough, together = list[Saving](), None
        try:
            found = savings(recipe, device=kind)
            enough = [each for each in found if each.peak <= room]
            together = None if enough else fitting(recipe, found, room, device=kind)
        except (WeightsError, RuntimeError, MemoryError):
            pass  # no memory is left for that either, or nothing is known
        kept = "train on a device with more memory"
        if enough:
            told = ", ".join(saving.describe() for saving in enough[:4])
            kept = f"train again with --force and --set one of {told}"
        elif together is not None and together.peak <= room:
            kept = f"train again with --force --set {together.describe()}"
        elif together is not None:
            kept = f"{kept}, for even --set {together.describe()} is more than was held"
        raise out_of_memory(
            error.stage, error.reason, error.held, kept, state=state if state.is_file() else None
        ) from error


def _smaller(recipe: Recipe, device: str) -> Iterator[tuple[str, Recipe]]:
    """Recipes that differ in one setting, with that setting."""

    def changed(section: str, key: str, value: object) -> tuple[str, Recipe]:
        part = getattr(recipe, section).model_copy(update={key: value})
        return f"{section}.{key}={value}", recipe.model_copy(update={section: part})

    memory, train = recipe.memory, recipe.train
    if memory.checkpointing_every != 1:
        yield changed("memory", "checkpointing_every", 1)
    narrower = ("bfloat16", "float8", "nf4") if device != "cpu" else ("bfloat16",)
    widest_first = get_args(BaseWeights)
    held = widest_first.index(memory.base_weights)
    for how in narrower:
        if widest_first.index(how) > held:
            yield changed("memory", "base_weights", how)
    if device != "cpu" and memory.offloaded_blocks < 20:
        yield changed("memory", "offloaded_blocks", 20)
    if train.batch_size > 1:
        yield changed("train", "batch_size", train.batch_size // 2)
    if train.precision == "float32" and device != "cpu":
        yield changed("train", "precision", "bfloat16")
    if recipe.clips.num_frames > 9:
        yield changed("clips", "num_frames", recipe.clips.num_frames // 8 * 4 + 1)
    if recipe.lora.rank > 8:
        yield changed("lora", "rank", recipe.lora.rank // 2)
    if recipe.loss.identity > 0:
        yield changed("loss", "identity", 0.0)
