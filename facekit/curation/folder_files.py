"""The files of a dataset: crops, masks, thumbnails and embeddings, named by their content."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image as PillowImage
from safetensors.numpy import save

from facekit.curation.candidates import Candidate
from facekit.curation.manifest import PhotoEntry
from facekit.faces.parse import mask_bytes
from facekit.faces.protocols import FaceParser, FaceVendor
from facekit.media.embed import shrink
from facekit.media.files import atomic_write, write_bytes
from facekit.media.images import pixel_digest, read_image, write_image
from facekit.media.unpack import changed_file
from facekit.types import FloatArray, Image

__all__ = [
    "OWN_FOLDERS",
    "THUMBNAIL_SIDE_PX",
    "PhotoFiles",
    "kept_files",
    "make_files",
    "write_vectors",
]

THUMBNAIL_SIDE_PX = 320

_CROPS, _MASKS, _THUMBNAILS, _EMBEDDINGS = "crops", "masks", "thumbnails", "embeddings"
OWN_FOLDERS = (_CROPS, _MASKS, _THUMBNAILS, _EMBEDDINGS)
"""What a dataset may remove files from."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PhotoFiles:
    """What the folder holds of one picture."""

    pixels_sha256: str
    size_px: tuple[int, int]
    crop: str | None
    mask: str | None
    thumbnail: str


def _names(
    pixels_sha256: str, candidate: Candidate, faces: FaceVendor, parser: FaceParser
) -> tuple[str | None, str | None, str]:
    """The names of crop, mask and thumbnail; a picture without a face has the last one alone."""
    picture, crop, cut = pixels_sha256[:16], candidate.crop, candidate.cut_xyxy_px
    part = "" if cut is None else "-of-" + "_".join(map(str, cut))
    thumbnail = f"{_THUMBNAILS}/{picture}{part}.webp"
    if crop is None:
        return None, None, thumbnail
    where = hashlib.sha256(crop.face.box_xyxy_px.tobytes() + crop.face.landmarks_px.tobytes())
    found = f"{picture}-{where.hexdigest()[:8]}"
    encoder = f"{faces.name.replace('/', '-').replace(':', '-')}-{faces.digest[:12]}"
    masked = f"{parser.name}-{parser.digest[:12]}".rstrip("-")
    return (
        f"{_CROPS}/{found}-{encoder}.png",
        f"{_MASKS}/{found}-{masked}.png",
        thumbnail,
    )


def kept_files(
    folder: Path,
    before: PhotoEntry | None,
    candidate: Candidate,
    faces: FaceVendor,
    parser: FaceParser,
) -> PhotoFiles | None:
    """The files of an earlier run where they all are those that would be made now."""
    if before is None or before.pixels_sha256 is None or before.size_px is None:
        return None
    names = _names(before.pixels_sha256, candidate, faces, parser)
    if not all((folder / name).is_file() for name in names if name is not None):
        return None
    crop, mask, thumbnail = names
    digest, size = before.pixels_sha256, before.size_px
    return PhotoFiles(pixels_sha256=digest, size_px=size, crop=crop, mask=mask, thumbnail=thumbnail)


def make_files(
    folder: Path, candidate: Candidate, faces: FaceVendor, parser: FaceParser
) -> PhotoFiles:
    """Cut, parse and scale what is not there yet.

    Raises:
        MediaError: The photo is no longer there.
        OutputError: The folder cannot be written.
    """
    image, crop = read_image(candidate.file), candidate.crop
    digest = pixel_digest(image)
    crop_name, mask_name, thumbnail = _names(digest, candidate, faces, parser)
    if crop is not None and crop_name is not None and not (folder / crop_name).is_file():
        write_image(folder / crop_name, crop.pixels)
    if crop is not None and mask_name is not None and not (folder / mask_name).is_file():
        masks = parser.parse(image, crop.face)
        none = np.zeros(image.shape[:2], np.float32)
        layers = (masks.face, masks.skin, masks.hair)
        stacked = np.stack([none if layer is None else layer for layer in layers], axis=2)
        write_image(folder / mask_name, mask_bytes(stacked))
    if not (folder / thumbnail).is_file():
        _write_thumbnail(folder / thumbnail, _whole(candidate, image))
    height, width = image.shape[:2]
    return PhotoFiles(
        pixels_sha256=digest,
        size_px=(height, width),
        crop=crop_name,
        mask=mask_name,
        thumbnail=thumbnail,
    )


def _whole(candidate: Candidate, image: Image) -> Image:
    """The picture before it was cut, to show who else is in it."""
    if candidate.cut_xyxy_px is None:
        return image
    return read_image(changed_file(candidate.source.path, candidate.turned_deg))


def _write_thumbnail(path: Path, image: Image) -> None:
    with atomic_write(path) as temporary:
        PillowImage.fromarray(shrink(image, THUMBNAIL_SIDE_PX)).save(
            temporary, format="WEBP", quality=78, method=4
        )


def write_vectors(folder: Path, vectors: Mapping[str, FloatArray], faces: FaceVendor) -> str:
    """Write unit vectors by their pixels' digest, and give the name of the file.

    Raises:
        OutputError: The folder cannot be written.
    """
    known = {name: np.ascontiguousarray(vectors[name]) for name in sorted(vectors)}
    # One entry alone: safetensors writes several in any order, and the digest is the name.
    content = save(known, {"encoder": f"{faces.name}@{faces.digest}"})
    name = f"{_EMBEDDINGS}/{hashlib.sha256(content).hexdigest()[:16]}.safetensors"
    if not (folder / name).is_file():
        write_bytes(folder / name, content)
    return name
