"""The photos of a held-out character: those that it is made from, and those that only judge."""

from pathlib import Path

import numpy as np

from facekit.media.images import write_image
from facekit.toon import ToonCharacter, draw, sample_scene

NUM_PHOTOS = 8
"""Photos that a character is made from: numbers 0 to 7."""
NUM_JUDGES = 6
"""Photos that only judge, numbered after those: what training holds out has already chosen its
checkpoint."""


def draw_photo(
    toon: ToonCharacter, seed: int, number: int, folder: Path, salt: int = 0x9407
) -> Path:
    """Draw a photo as somebody would take it, near and mostly frontal, or take it as it is.

    Args:
        toon: Who is on it.
        seed: Of the character.
        number: Of the photo.
        folder: Where it lies.
        salt: Tells the photos of one benchmark from those of another.
    """
    path = folder / f"{number:02d}.png"
    if not path.is_file():
        scene = sample_scene(
            (toon,),
            np.random.default_rng([seed, number, salt]),
            shot_size="close-up" if number % 4 else "medium shot",
            max_yaw_deg=35.0,
        )
        write_image(path, draw(scene, with_masks=False).image)
    return path
