"""What tells a take from one that was made otherwise."""

import dataclasses
from collections.abc import Mapping
from pathlib import Path

from facekit.adapters.character import Character
from facekit.adapters.conditioning import Strength
from facekit.digests import json_digest
from facekit.generation.sample import SampleSettings
from facekit.types import Shot
from facekit.weights import known_digest

__all__ = ["take_fingerprint"]


def take_fingerprint(
    shot: Shot,
    prompt: str,
    settings: SampleSettings,
    weights: str,
    *,
    character: Character | None,
    strength: Strength = 1.0,
    extra: Mapping[str, object] | None = None,
) -> str:
    """Sha256 (hex) of everything that decides a take but the device.

    Args:
        shot: Seed, size and length.
        prompt: What the backbone reads.
        settings: How it is sampled.
        weights: Of the backbone, from `weights_digest`.
        character: Who is in it; None for the bare backbone.
        strength: Of the character.
        extra: What else decides it, as plain data.
    """
    content = {
        "shot": dataclasses.asdict(shot),
        "prompt": prompt,
        "sampling": dataclasses.asdict(settings),
        "weights": weights,
        "character": known_digest(Path(character.source)) if character else None,
        "strength": strength if character else 0.0,
        **(extra or {}),
    }
    return json_digest(content)
