"""What tells a take from one that was made otherwise."""

import dataclasses
from collections.abc import Mapping
from pathlib import Path

from facekit.adapters.conditioning import Strength
from facekit.digests import json_digest
from facekit.generation.sample import SampleSettings
from facekit.types import Shot
from facekit.weights import known_digest
from facekit.workflows.casting import ShotCast

__all__ = ["take_fingerprint"]


def take_fingerprint(
    shot: Shot,
    prompt: str,
    settings: SampleSettings,
    weights: str,
    *,
    cast: ShotCast | None,
    strength: Strength = 1.0,
    extra: Mapping[str, object] | None = None,
) -> str:
    """Sha256 (hex) of everything that decides a take but the device.

    Args:
        shot: Seed, size and length.
        prompt: What the backbone reads.
        settings: How it is sampled.
        weights: Of the backbone, from `weights_digest`.
        cast: Who is in it and where; None for the bare backbone.
        strength: Of the characters.
        extra: What else decides it, as plain data.
    """
    alone = cast.characters[0] if cast is not None and cast.is_plain else None
    content: dict[str, object] = {
        "shot": dataclasses.asdict(shot),
        "prompt": prompt,
        "sampling": dataclasses.asdict(settings),
        "weights": weights,
        "character": known_digest(Path(alone.source)) if alone else None,
        "strength": strength if cast else 0.0,
        **(extra or {}),
    }
    if cast is not None and not cast.is_plain:
        content["cast"] = cast.fingerprint()
    return json_digest(content)
