"""Drawn characters together in a clip, and their photos by the shipped report encoder."""

from functools import cache

import numpy as np

from facekit.faces.vendors import load_faces
from facekit.identity.gallery import build_gallery
from facekit.toon import ToonCharacter, draw, draw_clip, sample_scene
from facekit.toon.character import HELD_OUT_SEED
from facekit.types import Clip, FloatArray

SEEDS = {"mira": HELD_OUT_SEED + 31, "tom": HELD_OUT_SEED + 1, "ines": HELD_OUT_SEED + 9}
FRAMES = 5


@cache
def photos(name: str) -> FloatArray:
    """Embeddings of three close-ups by toon-b."""
    toon = ToonCharacter.from_seed(SEEDS[name])
    rng = np.random.default_rng(toon.seed)
    scenes = [sample_scene((toon,), rng, shot_size="close-up") for _ in range(3)]
    images = [draw(scene, with_masks=False).image for scene in scenes]
    return build_gallery(images, ["drawn"] * 3, load_faces("toon-b"), among=True).vectors


def cast_of(*names: str) -> dict[str, FloatArray]:
    return {name: photos(name) for name in names}


@cache
def drawn(*names: str, seed: int = 4) -> Clip:
    """A medium shot of these, from left to right; an unknown name is a stranger."""
    people = tuple(ToonCharacter.from_seed(SEEDS.get(name, HELD_OUT_SEED + 77)) for name in names)
    rng = np.random.default_rng(seed)
    scene = sample_scene(people, rng, shot_size="medium shot", mood="happy", max_yaw_deg=15.0)
    frames = [drawing.image for drawing in draw_clip(scene, FRAMES)]
    return Clip(frames=np.stack(frames), fps=8.0)
