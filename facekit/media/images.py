"""Photos: any ordinary file to RGB, or a MediaError that says why not."""

import hashlib
import io
import struct
import threading
import warnings
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from PIL import Image as PillowImage
from PIL import ImageCms, ImageOps, UnidentifiedImageError

from facekit.errors import MediaError, UsageError
from facekit.media.files import atomic_write
from facekit.media.kinds import HEIF_SUFFIXES, RAW_SUFFIXES, is_heif, is_video
from facekit.types import Image

__all__ = [
    "MAX_PIXELS",
    "MAX_SIDE_PX",
    "Picture",
    "decode_picture",
    "pixel_digest",
    "read_image",
    "read_picture",
    "shrink_to_limit",
    "write_image",
]

MAX_PIXELS: Final = 120_000_000
"""More than any camera's usual picture (108 megapixels); decoding it takes under 1 GB."""

MAX_SIDE_PX: Final = 2048
"""A larger picture is made smaller: no backbone takes more, and faces are found far below it."""

_WHITE: Final = (255, 255, 255, 255)
_BROKEN = (OSError, SyntaxError, ValueError, EOFError, struct.error, MemoryError)
_ALWAYS_FIRST_FRAME: Final = frozenset({"HEIF", "MPO"})  # phones put a second picture into one file
_LARGE_PIXELS: Final = 40_000_000
_one_large = threading.Lock()
"""Held while a picture above that is decoded, so that threads never hold several of them."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Picture:
    """A photo as it was read."""

    image: Image
    """uint8, (height, width, 3), upright, sRGB."""
    remarks: tuple[str, ...] = ()
    """What could not be taken as it was meant, a sentence each."""


def read_image(path: Path | str) -> Image:
    """Read a photo as upright sRGB.

    The EXIF orientation is applied; CMYK, grey, 16-bit, palette and ICC-tagged pictures are
    converted; transparent parts become white; a side above `MAX_SIDE_PX` is made smaller.

    Returns:
        uint8, (height, width, 3), RGB.

    Raises:
        MediaError: Missing, empty, truncated, not a picture, raw, animated, a video, larger than
            `MAX_PIXELS`, or HEIC without the extra `heic`.
    """
    return read_picture(path).image


def read_picture(path: Path | str) -> Picture:
    """Read a photo as `read_image` does, and tell what could not be taken as it was meant.

    Raises:
        MediaError: As for `read_image`.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # size and metadata warnings: checked here instead
        return decode_picture(path)


def decode_picture(path: Path | str) -> Picture:
    """Read a photo as `read_picture` does, with Pillow's warnings; safe in several threads.

    Raises:
        MediaError: As for `read_image`.
    """
    path = Path(path)
    _require_content(path)
    try:
        with PillowImage.open(path) as picture:
            _require_photo(path, picture)
            width, height = picture.size
            with _one_large if width * height > _LARGE_PIXELS else nullcontext():
                rgb, remarks = _to_rgb(path, picture)
            return Picture(image=np.array(rgb, dtype=np.uint8), remarks=remarks)
    except PillowImage.DecompressionBombError as error:
        raise _too_large(path, "too many pixels") from error
    except UnidentifiedImageError as error:
        raise MediaError(
            f"{path}: not a picture that can be decoded; save it as 8-bit PNG or JPEG"
        ) from error
    except _BROKEN as error:
        raise MediaError(
            f"{path}: damaged or cut off ({error}); copy it again from the camera"
        ) from error


def shrink_to_limit(image: Image) -> Image:
    """Make a picture smaller where a side is above `MAX_SIDE_PX`, as `read_image` does."""
    if max(image.shape[:2]) <= MAX_SIDE_PX:
        return image
    picture = PillowImage.fromarray(image)
    picture.thumbnail((MAX_SIDE_PX, MAX_SIDE_PX), PillowImage.Resampling.BOX)
    return np.asarray(picture)


def pixel_digest(image: Image) -> str:
    """Return the sha256 (hex) of a picture's size and pixels, whatever its file is called."""
    shape = str(image.shape).encode()
    return hashlib.sha256(shape + np.ascontiguousarray(image).tobytes()).hexdigest()


def write_image(path: Path | str, image: Image) -> None:
    """Write a picture whole or not at all; the suffix decides the format.

    Args:
        path: Ends in .png (exact), .jpg, .jpeg or .webp.
        image: uint8, (height, width, 3), RGB.

    Raises:
        UsageError: The suffix is not one of these.
        OutputError: It cannot be written.
    """
    path = Path(path)
    formats = {".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG", ".webp": "WEBP"}
    chosen = formats.get(path.suffix.lower())
    if chosen is None:
        raise UsageError(f"{path}: cannot write {path.suffix or 'without a suffix'}; use .png")
    options = {"quality": 95, "subsampling": 0} if chosen == "JPEG" else {}
    with atomic_write(path) as temporary:
        PillowImage.fromarray(image, "RGB").save(temporary, format=chosen, **options)


