"""Pictures and clips as data URIs, for pages that must stand alone."""

import base64
import io

import numpy as np
from PIL import Image as Pillow

from facekit.types import Clip, Image

__all__ = [
    "WEBP_QUALITY",
    "clip_uri",
    "image_uri",
    "lossless_uri",
    "png_uri",
    "shrink",
    "webp_uri",
]

WEBP_QUALITY = 82
_WEBP = "data:image/webp;base64,"


def png_uri(content: bytes) -> str:
    """Wrap PNG bytes as a data URI."""
    return "data:image/png;base64," + base64.b64encode(content).decode("ascii")


def shrink(image: Image, max_side_px: int) -> Image:
    """Scale a picture down so that no side is longer; smaller pictures come back as they are."""
    height, width = image.shape[:2]
    scale = max_side_px / max(height, width)
    if scale >= 1.0:
        return image
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    return np.asarray(Pillow.fromarray(image).resize(size, Pillow.Resampling.LANCZOS))


def image_uri(image: Image, *, max_side_px: int = 512) -> str:
    """Return a picture as a lossless PNG data URI."""
    buffer = io.BytesIO()
    Pillow.fromarray(shrink(image, max_side_px)).save(buffer, format="PNG", optimize=True)
    return png_uri(buffer.getvalue())


def webp_uri(image: Image, *, max_side_px: int = 512, quality: int = WEBP_QUALITY) -> str:
    """Return a picture as a WebP data URI, a tenth of the size of a PNG and not exact."""
    return _webp_uri(Pillow.fromarray(shrink(image, max_side_px)), quality=quality)


def lossless_uri(png: bytes) -> str:
    """Return PNG bytes as an exact WebP data URI, a half or a third as long."""
    with Pillow.open(io.BytesIO(png)) as picture:
        return _webp_uri(picture.convert("RGB"), lossless=True)


def clip_uri(clip: Clip, *, max_side_px: int = 320, quality: int = WEBP_QUALITY) -> str:
    """Return a clip as an animated WebP data URI that plays for ever, at the clip's own speed."""
    frames = [Pillow.fromarray(shrink(frame, max_side_px)) for frame in clip.frames]
    buffer = io.BytesIO()
    frames[0].save(
        buffer,
        format="WEBP",
        save_all=True,
        append_images=frames[1:],
        duration=max(1, round(1000 / clip.fps)),
        loop=0,
        quality=quality,
        method=4,
    )
    return _WEBP + base64.b64encode(buffer.getvalue()).decode("ascii")


def _webp_uri(picture: Pillow.Image, *, quality: int = 100, lossless: bool = False) -> str:
    buffer = io.BytesIO()
    picture.save(buffer, format="WEBP", quality=quality, lossless=lossless, method=4)
    return _WEBP + base64.b64encode(buffer.getvalue()).decode("ascii")
