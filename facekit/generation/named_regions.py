"""Regions that have a name, and how far two regions may cover one another."""

from collections.abc import Mapping
from typing import TypeAlias

__all__ = ["MAX_OVERLAP", "NAMED_REGIONS", "Box"]

Box: TypeAlias = tuple[float, float, float, float]
"""Left, top, right, bottom as fractions of the picture."""

NAMED_REGIONS: Mapping[str, Box] = {
    "left": (0.0, 0.0, 0.5, 1.0),
    "right": (0.5, 0.0, 1.0, 1.0),
    "top": (0.0, 0.0, 1.0, 0.5),
    "bottom": (0.0, 0.5, 1.0, 1.0),
    "left-third": (0.0, 0.0, 1 / 3, 1.0),
    "middle-third": (1 / 3, 0.0, 2 / 3, 1.0),
    "right-third": (2 / 3, 0.0, 1.0, 1.0),
}

MAX_OVERLAP = 0.25
"""Of the smaller of two regions; more than that is taken for a mistake."""