def _require_content(path: Path) -> None:
    if path.is_dir():
        raise MediaError(f"{path}: a folder, expected a picture; name the files in it")
    try:
        with path.open("rb") as stream:
            head = stream.read(64)
    except FileNotFoundError as error:
        raise MediaError(f"{path}: no such file; check the spelling of the path") from error
    except OSError as error:
        raise MediaError(
            f"{path}: cannot be read ({error.strerror}); check the file's permissions"
        ) from error
    if not head:
        raise MediaError(f"{path}: empty (0 bytes); copy it again from the camera")
    suffix = path.suffix.lower()
    if (is_heif(head) and b"avif" not in head) or suffix in HEIF_SUFFIXES:
        _open_heif(path)
    if suffix in RAW_SUFFIXES:  # as a TIFF it would give its thumbnail
        raise MediaError(
            f"{path}: a camera's raw file, which is not read; convert it to JPEG or PNG"
        )
    if is_video(head):
        raise MediaError(f"{path}: a video, expected a photo; save single frames as PNG")


def _open_heif(path: Path) -> None:
    """Let Pillow read HEIC, which takes a library of its own."""
    try:
        import pillow_heif
    except ImportError as error:
        raise MediaError(
            f"{path}: HEIC, which is read with the extra heic alone, and that is not installed;"
            " pip install 'facekit[heic]', or convert the photo to JPEG or PNG"
        ) from error
    pillow_heif.register_heif_opener()


def _require_photo(path: Path, picture: PillowImage.Image) -> None:
    width, height = picture.size
    if width * height > MAX_PIXELS:
        raise _too_large(path, f"{width}x{height}")
    frames = int(getattr(picture, "n_frames", 1))
    if frames > 1 and picture.format not in _ALWAYS_FIRST_FRAME:
        what = "page" if picture.format == "TIFF" else "frame"
        raise MediaError(
            f"{path}: {frames} {what}s, expected a still photo; save one {what} as PNG"
        )


def _too_large(path: Path, got: str) -> MediaError:
    return MediaError(
        f"{path}: {got}, expected at most {MAX_PIXELS // 1_000_000} megapixels; make it smaller,"
        f" {MAX_SIDE_PX} px on the longer side is plenty"
    )


def _to_rgb(path: Path, picture: PillowImage.Image) -> tuple[PillowImage.Image, tuple[str, ...]]:
    if max(picture.size) > MAX_SIDE_PX:
        picture.draft(picture.mode, (MAX_SIDE_PX, MAX_SIDE_PX))  # a JPEG decodes small at once
    picture.load()
    picture = _to_eight_bits(path, picture)
    if picture.mode in ("P", "PA", "1"):  # indices can be neither averaged nor profiled
        picture = picture.convert("RGBA" if picture.has_transparency_data else "RGB")
    if max(picture.size) > MAX_SIDE_PX:
        picture.thumbnail((MAX_SIDE_PX, MAX_SIDE_PX), PillowImage.Resampling.BOX)
    picture = ImageOps.exif_transpose(picture)
    picture, remarks = _apply_profile(picture)
    if picture.has_transparency_data:
        picture = picture.convert("RGBA")
        white = PillowImage.new("RGBA", picture.size, _WHITE)
        picture = PillowImage.alpha_composite(white, picture)
    return picture.convert("RGB"), remarks


def _to_eight_bits(path: Path, picture: PillowImage.Image) -> PillowImage.Image:
    """Bring 16-bit grey down to 8; the mode decides, never the brightest pixel."""
    if picture.mode.startswith("I;16"):
        pixels = np.asarray(picture).astype(np.uint16)
    elif picture.mode == "I":
        wide = np.asarray(picture)
        if wide.min() < 0 or wide.max() > 0xFFFF:
            raise MediaError(f"{path}: 32-bit pixels; save it as 8-bit PNG or JPEG")
        pixels = wide.astype(np.uint16)
    elif picture.mode == "F":
        raise MediaError(f"{path}: floating-point pixels; save it as 8-bit PNG or JPEG")
    else:
        return picture
    grey = PillowImage.fromarray((pixels >> 8).astype(np.uint8), "L")
    grey.info = {k: v for k, v in picture.info.items() if k in ("exif", "icc_profile")}
    return grey


def _apply_profile(
    picture: PillowImage.Image,
) -> tuple[PillowImage.Image, tuple[str, ...]]:
    """Convert to sRGB by the embedded profile; one that does not fit is passed over and told."""
    content = picture.info.get("icc_profile")
    if not isinstance(content, bytes) or not content:
        return picture, ()
    alpha = picture.getchannel("A") if picture.mode in ("RGBA", "LA") else None
    plain = picture if alpha is None else picture.convert(picture.mode[:-1])
    try:
        profile = ImageCms.ImageCmsProfile(io.BytesIO(content))
        if "srgb" in ImageCms.getProfileDescription(profile).lower():
            return picture, ()
        converted = ImageCms.profileToProfile(
            plain, profile, ImageCms.createProfile("sRGB"), outputMode="RGB"
        )
    except (ImageCms.PyCMSError, OSError):
        return picture, (
            "its colour profile is damaged or of another kind of picture, so its colours were"
            " taken as sRGB; save it as sRGB if they look wrong",
        )
    if converted is None:
        return picture, ()
    if alpha is not None:
        converted.putalpha(alpha)
    return converted, ()
