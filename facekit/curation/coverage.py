"""What a set of photos shows: a grid of yaw and pitch, light, expression, distance.

Age is left out: nothing here can tell it from five landmarks.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from facekit.faces.quality import FaceQuality

__all__ = ["PITCHES", "YAWS", "Coverage", "cover", "yaw_place"]

YAWS = ("left profile", "left three-quarter", "front", "right three-quarter", "right profile")
"""Turns of the head towards the picture's left to its right, in steps at 15 and 40 degrees."""
PITCHES = ("up", "level", "down")
"""Nods beside the middle one of the set, in steps at 10 degrees."""

_FRONT_DEG, _PROFILE_DEG = 15.0, 40.0
_LEVEL_DEG = 10.0
_LOW_LIGHT, _BRIGHT_LIGHT = 0.35, 0.6
_NEAR, _FAR = 0.45, 0.25
_OTHER_MOUTH = 0.06


@dataclass(frozen=True, slots=True, kw_only=True)
class Coverage:
    """How many usable photos show what."""

    grid: tuple[tuple[int, ...], ...]
    """Photos by pitch (rows, `PITCHES`) and yaw (columns, `YAWS`)."""
    lights: Mapping[str, int]
    """low, middle, bright."""
    distances: Mapping[str, int]
    """near, middle, far."""
    expressions: Mapping[str, int]
    """wide, usual and narrow mouths, beside the middle one of the set: a smile is wide."""

    def to_json(self) -> Mapping[str, object]:
        """The grid with the names of its rows and columns, and the counts."""
        return {
            "yaw": list(YAWS),
            "pitch": list(PITCHES),
            "grid": [list(row) for row in self.grid],
            "light": dict(self.lights),
            "distance": dict(self.distances),
            "expression": dict(self.expressions),
        }


def cover(usable: Sequence[FaceQuality]) -> Coverage:
    """Count what the usable photos of one person show."""
    pitches = np.array([quality.pitch_deg for quality in usable])
    mouths = np.array([quality.mouth for quality in usable])
    grid = np.zeros((len(PITCHES), len(YAWS)), dtype=int)
    if len(usable):
        nods = np.digitize(pitches - np.median(pitches), (-_LEVEL_DEG, _LEVEL_DEG))
        for quality, row in zip(usable, nods, strict=True):
            grid[row, yaw_place(quality.yaw_deg)] += 1
        mouths = mouths / np.median(mouths) - 1.0
    lights = [quality.brightness for quality in usable]
    nearness = [quality.face_fraction for quality in usable]
    return Coverage(
        grid=tuple(tuple(int(count) for count in row) for row in grid),
        lights=_counts(("low", "middle", "bright"), lights, (_LOW_LIGHT, _BRIGHT_LIGHT)),
        distances=_counts(("far", "middle", "near"), nearness, (_FAR, _NEAR)),
        expressions=_counts(
            ("narrow", "usual", "wide"), mouths.tolist(), (-_OTHER_MOUTH, _OTHER_MOUTH)
        ),
    )


def yaw_place(yaw_deg: float) -> int:
    """The column of `YAWS` that a turn of the head belongs to."""
    return int(np.digitize(yaw_deg, (-_PROFILE_DEG, -_FRONT_DEG, _FRONT_DEG, _PROFILE_DEG)))


def _counts(
    names: Sequence[str], values: Sequence[float], edges: Sequence[float]
) -> Mapping[str, int]:
    places = np.digitize(values, edges) if len(values) else np.zeros(0, int)
    return {name: int((places == place).sum()) for place, name in enumerate(names)}
