"""The drawn corpus of the shipped weights: pictures and clips with their truth, as memory maps."""

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.lib.format import open_memmap

from facekit.toon.captions import caption
from facekit.toon.character import GLASSES, HAIR_COLORS, HAIR_STYLES, HELD_OUT_SEED, ToonCharacter
from facekit.toon.clips import draw_clip
from facekit.toon.prefetch import in_order
from facekit.toon.render import Drawing, draw
from facekit.toon.scene import (
    ACTIONS,
    ASPECTS,
    LIGHTS,
    MOODS,
    PLACES,
    Scene,
    sample_scene,
)
from facekit.types import SHOT_SIZES

__all__ = [
    "ATTRIBUTES",
    "MAX_FACES",
    "Shard",
    "attributes_of",
    "build_shard",
    "load_shard",
    "sample_images",
]

MAX_FACES = 3
_CHUNK_FRAMES = 200
"""Frames that are drawn between two reports, and by one process at a time."""

ATTRIBUTES: dict[str, tuple[str, ...]] = {
    "place": PLACES,
    "shot_size": SHOT_SIZES,
    "mood": MOODS,
    "hair_style": HAIR_STYLES,
    "hair_color": HAIR_COLORS,
    "glasses": GLASSES,
    "light": LIGHTS,
    "action": ACTIONS,
}
"""What a caption can name and a probe can read, with the values of each."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Shard:
    """One aspect and one length of the corpus.

    Attributes:
        images: uint8 (N, F, H, W, 3).
        faces: float32 (N, F, 3, 14): box xyxy and five landmarks of up to three faces, from left to
            right, NaN where none.
        masks: uint8 (N, 3, H/8, W/8): face mask of frame 0 per face, averaged over 8 x 8 pixels.
        seeds: int64 (N, 3): character seeds, -1 where none.
        attributes: int64 (N, 8): index into `ATTRIBUTES` of the first figure, -1 where none.
        captions: Two captions per sample, clauses left out at random.
    """

    images: np.ndarray
    faces: np.ndarray
    masks: np.ndarray
    seeds: np.ndarray
    attributes: np.ndarray
    captions: list[list[str]]


_ARRAYS = ("images", "faces", "masks", "seeds", "attributes")


def build_shard(
    folder: Path,
    *,
    aspect: str,
    num_frames: int,
    num_samples: int,
    num_characters: int,
    seed: int,
    num_workers: int = 0,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
) -> Shard:
    """Draw one shard, or open it where it is already complete.

    Args:
        folder: Where the shard lives; a half-drawn one is drawn again.
        aspect: A key of `ASPECTS`.
        num_frames: 1 for pictures, more for clips.
        num_samples: How many pictures or clips.
        num_characters: Seeds 0 to this (exclusive) are used; must stay below `HELD_OUT_SEED`.
        seed: Seed of everything else.
        num_workers: Processes that draw, as for `in_order`; what is drawn does not depend on them.
        on_progress: Called with (done, total).
    """
    if num_characters > HELD_OUT_SEED:
        raise ValueError(f"num_characters: got {num_characters}, expected at most {HELD_OUT_SEED}")
    if (folder / "captions.json").is_file():
        return load_shard(folder)
    folder.mkdir(parents=True, exist_ok=True)
    height, width = ASPECTS[aspect]
    shapes = {
        "images": ((num_samples, num_frames, height, width, 3), np.uint8),
        "faces": ((num_samples, num_frames, MAX_FACES, 14), np.float32),
        "masks": ((num_samples, MAX_FACES, height // 8, width // 8), np.uint8),
        "seeds": ((num_samples, MAX_FACES), np.int64),
        "attributes": ((num_samples, len(ATTRIBUTES)), np.int64),
    }
    arrays = {
        name: open_memmap(folder / f"{name}.npy", mode="w+", dtype=dtype, shape=shape)
        for name, (shape, dtype) in shapes.items()
    }
    chunk = max(1, _CHUNK_FRAMES // num_frames)

    def draw_some(first: int) -> list[list[str]]:
        """Draw into the arrays from an index on; return the captions."""
        captions = []
        for index in range(first, min(first + chunk, num_samples)):
            rng = np.random.default_rng([seed, index, num_frames, height, width])
            scene = _sample(index, rng, aspect, num_frames, num_characters)
            drawings = (
                draw_clip(scene, num_frames, phase=float(rng.random()))
                if num_frames > 1
                else (draw(scene),)
            )
            still = drawings[0] if num_frames == 1 else draw(scene)
            arrays["images"][index] = np.stack([drawing.image for drawing in drawings])
            arrays["faces"][index] = np.stack([_truth(drawing) for drawing in drawings])
            arrays["masks"][index] = _small_masks(still, height, width)
            arrays["seeds"][index] = -1
            for slot, figure in enumerate(scene.figures):
                arrays["seeds"][index, slot] = figure.character.seed
            arrays["attributes"][index] = attributes_of(scene)
            captions.append([caption(scene, rng=rng), caption(scene, rng=rng)])
        return captions

    # The arrays are maps of their files, which forked processes share.
    captions: list[list[str]] = []
    for some in in_order(draw_some, range(0, num_samples, chunk), num_workers=num_workers):
        captions += some
        on_progress(len(captions), num_samples)
    for array in arrays.values():
        array.flush()
    temporary = folder / "captions.json.part"
    temporary.write_text(json.dumps(captions))
    temporary.rename(folder / "captions.json")
    return load_shard(folder)


def load_shard(folder: Path) -> Shard:
    """Open a complete shard read-only."""
    arrays = {name: np.load(folder / f"{name}.npy", mmap_mode="r") for name in _ARRAYS}
    return Shard(captions=json.loads((folder / "captions.json").read_text()), **arrays)


def sample_images(
    shard: Shard, rng: np.random.Generator, count: int, num_frames: int
) -> np.ndarray:
    """Copy samples at random, or a piece of each that begins at the same frame.

    Returns:
        uint8 (count, num_frames, H, W, 3), in the order of the shard.
    """
    picks = np.sort(rng.integers(0, len(shard.images), count))
    start = int(rng.integers(0, shard.images.shape[1] - num_frames + 1))
    return np.array(shard.images[picks, start : start + num_frames])


def attributes_of(scene: Scene) -> np.ndarray:
    """Return the index of every attribute of the first figure, -1 where there is nothing to see."""
    values = dict.fromkeys(ATTRIBUTES, -1)
    values |= {"place": PLACES.index(scene.place), "light": LIGHTS.index(scene.light)}
    if scene.figures:
        figure = scene.figures[0]
        character = figure.character
        values["shot_size"] = SHOT_SIZES.index(scene.shot_size)
        values["mood"] = MOODS.index(figure.mood)
        values["hair_style"] = HAIR_STYLES.index(character.hair_style)
        values["hair_color"] = (
            HAIR_COLORS.index(character.hair_color) if character.hair_style != "bald" else -1
        )
        values["glasses"] = GLASSES.index(character.glasses)
        values["action"] = ACTIONS.index(scene.action)
    return np.array(list(values.values()), np.int64)


def _sample(
    index: int, rng: np.random.Generator, aspect: str, num_frames: int, num_characters: int
) -> Scene:
    crowd = (
        int(rng.choice(4, p=(0.03, 0.85, 0.09, 0.03)))
        if num_frames == 1
        else int(rng.choice(3, p=(0.01, 0.93, 0.06)))
    )
    first = index % num_characters
    seeds = [first, *(int(s) for s in rng.choice(num_characters, 2))][:crowd]
    characters = []
    for character_seed in seeds:
        character = ToonCharacter.from_seed(character_seed)
        characters.append(
            character.with_look_of(int(rng.integers(2**31))) if rng.random() < 0.35 else character
        )
    action = str(rng.choice(ACTIONS)) if num_frames > 1 else "standing still"
    return sample_scene(tuple(characters), rng, aspect=aspect, action=action)


def _truth(drawing: Drawing) -> np.ndarray:
    rows = np.full((MAX_FACES, 14), np.nan, np.float32)
    for slot, face in enumerate(drawing.faces):
        rows[slot] = np.concatenate([face.box_xyxy_px, face.landmarks_px.ravel()])
    return rows


def _small_masks(drawing: Drawing, height: int, width: int) -> np.ndarray:
    masks = np.zeros((MAX_FACES, height // 8, width // 8), np.uint8)
    for slot, face in enumerate(drawing.faces):
        blocks = face.mask.reshape(height // 8, 8, width // 8, 8).mean((1, 3))
        masks[slot] = np.round(blocks * 255.0)
    return masks
