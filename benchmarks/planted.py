"""Photos of drawn characters with one planted defect each, for the photo check to find."""

import dataclasses
from collections.abc import Callable, Mapping
from pathlib import Path

import cv2
import numpy as np

from facekit.media.images import write_image
from facekit.toon.character import HELD_OUT_SEED, ToonCharacter
from facekit.toon.render import Drawing, draw
from facekit.toon.samples import PHOTO_PX
from facekit.toon.scene import Scene, sample_scene
from facekit.types import Image

__all__ = [
    "CHECK_SEED",
    "CLEAN",
    "DEFECTS",
    "NUM_CLEAN",
    "TUNING_SEED",
    "plant",
    "write_set",
]

CHECK_SEED = HELD_OUT_SEED + 20_000
"""Characters from here on report."""
TUNING_SEED = HELD_OUT_SEED + 21_000
"""Characters from here on were looked at when the thresholds were chosen."""

CLEAN = "clean"
NUM_CLEAN = 9
_FRIEND = 500
"""A character's friend has its seed plus this."""


def _scene(character: ToonCharacter, rng: np.random.Generator, **fixed: str) -> Scene:
    size = fixed.pop("shot_size", str(rng.choice(("close-up", "medium shot"))))
    scene = sample_scene((character,), rng, shot_size=size, **fixed)  # type: ignore[arg-type]
    return dataclasses.replace(scene, height=PHOTO_PX, width=PHOTO_PX)


def _posed(scene: Scene, **angles: float) -> Scene:
    figure = scene.figures[0]
    pose = dataclasses.replace(figure.pose, **angles)
    return dataclasses.replace(scene, figures=(dataclasses.replace(figure, pose=pose),))


def _plain(character: ToonCharacter, rng: np.random.Generator) -> Drawing:
    return draw(_scene(character, rng), with_masks=False)


def _points(drawing: Drawing) -> tuple[np.ndarray, float]:
    """The landmarks, (5, 2), and the height of the face, in pixels."""
    face = drawing.faces[0]
    return face.landmarks_px.astype(np.float64), float(face.box_xyxy_px[3] - face.box_xyxy_px[1])


def _fill(image: Image, points: np.ndarray, rgb: np.ndarray) -> None:
    fixed = np.round(np.asarray(points) * 16).astype(np.int32)
    cv2.fillPoly(image, [fixed], [float(v) for v in rgb], cv2.LINE_AA, 4)


def _bar(character: ToonCharacter, rng: np.random.Generator) -> Image:
    """A bar across the eyes, or from the brow to the chin over one side."""
    drawing = _plain(character, rng)
    image, (marks, tall) = drawing.image.copy(), _points(drawing)
    colour = rng.uniform(0, 255, 3)
    across = marks[1] - marks[0]
    across = across / np.linalg.norm(across)
    down = np.array([-across[1], across[0]])
    if rng.random() < 0.5:
        middle, half = (marks[0] + marks[1]) / 2, (0.6 * tall, rng.uniform(0.11, 0.16) * tall)
    else:
        side = int(rng.integers(2))
        middle, half = (marks[side] + marks[3 + side]) / 2, (0.17 * tall, 0.6 * tall)
    corners = [
        middle + x * half[0] * across + y * half[1] * down
        for x, y in ((-1, -1), (1, -1), (1, 1), (-1, 1))
    ]
    _fill(image, np.array(corners), colour)
    return image


def _hand(character: ToonCharacter, rng: np.random.Generator) -> Image:
    """A hand of the character's own skin over the mouth, or over one eye."""
    drawing = _plain(character, rng)
    image, (marks, tall) = drawing.image.copy(), _points(drawing)
    place = int(rng.integers(3))
    middle = marks[place] if place < 2 else (marks[3] + marks[4]) / 2
    x, y = np.clip(marks[2], 0, PHOTO_PX - 1).astype(int)
    skin = image[y - 1 : y + 2, x - 1 : x + 2].reshape(-1, 3).mean(0)
    angle = float(rng.uniform(-0.5, 0.5))
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])

    def shape(outline: np.ndarray, shade: float) -> None:
        _fill(image, outline * tall @ turn.T + middle, np.clip(skin * shade, 0, 255))

    ring = np.linspace(0, 2 * np.pi, 24, endpoint=False)
    oval = np.stack([np.cos(ring), np.sin(ring)], axis=1)
    shape(oval * (0.24, 0.2) + (0, 0.05), 1.05)
    for finger in range(4):
        at = np.array([-0.18 + 0.12 * finger, -0.16])
        shape(oval * (0.065, 0.2) + at, 0.9)
        shape(oval * (0.052, 0.19) + at, 1.05)
    shape(np.array([[-0.16, 0.15], [0.16, 0.15], [0.2, 1.4], [-0.2, 1.4]]), 1.02)
    return image


