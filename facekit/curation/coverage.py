"""What a set of photos shows: a grid of yaw and pitch, light, expression, distance.

The one place where measurements become classes: the table, the page, ``--json`` and the advice all
ask here. Age is left out: nothing here can tell it from five landmarks.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from facekit.faces.quality import FaceQuality

__all__ = [
    "AXES",
    "DISTANCE",
    "EXPRESSION",
    "LIGHT",
    "PITCH",
    "YAW",
    "Axis",
    "Coverage",
    "Places",
    "count_places",
    "cover",
    "find_places",
    "usual_pitch_deg",
]

Places = Mapping[str, str]
"""What one photo shows: the name of an axis -> one of its places."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Axis:
    """One thing that photos of a set should differ in, in classes."""

    name: str
    """Stable for programs."""
    places: tuple[str, ...]
    """In rising order of what is measured."""
    edges: tuple[float, ...]
    """Between the places; an edge itself belongs to the place behind it."""

    def place(self, value: float) -> str:
        """The place of a measurement."""
        return self.places[int(np.digitize(value, self.edges))]


YAW = Axis(
    name="yaw",
    places=("left profile", "left three-quarter", "front", "right three-quarter", "right profile"),
    edges=(-40.0, -15.0, 15.0, 40.0),
)
"""Turn of the head towards the picture's left to its right, in degrees."""
PITCH = Axis(name="pitch", places=("up", "level", "down"), edges=(-10.0, 10.0))
"""Nod beside the middle one of the set, in degrees."""
LIGHT = Axis(name="light", places=("low", "middle", "bright"), edges=(0.35, 0.6))
"""Mean brightness of the face."""
DISTANCE = Axis(name="distance", places=("far", "middle", "near"), edges=(0.25, 0.45))
"""Height of the face over that of the picture."""
EXPRESSION = Axis(name="expression", places=("narrow", "usual", "wide"), edges=(-0.06, 0.06))
"""Width of the mouth beside the middle one of the set, as a part of it: a smile is wide."""

AXES = (YAW, PITCH, LIGHT, DISTANCE, EXPRESSION)


@dataclass(frozen=True, slots=True, kw_only=True)
class Coverage:
    """How many photos show what."""

    grid: tuple[tuple[int, ...], ...]
    """Photos by pitch (rows, places of `PITCH`) and yaw (columns, places of `YAW`)."""
    counts: Mapping[str, Mapping[str, int]]
    """Photos by the name of each of the `AXES` and by its places, all of them."""

    def to_json(self) -> Mapping[str, object]:
        """The grid with the names of its rows and columns, and the counts."""
        others = (LIGHT, DISTANCE, EXPRESSION)
        return {
            "yaw": list(YAW.places),
            "pitch": list(PITCH.places),
            "grid": [list(row) for row in self.grid],
            **{axis.name: dict(self.counts[axis.name]) for axis in others},
        }


def usual_pitch_deg(usable: Sequence[FaceQuality]) -> float:
    """The middle pitch of the usable photos of one person; 0 without any.

    How long a face is looks like a nod, so that a nod is told beside this.
    """
    return float(np.median([quality.pitch_deg for quality in usable])) if usable else 0.0


def find_places(usable: Sequence[FaceQuality]) -> tuple[Places, ...]:
    """Tell what each of the usable photos of one person shows, in the order given."""
    middle_deg = usual_pitch_deg(usable)
    mouth = float(np.median([quality.mouth for quality in usable])) if usable else 1.0
    return tuple(
        {
            YAW.name: YAW.place(quality.yaw_deg),
            PITCH.name: PITCH.place(quality.pitch_deg - middle_deg),
            LIGHT.name: LIGHT.place(quality.brightness),
            DISTANCE.name: DISTANCE.place(quality.face_fraction),
            EXPRESSION.name: EXPRESSION.place(quality.mouth / mouth - 1.0),
        }
        for quality in usable
    )


def count_places(shown: Sequence[Places]) -> Coverage:
    """Count photos by what they show."""
    return Coverage(
        grid=tuple(
            tuple(
                sum((one[PITCH.name], one[YAW.name]) == (pitch, yaw) for one in shown)
                for yaw in YAW.places
            )
            for pitch in PITCH.places
        ),
        counts={
            axis.name: {
                place: sum(one[axis.name] == place for one in shown) for place in axis.places
            }
            for axis in AXES
        },
    )


def cover(usable: Sequence[FaceQuality]) -> Coverage:
    """Count what the usable photos of one person show."""
    return count_places(find_places(usable))
