"""The sample characters that ship as photos: held out from every weight, some with problems."""

import dataclasses
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from facekit.media.files import replace_folder
from facekit.media.images import write_image
from facekit.toon.character import HELD_OUT_SEED, ToonCharacter
from facekit.toon.render import draw
from facekit.toon.scene import MOODS, PLACES, Scene, sample_scene

__all__ = [
    "NUM_PHOTOS",
    "PHOTO_PX",
    "SAMPLE_CHARACTERS",
    "draw_photos",
    "photo_scene",
    "write_samples",
]

SAMPLE_CHARACTERS: Mapping[str, int] = {
    "mira": HELD_OUT_SEED + 31,
    "tomas": HELD_OUT_SEED + 1,
    "ines": HELD_OUT_SEED + 9,
}
"""Sample character to its seed."""

PHOTO_PX = 192
NUM_PHOTOS = 8
_YAWS_DEG = (0.0, -28.0, 26.0, 10.0, -12.0, 38.0, -40.0, 18.0)
_LIGHTS = (
    "soft light",
    "soft light",
    "side light",
    "warm light",
    "soft light",
    "soft light",
    "side light",
    "soft light",
)


def photo_scene(character: ToonCharacter, index: int) -> Scene:
    """Compose one photo of a character: another place, mood, light and angle for each index."""
    rng = np.random.default_rng([character.seed, index, 0x50])
    scene = sample_scene(
        (character,),
        rng,
        shot_size="close-up" if index % 2 == 0 else "medium shot",
        place=PLACES[(index * 3 + character.seed) % len(PLACES)],
        mood=MOODS[index % len(MOODS)],
        light=_LIGHTS[index % NUM_PHOTOS],
    )
    figure = scene.figures[0]
    pose = dataclasses.replace(figure.pose, yaw_deg=_YAWS_DEG[index % NUM_PHOTOS])
    figures = (dataclasses.replace(figure, pose=pose),)
    return dataclasses.replace(scene, figures=figures, height=PHOTO_PX, width=PHOTO_PX)


def draw_photos(character: ToonCharacter, count: int = NUM_PHOTOS) -> list[np.ndarray]:
    """Draw photos of a character as a person would hand them in, 192 px square."""
    return [draw(photo_scene(character, index), with_masks=False).image for index in range(count)]


def write_samples(folder: Path) -> None:
    """Write the sample characters to `folder/toon_<name>`, replacing what is there.

    Mira's folder holds three photos that `facekit check` sets aside: two people, nobody and a copy.

    Raises:
        OutputError: They cannot be written.
    """
    for name, seed in SAMPLE_CHARACTERS.items():
        with replace_folder(folder / f"toon_{name}") as target:
            _write_sample(target, name, seed)


def _write_sample(target: Path, name: str, seed: int) -> None:
    character = ToonCharacter.from_seed(seed)
    photos = draw_photos(character)
    for index, photo in enumerate(photos):
        write_image(target / f"{name}_{index + 1:02}.png", photo)
    if name != "mira":
        return
    rng = np.random.default_rng(seed)
    stranger = ToonCharacter.from_seed(HELD_OUT_SEED + 20)
    for label, people in (
        ("with_a_friend", (character, stranger)),
        ("view_from_the_window", ()),
    ):
        scene = sample_scene(people, rng, shot_size="medium shot", place="park")
        scene = dataclasses.replace(scene, height=PHOTO_PX, width=PHOTO_PX)
        write_image(target / f"{name}_{label}.png", draw(scene).image)
    write_image(target / f"{name}_01_copy.png", photos[0])
