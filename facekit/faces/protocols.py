"""What a face vendor must offer: find faces in pictures, and turn crops into unit vectors."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol, Self, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from facekit.types import Face, FaceCrop, FloatArray, Image

if TYPE_CHECKING:
    import torch
    from torch import Tensor

__all__ = [
    "FaceDetector",
    "FaceMasks",
    "FaceParser",
    "FaceVendor",
    "IdentityEncoder",
    "PictureKind",
]

PictureKind = Literal["drawing", "photograph"]


@runtime_checkable
class FaceDetector(Protocol):
    """Finds faces with five landmarks."""

    def detect(self, images: Sequence[Image]) -> list[tuple[Face, ...]]:
        """Find the faces of every picture.

        Args:
            images: RGB pictures; their sizes may differ.

        Returns:
            One tuple per picture in the same order, its faces largest first; empty where no face
            was found.
        """
        ...


@runtime_checkable
class IdentityEncoder(Protocol):
    """Turns aligned crops into unit vectors that are near each other for the same person."""

    @property
    def name(self) -> str:
        """Short name, as recipes write it."""
        ...

    @property
    def dim(self) -> int:
        """Length of a vector."""
        ...

    @property
    def digest(self) -> str:
        """Sha256 of the weights, 64 hex digits; vectors of different digests are never compared."""
        ...

    @property
    def licence(self) -> str:
        """SPDX name of the licence of the weights, or its terms in words."""
        ...

    @property
    def min_same_person(self) -> float:
        """Similarity below which it is somebody else, where the recipe does not say.

        Of this encoder alone: numbers of different encoders mean different things.
        """
        ...

    @property
    def max_covered_gain(self) -> float:
        """How much better a face may agree with others of its person once a region is covered.

        A share of their own agreement, where the recipe does not say; of this encoder alone.
        """
        ...

    @property
    def made_for(self) -> PictureKind | None:
        """What it was trained on; None where that is not known."""
        ...

    @property
    def crop_size_px(self) -> int:
        """Side of the square crop that it takes."""
        ...

    @property
    def crop_margin(self) -> float:
        """Margin around the ArcFace square that its crops must have, as `align` takes it."""
        ...

    def encode(self, crops: Sequence[FaceCrop]) -> NDArray[np.float32]:
        """Return one unit vector per crop, shape (N, dim); (0, dim) for no crops."""
        ...

    def embed(self, pixels_BCHW: "Tensor") -> "Tensor":
        """Return unit vectors (B, dim) that carry gradients back to the pixels.

        Args:
            pixels_BCHW: Aligned crops, RGB in [-1, 1], of side `crop_size_px`.
        """
        ...


@runtime_checkable
class FaceVendor(FaceDetector, IdentityEncoder, Protocol):
    """A detector and an encoder that belong together."""

    def to(self, device: "torch.device") -> Self:
        """Return the same models on a device, this one as it is.

        Pictures still come and vectors still go as numpy; what `embed` takes and gives is there.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class FaceMasks:
    """Which pixels of a picture are what; each float32, (height, width), 0..1."""

    face: FloatArray
    """The face without its hair."""
    skin: FloatArray | None = None
    """Its skin alone: no eyes, brows, lips, glasses; None where the parser cannot tell."""
    hair: FloatArray | None = None
    """None where the parser cannot tell."""


@runtime_checkable
class FaceParser(Protocol):
    """Tells hair, skin and face apart."""

    @property
    def name(self) -> str:
        """Short name."""
        ...

    @property
    def digest(self) -> str:
        """Sha256 of the weights, 64 hex digits; empty where there are none."""
        ...

    @property
    def licence(self) -> str:
        """SPDX name of the licence of the weights, or its terms in words."""
        ...

    @property
    def shortfall(self) -> str:
        """What it cannot do and why, to be said aloud; empty for a real parser."""
        ...

    def parse(self, image: Image, face: Face) -> FaceMasks:
        """Mark one face of a picture.

        Args:
            image: The whole picture, RGB.
            face: A face found in it.
        """
        ...
