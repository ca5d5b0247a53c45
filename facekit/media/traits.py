"""What can be told of a picture as a whole: drawn or photographed, framed by bars, posterised."""

from collections.abc import Mapping
from dataclasses import dataclass

import cv2
import numpy as np

from facekit.types import FloatArray, Image

__all__ = ["DRAWN_FLATNESS", "PictureTraits", "measure_picture"]

DRAWN_FLATNESS = 0.32
"""From this share of flat pixels around edges on, a picture is a drawing. Measured as medians of
sets: drawn ones have 0.75, and 0.39 as JPEG of quality 30; photographs 0.11, and at most 0.27 with
a smooth backdrop, a blurred background, noise removed, skin smoothed or as JPEG of quality 15."""

_LOOKED_AT_PX = 256
_FLAT = 1.0
"""Laplacian, in levels of 255, up to which a pixel is flat."""
_TILE_PX = 16
_EDGE = 15.0
"""Laplacian, in levels of 255, from which on a pixel belongs to an edge."""
_LEAST_EDGES = 0.03
"""Part of a tile that must be edges: backdrops and what is out of focus are flat in photographs."""
_SAME_LEVEL = 4.0
"""A line of a bar differs from the bar's colour by at most this."""
_LEAST_BAR = 0.75
"""Part of a line that has the bar's colour: icons and a clock may stand in the rest."""
_LEAST_EDGE = 0.55
"""Part of the line behind a bar that differs from it: the edge is straight and goes across."""
_MOST_BAR = 0.45
_GREY = 8.0
"""Channels of a grey differ by at most this."""
_FEW = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class PictureTraits:
    """Measurements of one picture."""

    flatness: float
    """Part of what lies around its edges that has no texture at all, 0..1."""
    border: float
    """Part of it that is bars: letterbox, a frame, or those of a telephone, 0..1."""
    posterised: float
    """Part of it that a few values of each colour channel make up, 0..1; 1 is posterised."""

    def to_json(self) -> Mapping[str, object]:
        """The measurements."""
        return {
            "flatness": round(self.flatness, 3),
            "border": round(self.border, 3),
            "posterised": round(self.posterised, 3),
        }


def measure_picture(image: Image) -> PictureTraits:
    """Measure a picture, RGB, upright or not."""
    border, (top, bottom, left, right) = _bars(image)
    inside = image[top : image.shape[0] - bottom, left : image.shape[1] - right]
    return PictureTraits(flatness=_flatness(inside), border=border, posterised=_posterised(inside))


def _flatness(image: Image) -> float:
    gray = _gray(image)
    scale = _LOOKED_AT_PX / max(gray.shape)
    if scale < 1.0:
        size = (max(1, round(gray.shape[1] * scale)), max(1, round(gray.shape[0] * scale)))
        gray = np.asarray(cv2.resize(gray, size, interpolation=cv2.INTER_AREA))
    waves = np.abs(cv2.Laplacian(gray, cv2.CV_32F))[1:-1, 1:-1]
    # burnt out or black areas are flat in a photograph as well
    exposed = ((gray > 8.0) & (gray < 247.0))[1:-1, 1:-1]
    if not waves.size or exposed.mean() < 0.05:
        return 0.0
    tiles, seen = _tiles(np.asarray(waves, np.float32)), _tiles(exposed.astype(np.float32)) > 0
    busy = (tiles > _EDGE).mean(axis=1) >= _LEAST_EDGES
    near_edges = tiles[busy][seen[busy]]
    return float((near_edges <= _FLAT).mean()) if near_edges.size else 0.0


def _tiles(values: FloatArray) -> FloatArray:
    """Whole squares of a picture, shape (N, side * side); what is left over is left out."""
    rows, columns = (side // _TILE_PX for side in values.shape)
    whole = values[: rows * _TILE_PX, : columns * _TILE_PX]
    squares = whole.reshape(rows, _TILE_PX, columns, _TILE_PX).transpose(0, 2, 1, 3)
    return squares.reshape(rows * columns, _TILE_PX * _TILE_PX)


def _posterised(image: Image) -> float:
    """The share of the `_FEW` most frequent values, of the channel where it is least."""
    image = np.ascontiguousarray(image)
    shares = []
    for channel in range(3):
        counts = cv2.calcHist([image], [channel], None, [256], [0, 256]).ravel()
        shares.append(np.sort(counts)[-_FEW:].sum() / max(counts.sum(), 1.0))
    return float(min(shares))


def _bars(image: Image) -> tuple[float, tuple[int, int, int, int]]:
    """The share of a picture that is bars, and how thick they are: top, bottom, left, right."""
    height, width = image.shape[:2]
    if min(height, width) < 16:
        return 0.0, (0, 0, 0, 0)
    top, bottom = _pair(image)
    left, right = _pair(image[top : height - bottom].transpose(1, 0, 2))
    inside = (height - top - bottom) * (width - left - right)
    return 1.0 - inside / (height * width), (top, bottom, left, right)


def _pair(lines: Image) -> tuple[int, int]:
    """The bars at both ends; one alone must be grey, for skies and floors are coloured."""
    first, last = _bar(lines), _bar(lines[::-1])
    if first and last:
        return first, last
    return first * _is_grey(lines[0]), last * _is_grey(lines[-1])


def _is_grey(line: Image) -> bool:
    return float(np.ptp(np.median(line, axis=0))) <= _GREY


def _bar(lines: Image) -> int:
    """How many lines from the first on are a bar of one colour that ends at once; 0 for none."""
    colour = np.median(lines[0], axis=0).astype(np.float32)
    if (np.abs(lines[0] - colour).max(axis=1) <= _SAME_LEVEL).mean() < 0.95:
        return 0  # nearly every picture, so that this must be quick
    lines = lines.astype(np.float32)
    same = np.abs(lines - colour).max(axis=2) <= _SAME_LEVEL
    share = same.mean(axis=1)
    others = np.flatnonzero(share < _LEAST_BAR)
    if not len(others) or others[0] < 2 or others[0] > _MOST_BAR * len(lines):
        return 0
    thick = int(others[0])
    # A soft edge may take a line or two.
    behind = lines[min(thick + 2, len(lines) - 1)]
    differs = np.abs(behind - colour).max(axis=1) > 2 * _SAME_LEVEL
    sharp = np.abs(lines[thick + 1] - lines[thick - 1]).max(axis=1) > 2 * _SAME_LEVEL
    return thick if min(differs.mean(), sharp.mean()) >= _LEAST_EDGE else 0


def _gray(image: Image) -> FloatArray:
    return np.asarray(cv2.cvtColor(np.ascontiguousarray(image), cv2.COLOR_RGB2GRAY), np.float32)
