"""Drawn truth: what a shot of a toon character would look like if it were the character itself."""

import tomllib
from collections.abc import Sequence

import numpy as np

from facekit.generation.shots import expected_attributes
from facekit.resources import datasets_dir
from facekit.toon import ToonCharacter, describe, draw_clip, sample_scene
from facekit.toon.clips import CLIP_FPS
from facekit.toon.render import Drawing
from facekit.toon.scene import ASPECTS, Scene
from facekit.types import Clip, Shot

__all__ = ["TRUTH_YAW_DEG", "as_clip", "draw_shot", "phrase_of", "sample_seed", "scene_of"]

TRUTH_YAW_DEG = 25.0
"""Largest turn of the head in the first frame; a prompt says nothing about it."""


def sample_seed(name: str) -> int | None:
    """Return the seed that drew a character of the sample photos; None when its card has none."""
    card = tomllib.loads((datasets_dir() / "cards" / "toon.toml").read_text(encoding="utf-8"))
    seed = card.get("samples", {}).get(name, {}).get("seed")
    return None if seed is None else int(seed)


def phrase_of(character: ToonCharacter, *, name: str = "a person") -> str:
    """Say how prompts call a character: what anybody can see at once, nothing about the face."""
    return describe(character, name=name, clothes=False)


def scene_of(character: ToonCharacter, shot: Shot) -> Scene:
    """Make the scene that a shot's prompt asks for; what it leaves open comes from its seed."""
    asked = expected_attributes(shot.prompt)
    aspects = {size: aspect for aspect, size in ASPECTS.items()}
    return sample_scene(
        (character,),
        np.random.default_rng([shot.seed, 0x7207]),
        aspect=aspects.get((shot.height, shot.width), "1:1"),
        shot_size=asked.get("shot_size"),
        place=asked.get("place"),
        mood=asked.get("mood"),
        light=asked.get("light"),
        action=asked.get("action", "standing still"),
        max_yaw_deg=TRUTH_YAW_DEG,
    )


def draw_shot(character: ToonCharacter, shot: Shot) -> Clip:
    """Draw a shot of the character itself, in the size and length of the shot."""
    return as_clip(draw_clip(scene_of(character, shot), shot.num_frames))


def as_clip(drawings: Sequence[Drawing]) -> Clip:
    """Put drawings into a clip."""
    return Clip(frames=np.stack([drawing.image for drawing in drawings]), fps=CLIP_FPS)
