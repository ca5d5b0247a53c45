"""How pictures are cut and scaled: windows in whole pixels, and faces moved with them."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch

from facekit.types import Face, FloatArray, Image

__all__ = [
    "Window",
    "cut_face",
    "cut_pixels",
    "nearest_size",
    "rounded",
    "scaled",
    "widest_window",
    "window_around",
]

Window = tuple[float, float, float, float]
"""Left, top, right, bottom, in pixels of the picture."""


def nearest_size(sizes: Sequence[tuple[int, int]], aspect: float) -> tuple[int, int]:
    """Of sizes (height, width) the one whose width over height is nearest to this."""
    return min(sizes, key=lambda size: abs(np.log(size[1] / size[0]) - np.log(aspect)))


def widest_window(size_px: tuple[int, int], box_xyxy_px: FloatArray, aspect: float) -> Window:
    """The largest window of an aspect, as near to the middle of the face as it can be."""
    height, width = size_px
    if width / height > aspect:
        return window_around(size_px, box_xyxy_px, (float(height), height * aspect))
    return window_around(size_px, box_xyxy_px, (width / aspect, float(width)))


def window_around(
    size_px: tuple[int, int], box_xyxy_px: FloatArray, wanted: tuple[float, float]
) -> Window:
    """A window of this height and width inside the picture, as near to the face as it can be."""
    full_height, full_width = size_px
    height, width = min(wanted[0], full_height), min(wanted[1], full_width)
    x0, y0, x1, y1 = (float(v) for v in box_xyxy_px)
    left = float(np.clip((x0 + x1 - width) / 2, 0.0, full_width - width))
    top = float(np.clip((y0 + y1 - height) / 2, 0.0, full_height - height))
    return left, top, left + width, top + height


def rounded(window: Window) -> tuple[int, int, int, int]:
    """The whole pixels that a window is cut at, at least one each way."""
    left, top = round(window[0]), round(window[1])
    return left, top, max(left + 1, round(window[2])), max(top + 1, round(window[3]))


def cut_pixels(image: Image, window: Window, size: tuple[int, int]) -> Image:
    """Cut a window out of a picture and scale it to (height, width)."""
    left, top, right, bottom = rounded(window)
    pixels = scaled(image[top:bottom, left:right], size).round().clamp(0, 255).to(torch.uint8)
    return np.ascontiguousarray(pixels.numpy())


def cut_face(face: Face, window: Window, size: tuple[int, int]) -> Face:
    """The same face in the coordinates of what `cut_pixels` gives."""
    left, top, right, bottom = rounded(window)
    scale = np.array([size[1] / (right - left), size[0] / (bottom - top)], dtype=np.float32)
    origin = np.array([left, top], dtype=np.float32)
    # Landmarks count pixel centres (0 is the middle of the first pixel), boxes count edges.
    marks = (face.landmarks_px - origin + 0.5) * scale - 0.5
    box = ((face.box_xyxy_px.reshape(2, 2) - origin) * scale).reshape(4)
    return Face(
        box_xyxy_px=box.astype(np.float32),
        landmarks_px=marks.astype(np.float32),
        score=face.score,
    )


def scaled(part: npt.NDArray[np.uint8], size: tuple[int, int]) -> torch.Tensor:
    """Scale (height, width, channels), 0 to 255, to another height and width; may overshoot."""
    pixels_BCHW = torch.from_numpy(np.ascontiguousarray(part)).permute(2, 0, 1)[None].float()
    if part.shape[:2] != size:
        pixels_BCHW = torch.nn.functional.interpolate(
            pixels_BCHW, size=size, mode="bicubic", antialias=True, align_corners=False
        )
    return pixels_BCHW[0].permute(1, 2, 0)
