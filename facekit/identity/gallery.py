"""A gallery: the embeddings of one character by one encoder."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from facekit.errors import NoFaceFound, SeveralFacesFound
from facekit.faces.align import align
from facekit.faces.protocols import FaceVendor
from facekit.faces.quality import measure_quality
from facekit.faces.vendors import encoder_id
from facekit.identity.similarity import weighted_mean
from facekit.types import Face, FaceCrop, FloatArray, IdentityEmbedding, Image

__all__ = ["Gallery", "build_gallery", "embed_crops"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Gallery:
    """Embeddings of one character, each with its source and its weight."""

    embeddings: tuple[IdentityEmbedding, ...]
    """At least one, all of one encoder."""
    sources: tuple[str, ...]
    """Where each came from."""
    quality: tuple[float, ...]
    """How much each counts in the mean, above 0 and at most 1."""

    def __post_init__(self) -> None:
        """Refuse an empty gallery, lengths that differ, and a mixture of encoders."""
        counts = {len(self.embeddings), len(self.sources), len(self.quality)}
        if counts == {0} or len(counts) != 1:
            raise ValueError(
                f"{len(self.embeddings)} embeddings, {len(self.sources)} sources and"
                f" {len(self.quality)} qualities, expected the same number, at least 1"
            )
        if not all(0.0 < weight <= 1.0 for weight in self.quality):
            raise ValueError(f"quality is {self.quality}, expected each above 0 and at most 1")
        encoders = {embedding.encoder for embedding in self.embeddings}
        if len(encoders) != 1:
            raise ValueError(f"encoders {sorted(encoders)} in one gallery, expected one")

    def __len__(self) -> int:
        return len(self.embeddings)

    @property
    def encoder(self) -> str:
        """Who embedded them: ``name@`` and the first 12 hex digits of the weights' sha256."""
        return self.embeddings[0].encoder

    @property
    def vectors(self) -> FloatArray:
        """All embeddings, shape (N, dim)."""
        return np.stack([embedding.vector for embedding in self.embeddings])

    def mean(self) -> FloatArray:
        """Return the quality-weighted mean direction, unit norm, shape (dim,)."""
        return weighted_mean(self.vectors, np.array(self.quality))


def build_gallery(
    images: Sequence[Image], sources: Sequence[str], faces: FaceVendor, *, among: bool = False
) -> Gallery:
    """Embed the one face of each picture.

    Args:
        images: At least one picture, RGB.
        sources: Where each picture came from.
        faces: Detector and encoder.
        among: Take the largest face where there are several, instead of raising.

    Raises:
        NoFaceFound: A picture without a face.
        SeveralFacesFound: A picture with more than one, and `among` is false.
        AlignmentError: Landmarks that are no face.
    """
    found = faces.detect(images)
    crops = [
        _crop(faces, candidates, image, source, among)
        for candidates, image, source in zip(found, images, sources, strict=True)
    ]
    quality = tuple(
        measure_quality(image, crop.face).weight for image, crop in zip(images, crops, strict=True)
    )
    return Gallery(embeddings=embed_crops(crops, faces), sources=tuple(sources), quality=quality)


def embed_crops(crops: Sequence[FaceCrop], faces: FaceVendor) -> tuple[IdentityEmbedding, ...]:
    """Embed crops, in their order."""
    name = encoder_id(faces)
    return tuple(IdentityEmbedding(vector=vector, encoder=name) for vector in faces.encode(crops))


def _crop(
    faces: FaceVendor, found: tuple[Face, ...], image: Image, source: str, among: bool
) -> FaceCrop:
    if not found:
        height, width = image.shape[:2]
        raise NoFaceFound(
            f"{source}: no face found in {width}x{height} px, expected one; use a photo that"
            " shows the face larger, from the front and in good light"
        )
    if len(found) > 1 and not among:
        raise SeveralFacesFound(
            f"{source}: {len(found)} faces found, expected 1; crop the picture to one person"
        )
    size_px, margin = faces.crop_size_px, faces.crop_margin
    return align(image, found[0], size_px=size_px, margin=margin, source=source)
