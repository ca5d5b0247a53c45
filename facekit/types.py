"""The nouns that the layers pass to each other. Numpy only; no torch, no vendors."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol, TypeAlias, runtime_checkable

import numpy as np
import numpy.typing as npt

__all__ = [
    "SHOT_SIZES",
    "Clip",
    "Face",
    "FaceCrop",
    "FloatArray",
    "IdentityEmbedding",
    "Image",
    "NoProgress",
    "Plan",
    "Progress",
    "Shot",
]

Image: TypeAlias = npt.NDArray[np.uint8]
"""A picture: uint8, (height, width, 3), RGB. BGR exists only inside faces/ and media/."""

FloatArray: TypeAlias = npt.NDArray[np.float32]
"""Any float32 array; the docstring at its use gives the shape."""

SHOT_SIZES: tuple[str, ...] = ("close-up", "medium shot", "wide shot")
"""How much of a person a shot shows, from near to far; all but the widest demand a face."""

_UNIT_NORM_TOLERANCE = 1e-3


def _require(good: bool, message: str) -> None:
    if not good:
        raise ValueError(message)


def _is_rgb(pixels: npt.NDArray[np.uint8]) -> bool:
    return pixels.dtype == np.uint8 and pixels.ndim == 3 and pixels.shape[2] == 3


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Face:
    """What a detector found in one picture."""

    box_xyxy_px: FloatArray
    """Shape (4,): left, top, right, bottom, in pixels of the picture; may leave it."""
    landmarks_px: FloatArray
    """Shape (5, 2), x then y: left eye, right eye, nose tip, left mouth corner, right mouth
    corner, as seen in the picture (left has the smaller x on an upright face)."""
    score: float
    """How sure the detector is, 0..1."""

    def __post_init__(self) -> None:
        """Refuse shapes that are not a face."""
        box, marks = self.box_xyxy_px, self.landmarks_px
        _require(box.shape == (4,), f"box_xyxy_px has shape {box.shape}, expected (4,)")
        _require(marks.shape == (5, 2), f"landmarks_px has shape {marks.shape}, expected (5, 2)")

    def to_json(self) -> Mapping[str, object]:
        """The three fields as plain lists and a number."""
        return {
            "box_xyxy_px": self.box_xyxy_px.tolist(),
            "landmarks_px": self.landmarks_px.tolist(),
            "score": float(self.score),
        }

    def moved(self, x_px: float, y_px: float, *, scale: float = 1.0) -> "Face":
        """The same face where the picture's corner is elsewhere: moved right and down by this.

        Args:
            x_px: To the right.
            y_px: Down.
            scale: How much larger the picture is, before it is moved.
        """
        offset = np.array([x_px, y_px], np.float32)
        return Face(
            box_xyxy_px=(self.box_xyxy_px * scale + np.tile(offset, 2)).astype(np.float32),
            landmarks_px=(self.landmarks_px * scale + offset).astype(np.float32),
            score=self.score,
        )

    @property
    def width_px(self) -> float:
        """Width of the box."""
        return float(self.box_xyxy_px[2] - self.box_xyxy_px[0])

    @property
    def height_px(self) -> float:
        """Height of the box."""
        return float(self.box_xyxy_px[3] - self.box_xyxy_px[1])


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class FaceCrop:
    """A face warped onto an encoder's template."""

    pixels: Image
    """Square, uint8, (size, size, 3), RGB."""
    face: Face
    """The face in the coordinates of the whole picture."""
    source: str
    """Where the picture came from, for messages."""

    def __post_init__(self) -> None:
        """Refuse a crop that is not a square RGB picture."""
        shape = self.pixels.shape
        good = _is_rgb(self.pixels) and shape[0] == shape[1]
        _require(good, f"pixels has {shape} {self.pixels.dtype}, expected (size, size, 3) uint8")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class IdentityEmbedding:
    """One face as a unit vector of one encoder."""

    vector: FloatArray
    """Shape (dim,), float32, unit norm."""
    encoder: str
    """``name@`` and the first 12 hex digits of the weights' sha256."""

    def __post_init__(self) -> None:
        """Refuse a vector that is not one unit vector."""
        _require(self.vector.ndim == 1, f"vector has shape {self.vector.shape}, expected (dim,)")
        norm = float(np.linalg.norm(self.vector))
        _require(abs(norm - 1.0) <= _UNIT_NORM_TOLERANCE, f"vector has norm {norm:.4f}, expected 1")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Clip:
    """Frames that belong together, and how fast they play."""

    frames: npt.NDArray[np.uint8]
    """Shape (frames, height, width, 3), uint8, RGB."""
    fps: float
    """Frames per second, above 0."""

    def __post_init__(self) -> None:
        """Refuse frames that are not RGB pictures of one size."""
        shape = self.frames.shape
        good = self.frames.dtype == np.uint8 and len(shape) == 4 and shape[3] == 3 and shape[0] > 0
        _require(
            good,
            f"frames has {shape} {self.frames.dtype}, expected (frames, height, width, 3) uint8",
        )
        _require(self.fps > 0, f"fps is {self.fps}, expected more than 0")

    @property
    def num_frames(self) -> int:
        """How many frames."""
        return int(self.frames.shape[0])


@dataclass(frozen=True, slots=True, kw_only=True)
class Shot:
    """One thing to generate."""

    name: str
    """Used for files and labels; unique within one run."""
    prompt: str
    seed: int
    num_frames: int
    height: int
    """In pixels."""
    width: int
    """In pixels."""
    kind: str
    """One of ``SHOT_SIZES``, which decides whether a face is demanded; ``unknown`` where the prompt
    names none, ``validation`` where the shot only judges a checkpoint, and neither demands one."""


@runtime_checkable
class Progress(Protocol):
    """Where a workflow reports how far it is; the command line draws it with the time left."""

    def start(self, total: int, label: str) -> None:
        """Begin a stage of this many steps; a second call begins the next stage."""

    def advance(self, n: int = 1, info: str = "") -> None:
        """Count steps done; info is a short state such as ``loss 0.12``."""

    def finish(self) -> None:
        """End the stage; without one nothing happens."""


class NoProgress:
    """The progress of a caller that does not want to see any."""

    def start(self, total: int, label: str) -> None:
        """Do nothing."""

    def advance(self, n: int = 1, info: str = "") -> None:
        """Do nothing."""

    def finish(self) -> None:
        """Do nothing."""


@runtime_checkable
class Plan(Protocol):
    """What a workflow is about to do, or what it did: read by people and by programs.

    Plans and results of workflows both have these two methods; the command line prints the
    first and puts the second into the ``data`` of ``--json``.
    """

    def describe(self) -> str:
        """Several short lines for people, ``name: value``, without a trailing newline."""

    def to_json(self) -> Mapping[str, object]:
        """Only what the json module can write."""
