"""Thresholds from a show's own material: above which likeness a face is one of its cast."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from facekit.errors import RenderError, UsageError
from facekit.identity.calibration import threshold_at_far
from facekit.types import FloatArray
from facekit.weights import known_digest
from facekit.workflows.render_judge import JudgePlan

__all__ = [
    "CALIBRATION_FILE",
    "CALIBRATION_SCHEMA",
    "FAR",
    "Calibration",
    "Material",
    "Thresholds",
    "calibrated",
    "material_of",
    "read_calibration",
    "thresholds_of",
]

CALIBRATION_FILE = "calibration.json"
CALIBRATION_SCHEMA = "facekit.calibration/1"
FAR = 0.01
"""Part of the faces of other people that may be taken for a member."""
_Z95 = 1.96


@dataclass(frozen=True, slots=True, kw_only=True)
class Thresholds:
    """What was found, and on how much."""

    floor: float
    p05: Mapping[str, float]
    far: float
    """Part of the faces of other people that may be taken for a member, as asked."""
    own_floor: float
    """The encoder's own."""
    num_same: int
    num_other: int
    tar: float
    """Part of the faces of a member that reach the floor."""
    accepted: float
    """Part of the faces of other people that reach it."""
    accepted_high: float
    """Upper end of its 95 % interval: what so many faces cannot rule out."""

    @property
    def is_enough(self) -> bool:
        """Whether there were faces enough of other people to tell that part of them at all."""
        return self.num_other >= 1 / self.far

    def to_json(self) -> dict[str, object]:
        """All of it as plain data."""
        return {
            "floor": round(self.floor, 4),
            "p05": {name: round(value, 4) for name, value in self.p05.items()},
            "own_floor": round(self.own_floor, 4),
            "num_same": self.num_same,
            "num_other": self.num_other,
            "tar": round(self.tar, 4),
            "far": self.far,
            "accepted": round(self.accepted, 4),
            "accepted_high": round(self.accepted_high, 4),
        }


def thresholds_of(
    same: Mapping[str, FloatArray],
    other: Mapping[str, FloatArray],
    own_floor: float,
    far: float = FAR,
) -> Thresholds:
    """Choose thresholds.

    The floor is the lowest likeness that at most this part of the faces of other people reaches.
    With fewer than 1 / far of them it is above all of them, and at least the encoder's own.

    Args:
        same: Member -> similarities of its own faces to its photos.
        other: Member -> similarities of other people's faces to its photos.
        own_floor: The encoder's own; too few pairs lead back to it.
        far: Part of the faces of other people that may be taken for a member, 0..1.

    Raises:
        UsageError: No faces to compare, or `far` is out of range.
    """
    if not 0.0 < far <= 0.5:
        raise UsageError(f"far is {far:g}, expected above 0 and at most 0.5; 0.01 is usual")
    all_same = _all(same)
    all_other = _all(other)
    if not len(all_same) or not len(all_other):
        raise UsageError(
            f"{len(all_same)} faces of the cast and {len(all_other)} of others, expected some of"
            " both; calibrate with two members at least"
        )
    # Upwards, as it is written: downwards it could let one more pass.
    floor = float(np.ceil(threshold_at_far(all_other, far) * 1e4) / 1e4)
    if len(all_other) < 1 / far:
        floor = max(floor, own_floor)
    accepted = float((all_other.astype(np.float64) >= floor).mean())
    return Thresholds(
        floor=floor,
        p05=dict.fromkeys(same, floor),
        far=far,
        own_floor=own_floor,
        num_same=len(all_same),
        num_other=len(all_other),
        tar=float((all_same.astype(np.float64) >= floor).mean()),
        accepted=accepted,
        accepted_high=_upper_end(accepted, len(all_other)),
    )


def _all(values: Mapping[str, FloatArray]) -> FloatArray:
    rows = [np.ravel(row) for row in values.values()]
    return np.concatenate(rows) if rows else np.zeros(0, np.float32)


def _upper_end(share: float, count: int) -> float:
    """Upper end of the 95 % interval of a share.

    Source: Wilson, Probable inference, the law of succession, and statistical inference (1927).
    """
    z2 = _Z95**2
    middle = share + z2 / (2 * count)
    spread = _Z95 * np.sqrt(share * (1 - share) / count + z2 / (4 * count**2))
    return float((middle + spread) / (1 + z2 / count))


@dataclass(frozen=True, slots=True, kw_only=True)
class Material:
    """What a member was, when it was calibrated."""

    character: str
    """sha256 of its file."""
    photos: tuple[str, ...]
    """sha256 of the photos that it is compared with."""

    def to_json(self) -> dict[str, object]:
        """The same as plain data."""
        return {"character": self.character, "photos": list(self.photos)}


def material_of(judge: JudgePlan, cast: Mapping[str, Path]) -> dict[str, Material]:
    """What there is now of every member with photos.

    Args:
        judge: Knows the photos.
        cast: Member -> character file.
    """
    return {
        name: Material(
            character=known_digest(cast[name]),
            photos=tuple(sorted(judge.photo_digests(name))),
        )
        for name in judge.photos
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibration:
    """What an earlier calibration has written."""

    file: Path
    floor: float
    p05: Mapping[str, float]
    encoder: str
    """Name and digest."""
    date: str
    """Such as 2026-11-21T20:17:00Z."""
    cast: Mapping[str, Material]

    def faults(self, judge: JudgePlan, cast: Mapping[str, Path]) -> tuple[str, ...]:
        """Why it measured something else than is judged by now; empty when it holds."""
        if self.encoder.partition("@")[0] != judge.encoder:
            return (f"it was made with {self.encoder}, and {judge.encoder} judges",)
        told = []
        for name, now in material_of(judge, cast).items():
            then = self.cast.get(name)
            if then is None:
                told.append(f"{name} is new")
            elif then.photos != now.photos:
                told.append(f"{name} is compared with other photos")
            elif then.character != now.character:
                told.append(f"{name} was made anew")
        return tuple(told)


def calibrated(judge: JudgePlan, found: Calibration | None, cast: Mapping[str, Path]) -> JudgePlan:
    """Judge by calibrated thresholds, if they belong to the cast as it is now.

    Where they do not, the encoder's own threshold is used, and a warning says why.

    Args:
        judge: Without thresholds.
        found: What `read_calibration` gave.
        cast: Member -> character file.
    """
    if found is None:
        return judge
    faults = found.faults(judge, cast)
    if faults:
        told = (
            f"{found.file}: {', '.join(faults)} since {found.date}, so the encoder's own threshold"
            " is used; run facekit lab calibrate BOARD --force"
        )
        return replace(judge, warnings=(*judge.warnings, told))
    return replace(
        judge,
        floor=found.floor,
        p05=found.p05,
        calibrated=f"{found.floor:.2f}, calibrated {found.date[:10]}",
        calibrated_by=found.encoder,
    )


def read_calibration(out_dir: Path) -> Calibration | None:
    """Read the thresholds of a show; None where it was not calibrated.

    Raises:
        RenderError: The file is damaged.
    """
    path = out_dir / CALIBRATION_FILE
    if not path.is_file():
        return None
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        return Calibration(
            file=path,
            floor=float(content["floor"]),
            p05={k: float(v) for k, v in content["p05"].items()},
            encoder=str(content["encoder"]),
            date=str(content["date"]),
            cast={
                name: Material(character=str(one["character"]), photos=tuple(one["photos"]))
                for name, one in content["cast"].items()
            },
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise RenderError(
            f"{path}: damaged ({error!r}), expected what facekit lab calibrate wrote; remove it,"
            " and calibrate again"
        ) from error
