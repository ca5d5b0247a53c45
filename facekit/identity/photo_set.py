"""The photos of one character, checked and split, as training takes them."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from facekit.errors import PhotosRefused
from facekit.identity.excerpt import Excerpt
from facekit.media.images import pixel_digest
from facekit.types import Face, FaceCrop, FloatArray, IdentityEmbedding, Image

__all__ = ["Photo", "PhotoSet"]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Photo:
    """One usable photo: exactly one face, already embedded by the training encoder."""

    source: str
    """What it is called: its path, ``photos.zip/a/b.jpg`` in an archive, ``clip.mp4@00:01.240``
    for a frame of a clip."""
    file: Path
    """Where its pixels are read from: the photo itself, or what the cache holds of it."""
    image: Image
    """The whole picture, upright, scaled down where the file is very large."""
    face: Face
    """In the coordinates of `image`."""
    crop: FaceCrop
    """The face as the training encoder takes it."""
    embedding: FloatArray
    """Unit vector (dim,) of the training encoder."""
    quality: float = 1.0
    """Weight in means, above 0 and at most 1."""
    sidecar: str | None = None
    """The user's own caption: the text file of the same name beside the photo."""
    sidecar_name: str = ""
    """What that file is called."""
    turned_deg: int = 0
    """How far the picture was turned clockwise, because its face was not upright."""
    cut_xyxy_px: tuple[int, int, int, int] | None = None
    """The part of the turned picture that is used, because others are in it; None for all."""
    mask: npt.NDArray[np.uint8] | None = None
    """(height, width) of `image`, 0 to 255: how much of each pixel is the face without its hair, as
    a parser sees it; None for the ellipse, which is drawn at the size that training looks at."""

    @property
    def digest(self) -> str:
        """Sha256 (hex) of the pixels."""
        return pixel_digest(self.image)


@dataclass(frozen=True, slots=True, kw_only=True)
class PhotoSet:
    """Photos to train on, and photos that training never sees."""

    train: tuple[Photo, ...]
    held_out: tuple[Photo, ...] = ()
    encoder: str = ""
    """Who embedded them: ``name@`` and the first 12 hex digits of the weights' sha256."""
    masks: str = ""
    """Who draws the masks of those that train, as `encoder`; empty for the ellipse."""
    views: tuple[int, ...] = ()
    """Indices into `train`: photos that show most between them, the best first."""
    excerpts: tuple[Excerpt, ...] = ()
    """Stretches of clips to train on, beside the photos."""

    def __post_init__(self) -> None:
        """Refuse an empty set and a photo on both sides."""
        if not self.train:
            raise PhotosRefused("0 photos to train on, expected at least 1; add photos")
        both = {p.source for p in self.train} & {p.source for p in self.held_out}
        if both:
            listed = ", ".join(sorted(both))
            raise PhotosRefused(f"{listed}: both trained on and held out; name each photo once")
        if len(set(self.views)) < len(self.views) or not set(self.views) <= set(
            range(len(self.train))
        ):
            raise ValueError(
                f"views are {self.views}, expected each at most once and below {len(self.train)}"
            )

    @property
    def photos(self) -> tuple[Photo, ...]:
        """All of them: trained on first, then held out."""
        return self.train + self.held_out

    @property
    def embeddings(self) -> tuple[IdentityEmbedding, ...]:
        """The embeddings of the photos trained on."""
        return tuple(
            IdentityEmbedding(vector=photo.embedding, encoder=self.encoder) for photo in self.train
        )

    def best(self, count: int) -> tuple[int, ...]:
        """The photos that make the tokens where not all do: `views`, then the best of the others.

        Returns:
            Indices into `train`, at most `count`, in the order of `train`.
        """
        others = [index for index in range(len(self.train)) if index not in self.views]
        others.sort(key=lambda index: -self.train[index].quality)
        return tuple(sorted((*self.views, *others)[:count]))

    @property
    def digest(self) -> str:
        """Sha256 (hex) of all pixels, captions, the split and who draws the masks.

        The same photos give the same. Excerpts count where there are any.
        """
        total = hashlib.sha256(self.encoder.encode())
        if self.masks:
            total.update(f"masks {self.masks}\n".encode())
        for role, photos in (("train", self.train), ("held_out", self.held_out)):
            for photo in photos:
                total.update(f"{role} {photo.digest} {photo.sidecar!r}\n".encode())
        for excerpt in self.excerpts:
            total.update(f"excerpt {excerpt.digest} {excerpt.photo}\n".encode())
        return total.hexdigest()
