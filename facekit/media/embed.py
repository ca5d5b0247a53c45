"""Pictures and clips as data URIs, for pages that must stand alone."""

import base64
import io

import numpy as np
from PIL import Image as Pillow

from facekit.types import Clip, Image

__all__ = ["WEBP_QUALITY", "clip_uri", "image_uri", "png_uri", "shrink"]

WEBP_QUALITY = 82


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


def clip_uri(clip: Clip, *, max_side_px: int = 320) -> str:
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
        quality=WEBP_QUALITY,
        method=4,
    )
    return "data:image/webp;base64," + base64.b64encode(buffer.getvalue()).decode("ascii")
