"""What a run of training will take on a device, told before anything is loaded."""

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

import torch

from facekit.errors import UsageError, WeightsError
from facekit.recipe import Recipe, card_recipe, training_recipe
from facekit.training.cost import Situation, StepCost, step_cost
from facekit.training.rates import Rate, device_rate
from facekit.training.settings import TrainSettings, lora_settings
from facekit.training.sketch import outline, tiny_outline
from facekit.workflows.backbone import TINY, backbone_spec
from facekit.workflows.device import choose_device

__all__ = [
    "ROOM",
    "RunCost",
    "device_bytes",
    "estimate_run",
    "in_gb",
    "recipe_cost",
    "recipe_for_device",
]

_GIB = 2**30
ROOM = 0.08
"""Part of a card that stays free of tensors: the driver, kernels, what cannot be filled."""
_DAYS_S = 24 * 3600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class RunCost:
    """Memory and time of one run on one device."""

    step: StepCost
    device: str
    limit: int | None
    """Bytes of the device; None where nobody knows."""
    steps: int
    seconds: tuple[float, float] | None
    """The least and the most; None where the device's rate is not known."""
    basis: str
    """Where the rate comes from."""

    @property
    def fits(self) -> bool:
        """Whether it is expected to, with some room."""
        return self.limit is None or self.step.peak <= (1 - ROOM) * self.limit

    def describe(self) -> str:
        """Two lines: memory and time."""
        total = "" if self.limit is None else f" of {in_gb(self.limit)}"
        kinds = (
            f"training {in_gb(self.step.step)}, encoding {in_gb(self.step.encode)}, validation"
            f" {in_gb(self.step.decode)}"
        )
        waits = f"; {in_gb(self.step.offloaded)} wait in main memory" if self.step.offloaded else ""
        besides = ", beside what libraries take" if self.device == "cpu" else ""
        where = f"{self.device}{besides}"
        memory = f"memory: about {in_gb(self.step.peak)}{total} on {where} ({kinds}{waits})"
        work = f"{self.steps} steps of {self.step.flops / 1e12:.3g} TFLOP"
        if self.seconds is None:
            return f"{memory}\ntime: {work}; how fast {self.device} computes is not known"
        left_out = "without encoding and validations"
        return f"{memory}\ntime: {_time(self.seconds)} for {work} ({self.basis}; {left_out})"

    def warnings(self) -> Iterator[str]:
        """What is better known before the work starts."""
        if not self.fits and self.limit is not None:
            yield (
                f"training needs about {in_gb(self.step.peak)} and {self.device} has"
                f" {in_gb(self.limit)}, so it will probably not fit"
            )
        if self.seconds is not None and self.seconds[0] > _DAYS_S:
            days = self.seconds[0] / _DAYS_S
            yield f"training takes at least {days:.1f} days on {self.device}"

    def to_json(self) -> Mapping[str, object]:
        """The same as plain data; bytes, seconds."""
        return {
            **self.step.to_json(),
            "device": self.device,
            "limit": self.limit,
            "fits": self.fits,
            "steps": self.steps,
            "seconds": None if self.seconds is None else list(self.seconds),
            "basis": self.basis,
        }


def recipe_cost(recipe: Recipe, *, device: str = "cuda", num_views: int = 24) -> StepCost:
    """Estimate a step of a recipe.

    Args:
        recipe: How to train.
        device: ``cuda`` or ``cpu``.
        num_views: Pictures that are learned from.

    Raises:
        WeightsError: The backbone is neither on this machine nor known by its shape.
    """
    spec = backbone_spec(recipe)
    made = tiny_outline(spec) if recipe.base.name == TINY else outline(spec, recipe.base.source)
    settings = TrainSettings.from_recipe(recipe)
    situation = Situation(
        device=device,
        num_views=num_views,
        num_tokens=recipe.identity.num_tokens,
        validated_frames=recipe.validate.num_frames,
    )
    return step_cost(spec, made, settings, lora_settings(recipe, spec), situation)


def estimate_run(
    recipe: Recipe, device: torch.device, *, num_photos: int, card_gb: float | None = None
) -> RunCost | None:
    """Estimate memory and time of a run; None where the backbone's shape is not known.

    Args:
        recipe: How to train.
        device: Where, from `choose_device`.
        num_photos: That were found; each may give two views.
        card_gb: Memory of a card that is planned for and not here; how fast it is nobody knows.
    """
    elsewhere = card_gb is not None and device.type == "cpu"
    kind = "cpu" if device.type == "cpu" and not elsewhere else "cuda"
    try:
        step = recipe_cost(recipe, device=kind, num_views=2 * num_photos)
    except WeightsError:
        return None
    if elsewhere and card_gb is not None:
        found = _run_cost(recipe, step, device, None)
        return replace(found, device=f"a card of {card_gb:g} GB", limit=int(card_gb * _GIB))
    return _run_cost(recipe, step, device, device_rate(device, recipe.train.precision))


def _run_cost(recipe: Recipe, step: StepCost, device: torch.device, rate: Rate | None) -> RunCost:
    steps = 0 if recipe.identity.level == "L0" else recipe.train.steps
    seconds = None if rate is None else rate.seconds(step.flops * steps)
    if seconds is not None and recipe.train.minutes is not None:
        most = recipe.train.minutes * 60
        seconds = min(seconds[0], most), min(seconds[1], most)
    return RunCost(
        step=step,
        device=str(device),
        limit=device_bytes(device),
        steps=steps,
        seconds=seconds,
        basis="" if rate is None else rate.basis,
    )


def device_bytes(device: torch.device) -> int | None:
    """Memory of a device; None where nobody knows."""
    if device.type == "cuda":
        return int(torch.cuda.get_device_properties(device).total_memory)
    if device.type == "cpu" and hasattr(os, "sysconf"):
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return None


def recipe_for_device(
    recipe: str | None, base: str | None, device: str, vram_gb: float | None
) -> str:
    """Name the recipe of a backbone that fits a device.

    Args:
        recipe: Asked for by name; it is taken as it is.
        base: The backbone; the embedded one when None, which fits everywhere.
        device: As for `choose_device`.
        vram_gb: Memory to make do with; that of the graphics card when None.

    Raises:
        UsageError: No recipe of the backbone fits; or memory is told beside a recipe.
    """
    if recipe is not None and vram_gb is not None:
        raise UsageError(
            f"--recipe {recipe} and --vram {vram_gb:g}: --vram chooses a recipe, expected one of"
            " them; leave one away"
        )
    if recipe is not None:
        return recipe
    if base is None:
        return training_recipe()
    where = choose_device(device)
    if vram_gb is None and where.type == "cuda":
        vram_gb = (device_bytes(where) or 0) / _GIB
    return training_recipe(base) if vram_gb is None else card_recipe(base, vram_gb)


def in_gb(size: int) -> str:
    """Bytes for people, in units of 2**30."""
    value = size / _GIB
    return f"{value:.1f} GB" if value < 100 else f"{value:.0f} GB"


def _time(seconds: tuple[float, float]) -> str:
    low = seconds[0]
    units = ((_DAYS_S, "days"), (3600.0, "h"), (60.0, "min"))
    unit, name = next(((u, n) for u, n in units if low >= 2 * u), (1.0, "s"))
    few, many = (f"{x / unit:.1f}" if x < 10 * unit else f"{x / unit:.0f}" for x in seconds)
    return f"about {few} {name}" if few == many else f"about {few} to {many} {name}"