def _mask(character: ToonCharacter, rng: np.random.Generator) -> Image:
    """A mask over nose and mouth."""
    drawing = _plain(character, rng)
    image, (marks, tall) = drawing.image.copy(), _points(drawing)
    across, mouth = marks[4] - marks[3], (marks[3] + marks[4]) / 2
    across = (marks[1] - marks[0]) / np.linalg.norm(marks[1] - marks[0])
    down = np.array([-across[1], across[0]])
    outline = [
        (-0.36, -0.2),
        (0, -0.26),
        (0.36, -0.2),
        (0.33, 0.12),
        (0.12, 0.3),
        (-0.12, 0.3),
        (-0.33, 0.12),
    ]
    points = np.array([mouth + tall * (x * across + y * down) for x, y in outline])
    _fill(image, points, np.array([(230, 236, 240), (60, 90, 150), (30, 30, 34)][rng.integers(3)]))
    return image


def _turned(character: ToonCharacter, rng: np.random.Generator) -> Image:
    yaw = float(rng.uniform(70, 80) * rng.choice((-1, 1)))
    return draw(_posed(_scene(character, rng), yaw_deg=yaw), with_masks=False).image


def _nodded(character: ToonCharacter, rng: np.random.Generator) -> Image:
    pitch = float(rng.uniform(48, 60) * rng.choice((-1, 1)))
    scene = _posed(_scene(character, rng), pitch_deg=pitch, yaw_deg=float(rng.uniform(-15, 15)))
    return draw(scene, with_masks=False).image


def _dark(character: ToonCharacter, rng: np.random.Generator) -> Image:
    image = _plain(character, rng).image.astype(np.float32) * rng.uniform(0.07, 0.12)
    return np.clip(image, 0, 255).astype(np.uint8)


def _burnt(character: ToonCharacter, rng: np.random.Generator) -> Image:
    """One and a half to two stops over, and a veil."""
    drawing = draw(_scene(character, rng, light="soft light"), with_masks=False)
    image = drawing.image.astype(np.float32) * rng.uniform(2.6, 4.0) + 30
    return np.clip(image, 0, 255).astype(np.uint8)


def _blurred(character: ToonCharacter, rng: np.random.Generator) -> Image:
    drawing = _plain(character, rng)
    return np.asarray(cv2.GaussianBlur(drawing.image, (0, 0), _points(drawing)[1] * 0.07))


def _small(character: ToonCharacter, rng: np.random.Generator) -> Image:
    """The whole picture far away, as on a poster."""
    drawing = draw(_scene(character, rng, shot_size="medium shot"), with_masks=False)
    side = round(PHOTO_PX * rng.uniform(11, 14) / _points(drawing)[1])
    image = _nobody(character, rng)
    top, left = (int(v) for v in rng.integers(8, PHOTO_PX - side - 8, 2))
    poster = cv2.resize(drawing.image, (side, side), interpolation=cv2.INTER_AREA)
    image[top : top + side, left : left + side] = poster
    return image


def _cut_off(character: ToonCharacter, rng: np.random.Generator) -> Image:
    drawing = draw(_scene(character, rng, shot_size="close-up"), with_masks=False)
    x0, x1 = drawing.faces[0].box_xyxy_px[[0, 2]]
    at = round(float(x0 + rng.uniform(0.35, 0.42) * (x1 - x0)))
    return np.ascontiguousarray(drawing.image[:, max(at, 1) :])


def _nobody(character: ToonCharacter, rng: np.random.Generator) -> Image:
    scene = sample_scene((), rng)
    return draw(dataclasses.replace(scene, height=PHOTO_PX, width=PHOTO_PX)).image


def _stranger(character: ToonCharacter, rng: np.random.Generator) -> Image:
    other = ToonCharacter.from_seed(character.seed + _FRIEND + int(rng.integers(400)))
    return _plain(other, rng).image


