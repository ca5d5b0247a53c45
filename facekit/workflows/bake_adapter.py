"""The identity branch of a character, baked into its LoRA over clips that its backbone draws."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from facekit.adapters.bake import Baked, Sampling, bake_identity
from facekit.adapters.character import Character
from facekit.adapters.formats.arithmetic import add_factors
from facekit.adapters.formats.factors import LoraFactors, LoraWeights
from facekit.backbones import get_spec
from facekit.errors import AdapterError

__all__ = ["bake_character", "with_baked"]

_PLACES = ("in the kitchen", "in the park", "in the street", "in the office")
_MOODS = ("happy, soft light", "talking", "sad", "turns head")
_SIZES = ("close-up", "medium shot", "wide shot")


def bake_character(character: Character, strength: float, source: Path | None) -> Baked:
    """Load the character's backbone and fit the effect of its identity branch.

    Args:
        character: With an identity branch.
        strength: Of the branch.
        source: Folder of the backbone; its own place when None.

    Raises:
        AdapterError: What is fitted is no better than leaving the branch out.
        AdapterMismatch: The folder holds another backbone.
        WeightsError: The backbone is not here.
    """
    spec = get_spec(character.file.header.backbone)
    pipe: Any = spec.load(source)
    pipe.set_progress_bar_config(disable=True)
    height, width = spec.sizes["1:1"]
    who = character.trigger or character.name
    sampling = Sampling(
        prompts=[
            f"{_SIZES[index % 3]} of {who} {place}, {mood}"
            for index, (place, mood) in enumerate((p, m) for p in _PLACES for m in _MOODS)
        ],
        height=height,
        width=width,
        num_frames=spec.frame_multiple + 1,
        num_inference_steps=4,
        guidance_scale=spec.guidance_scale,
    )
    baked = bake_identity(pipe, character, strength, sampling)
    if baked.velocity_residual >= 1:
        raise AdapterError(
            f"{character.source}: a LoRA in place of the identity branch misses"
            f" {baked.velocity_residual:.0%} of its effect, expected less than all of it, which"
            " leaving it out misses; convert without --bake"
        )
    return baked


def with_baked(weights: LoraWeights, baked: Baked) -> LoraWeights:
    """Add what was fitted to a LoRA; ranks of the same module add up."""
    modules = dict(weights.modules)
    for path, more in baked.modules.items():
        here = modules.get(path)
        if isinstance(here, LoraFactors):
            modules[path] = add_factors(here, more)
        else:
            modules[path] = more
    return replace(weights, modules=modules)
