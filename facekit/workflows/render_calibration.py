"""Thresholds from a show's own material: above which likeness a face is one of its cast."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from facekit.errors import RenderError, UsageError
from facekit.identity.calibration import tar_at_far, threshold_at_far
from facekit.types import FloatArray

__all__ = ["CALIBRATION_FILE", "FAR", "Thresholds", "read_calibration", "thresholds_of"]

CALIBRATION_FILE = "calibration.json"
FAR = 0.01
"""Part of the faces of other people that may be taken for a member."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Thresholds:
    """What was found, and on how much."""

    floor: float
    p05: Mapping[str, float]
    num_same: int
    num_other: int
    tar: float
    """Part of the faces of a member that reach the floor."""

    def to_json(self) -> dict[str, object]:
        """All of it as plain data."""
        return {
            "floor": round(self.floor, 4),
            "p05": {name: round(value, 4) for name, value in self.p05.items()},
            "num_same": self.num_same,
            "num_other": self.num_other,
            "tar": round(self.tar, 4),
            "far": FAR,
        }


def thresholds_of(
    same: Mapping[str, FloatArray], other: Mapping[str, FloatArray], own_floor: float
) -> Thresholds:
    """Choose thresholds.

    The floor is where at most one in a hundred faces of other people is taken for a member.

    Args:
        same: Member -> similarities of its own faces to its photos.
        other: Member -> similarities of other people's faces to its photos.
        own_floor: The encoder's own; too few pairs lead back to it.

    Raises:
        UsageError: No faces to compare.
    """
    all_same = _all(same)
    all_other = _all(other)
    if not len(all_same) or not len(all_other):
        raise UsageError(
            f"{len(all_same)} faces of the cast and {len(all_other)} of others, expected some of"
            " both; calibrate with two members at least"
        )
    floor = float(threshold_at_far(all_other, FAR))
    if len(all_other) < 1 / FAR:
        floor = max(floor, own_floor)
    return Thresholds(
        floor=floor,
        p05=dict.fromkeys(same, floor),
        num_same=len(all_same),
        num_other=len(all_other),
        tar=tar_at_far(all_same, all_other, FAR),
    )


def _all(values: Mapping[str, FloatArray]) -> FloatArray:
    rows = [np.ravel(row) for row in values.values()]
    return np.concatenate(rows) if rows else np.zeros(0, np.float32)


def read_calibration(out_dir: Path) -> tuple[float | None, Mapping[str, float] | None]:
    """Read the thresholds of a show; nothing where it was not calibrated.

    Raises:
        RenderError: The file is damaged.
    """
    path = out_dir / CALIBRATION_FILE
    if not path.is_file():
        return None, None
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        return float(content["floor"]), {k: float(v) for k, v in content["p05"].items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise RenderError(
            f"{path}: damaged ({error!r}), expected what facekit lab calibrate wrote; remove it,"
            " and calibrate again"
        ) from error