def _friends(character: ToonCharacter, rng: np.random.Generator) -> Image:
    """Two people that are not the character."""
    seeds = character.seed + _FRIEND + rng.choice(400, 2, replace=False)
    people = tuple(ToonCharacter.from_seed(int(seed)) for seed in seeds)
    scene = sample_scene(people, rng, shot_size="medium shot")
    return draw(dataclasses.replace(scene, height=PHOTO_PX, width=PHOTO_PX)).image


def _bars(character: ToonCharacter, rng: np.random.Generator) -> Image:
    """Letterbox bars, a frame, or the bars of a telephone."""
    image = _plain(character, rng).image
    colour = [int(v) for v in (rng.choice((0, 12, 24, 255), 1)).repeat(3)]
    thick = round(PHOTO_PX * rng.uniform(0.09, 0.2))
    kind = int(rng.integers(4))
    if kind < 3:
        top, side = ((thick, 0), (0, thick), (thick, thick))[kind]
        return np.asarray(
            cv2.copyMakeBorder(image, top, top, side, side, cv2.BORDER_CONSTANT, value=colour)
        )
    image = np.asarray(
        cv2.copyMakeBorder(image, thick, thick, 0, 0, cv2.BORDER_CONSTANT, value=colour)
    )
    ink = (40.0, 40.0, 40.0) if colour[0] > 128 else (220.0, 220.0, 220.0)
    cv2.putText(image, "9:41", (6, thick - 5), cv2.FONT_HERSHEY_SIMPLEX, 0.32, ink, 1, cv2.LINE_AA)
    cv2.rectangle(image, (PHOTO_PX - 22, thick - 13), (PHOTO_PX - 8, thick - 6), ink, -1)
    for icon in range(3):
        at = (round(PHOTO_PX * (0.2 + 0.3 * icon)), image.shape[0] - thick // 2)
        cv2.circle(image, at, 4, ink, 1, cv2.LINE_AA)
    return image


def _posterised(character: ToonCharacter, rng: np.random.Generator) -> Image:
    levels = int(rng.integers(3, 6))
    image = _plain(character, rng).image.astype(np.float32)
    step = 255.0 / (levels - 1)
    return np.asarray(np.round(image / step) * step, dtype=np.uint8)


DEFECTS: Mapping[str, tuple[str, Callable[[ToonCharacter, np.random.Generator], Image]]] = {
    "bar": ("occluded", _bar),
    "hand": ("occluded", _hand),
    "mask": ("occluded", _mask),
    "turned": ("turned_away", _turned),
    "nodded": ("tilted", _nodded),
    "dark": ("too_dark", _dark),
    "burnt": ("too_bright", _burnt),
    "blurred": ("blurred", _blurred),
    "small": ("too_small", _small),
    "cut off": ("cut_off", _cut_off),
    "nobody": ("no_face", _nobody),
    "stranger": ("wrong_person", _stranger),
    "friends": ("several_faces", _friends),
    "bars": ("borders", _bars),
    "posterised": ("filtered", _posterised),
}
"""Defect -> the code that it must get, and how it is drawn."""


def plant(kind: str, seed: int, index: int = 0) -> Image:
    """Draw a photo of the character of a seed; equal arguments give equal pixels.

    Args:
        kind: `CLEAN` or a key of `DEFECTS`.
        seed: Of the character.
        index: Tells photos of one kind apart.

    Returns:
        uint8, RGB, some `PHOTO_PX` square.
    """
    character = ToonCharacter.from_seed(seed)
    number = 0 if kind == CLEAN else 1 + list(DEFECTS).index(kind)
    rng = np.random.default_rng([seed, number, index])
    if kind == CLEAN:
        return _plain(character, rng).image
    return DEFECTS[kind][1](character, rng)


def write_set(folder: Path, seed: int) -> dict[str, str]:
    """Write the photos of one character: `NUM_CLEAN` clean ones, one per defect, and a copy.

    Returns:
        File name -> the code that it must get, empty for a clean one.
    """
    folder.mkdir(parents=True, exist_ok=True)
    expected = {}
    for index in range(NUM_CLEAN):
        name = f"clean_{index}.png"
        write_image(folder / name, plant(CLEAN, seed, index))
        expected[name] = ""
    for kind, (code, _) in DEFECTS.items():
        name = f"{kind.replace(' ', '_')}.png"
        write_image(folder / name, plant(kind, seed))
        expected[name] = code
    copied = np.asarray(cv2.resize(plant(CLEAN, seed, 0), (160, 160), interpolation=cv2.INTER_AREA))
    write_image(folder / "copy.png", copied)
    expected["copy.png"] = "duplicate"
    return expected
