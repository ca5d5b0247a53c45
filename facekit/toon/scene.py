"""What a drawing shows: who, where, how near, in which mood and light, from which side."""

import dataclasses

import numpy as np

from facekit.toon.character import ToonCharacter
from facekit.types import SHOT_SIZES

__all__ = [
    "ACTIONS",
    "ASPECTS",
    "FACE_FRACTION",
    "LIGHTS",
    "MOODS",
    "PLACES",
    "Figure",
    "Pose",
    "Scene",
    "sample_scene",
]

PLACES: tuple[str, ...] = (
    "kitchen",
    "park",
    "beach",
    "office",
    "street",
    "bedroom",
    "forest",
    "desert",
)
MOODS: tuple[str, ...] = ("neutral", "happy", "sad", "angry", "surprised")
LIGHTS: tuple[str, ...] = ("soft light", "side light", "warm light", "night light")
ACTIONS: tuple[str, ...] = (
    "standing still",
    "turning the head",
    "nodding",
    "talking",
    "walking in",
    "zoom in",
)
ASPECTS: dict[str, tuple[int, int]] = {"1:1": (96, 96), "16:9": (96, 176), "9:16": (176, 96)}
"""Aspect name to (height, width) in pixels."""

FACE_FRACTION: dict[str, tuple[float, float]] = {
    "close-up": (0.52, 0.64),
    "medium shot": (0.33, 0.42),
    "wide shot": (0.185, 0.23),
}
"""Height of the face box over the short side of the picture, by shot size."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Pose:
    """Head pose in degrees: yaw to the picture's right, pitch down, roll clockwise.

    The gaze is in [-1, 1], the opening of the mouth in [0, 1].
    """

    yaw_deg: float = 0.0
    pitch_deg: float = 0.0
    roll_deg: float = 0.0
    gaze_x: float = 0.0
    gaze_y: float = 0.0
    mouth_open: float = 0.0


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One character in a scene.

    Attributes:
        character: Who.
        pose: How the head is held.
        mood: One of `MOODS`.
        center_xy: Centre of the face box as a fraction of width and height.
        face_height: Height of the face box as a fraction of the picture's short side.
    """

    character: ToonCharacter
    pose: Pose = Pose()
    mood: str = "neutral"
    center_xy: tuple[float, float] = (0.5, 0.42)
    face_height: float = 0.4


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """A whole picture: figures from left to right, a place with its own seed, a light, a size."""

    figures: tuple[Figure, ...]
    place: str = "park"
    place_seed: int = 0
    light: str = "soft light"
    light_from_left: bool = True
    shot_size: str = "medium shot"
    action: str = "standing still"
    height: int = 96
    width: int = 96


def sample_scene(
    characters: tuple[ToonCharacter, ...],
    rng: np.random.Generator,
    *,
    aspect: str = "1:1",
    shot_size: str | None = None,
    place: str | None = None,
    mood: str | None = None,
    light: str | None = None,
    action: str = "standing still",
    max_yaw_deg: float = 45.0,
) -> Scene:
    """Draw a random scene with the given characters; what is named stays fixed.

    Args:
        characters: None to three, placed from left to right.
        rng: The only source of chance.
        aspect: A key of `ASPECTS`.
        shot_size: One of `SHOT_SIZES`; with two or three characters close-ups become medium shots.
        place: One of `PLACES`.
        mood: One of `MOODS`, for all characters.
        light: One of `LIGHTS`.
        action: One of `ACTIONS`; only clips move.
        max_yaw_deg: Largest turn of the head to either side.
    """
    height, width = ASPECTS[aspect]
    size = shot_size or str(rng.choice(SHOT_SIZES, p=(0.4, 0.4, 0.2)))
    crowd = len(characters)
    if crowd > 1 and (size == "close-up" or (crowd == 3 and width == 96)):
        size = "medium shot" if crowd == 2 else "wide shot"
    low, high = FACE_FRACTION[size]
    if crowd > 1 and size == "medium shot" and width == 96:
        high = 0.36
    figures = []
    for index, character in enumerate(characters):
        fraction = float(rng.uniform(low, high))
        half_x = fraction * min(height, width) / width
        slot = (index + 0.5) / crowd
        spread = max(0.0, (0.5 / crowd - half_x * 0.62) if crowd > 1 else 0.36 - half_x * 0.5)
        center_x = float(
            np.clip(slot + rng.uniform(-spread, spread), half_x * 0.5, 1.0 - half_x * 0.5)
        )
        top = fraction * min(height, width) / height
        base_y = {"close-up": 0.5, "medium shot": 0.40, "wide shot": 0.36}[size]
        center_y = float(np.clip(base_y + rng.uniform(-0.06, 0.06), top * 0.72, 1.0 - top * 0.6))
        yaw = float(np.clip(rng.normal(0.0, max_yaw_deg * 0.45), -max_yaw_deg, max_yaw_deg))
        pose = Pose(
            yaw_deg=yaw,
            pitch_deg=float(rng.uniform(-14.0, 14.0)),
            roll_deg=float(np.clip(rng.normal(0.0, 5.0), -14.0, 14.0)),
            gaze_x=float(rng.uniform(-1.0, 1.0)),
            gaze_y=float(rng.uniform(-0.6, 0.6)),
        )
        figures.append(
            Figure(
                character=character,
                pose=pose,
                mood=mood or str(rng.choice(MOODS)),
                center_xy=(center_x, center_y),
                face_height=fraction,
            )
        )
    return Scene(
        figures=tuple(figures),
        place=place or str(rng.choice(PLACES)),
        place_seed=int(rng.integers(0, 2**31)),
        light=light or str(rng.choice(LIGHTS)),
        light_from_left=bool(rng.random() < 0.5),
        shot_size=size,
        action=action,
        height=height,
        width=width,
    )
