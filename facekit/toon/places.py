"""Places: flat backgrounds with a few seeded shapes; no face is ever part of one."""

from collections.abc import Callable

import cv2
import numpy as np

__all__ = ["Color", "Painter", "paint_place"]

Color = tuple[float, float, float]
Painter = Callable[[np.ndarray, np.random.Generator], None]


def paint_place(canvas: np.ndarray, place: str, seed: int) -> None:
    """Fill an RGB uint8 canvas with a place, to its size; equal seeds give equal pixels."""
    _PAINTERS[place](canvas, np.random.default_rng([seed, 0xB6]))


def _vary(rng: np.random.Generator, color: Color, amount: float = 12.0) -> Color:
    jitter = rng.uniform(-amount, amount, 3)
    red, green, blue = (
        float(np.clip(channel + j, 0, 255)) for channel, j in zip(color, jitter, strict=True)
    )
    return (red, green, blue)


def _box(canvas: np.ndarray, x0: float, y0: float, x1: float, y1: float, color: Color) -> None:
    height, width = canvas.shape[:2]
    start, end = (round(x0 * width), round(y0 * height)), (round(x1 * width), round(y1 * height))
    cv2.rectangle(canvas, start, end, color, -1)


def _polygon(canvas: np.ndarray, points: list[tuple[float, float]], color: Color) -> None:
    scale = np.array([canvas.shape[1], canvas.shape[0]], np.float32)
    cv2.fillPoly(
        canvas,
        [np.round(np.array(points, np.float32) * scale).astype(np.int32)],
        color,
        cv2.LINE_AA,
    )


def _disc(canvas: np.ndarray, x: float, y: float, radius: float, color: Color) -> None:
    height, width = canvas.shape[:2]
    cv2.circle(
        canvas,
        (round(x * width), round(y * height)),
        round(radius * min(height, width)),
        color,
        -1,
        cv2.LINE_AA,
    )


def _kitchen(canvas: np.ndarray, rng: np.random.Generator) -> None:
    canvas[:] = _vary(rng, (238, 214, 160))
    _box(canvas, 0, 0.66, 1, 1, _vary(rng, (176, 110, 62)))
    shift = rng.uniform(-0.12, 0.12)
    _box(canvas, 0.06 + shift, 0.08, 0.34 + shift, 0.38, (250, 250, 246))
    _box(canvas, 0.085 + shift, 0.11, 0.315 + shift, 0.35, _vary(rng, (150, 205, 240)))
    _box(canvas, 0.66 + shift, 0.0, 1.0, 0.3, _vary(rng, (196, 120, 66)))
    _box(canvas, 0.82 + shift, 0.0, 0.835 + shift, 0.3, (130, 74, 40))


def _park(canvas: np.ndarray, rng: np.random.Generator) -> None:
    canvas[:] = _vary(rng, (150, 212, 246))
    _box(canvas, 0, 0.62, 1, 1, _vary(rng, (110, 186, 78)))
    for x in (rng.uniform(0.0, 0.25), rng.uniform(0.75, 1.0)):
        _box(canvas, x - 0.025, 0.42, x + 0.025, 0.7, (120, 80, 46))
        _disc(canvas, x, 0.32, rng.uniform(0.14, 0.19), _vary(rng, (60, 140, 56)))


def _beach(canvas: np.ndarray, rng: np.random.Generator) -> None:
    canvas[:] = _vary(rng, (140, 216, 250))
    _box(canvas, 0, 0.46, 1, 0.68, _vary(rng, (40, 134, 196)))
    _box(canvas, 0, 0.68, 1, 1, _vary(rng, (244, 222, 160)))
    _disc(canvas, rng.uniform(0.1, 0.9), rng.uniform(0.1, 0.22), 0.085, (255, 244, 150))


def _office(canvas: np.ndarray, rng: np.random.Generator) -> None:
    canvas[:] = _vary(rng, (196, 202, 210), 8)
    _box(canvas, 0, 0.74, 1, 1, _vary(rng, (112, 120, 134)))
    shift = rng.uniform(-0.05, 0.05)
    for x in (0.04, 0.37, 0.7):
        _box(canvas, x + shift, 0.08, x + 0.26 + shift, 0.44, _vary(rng, (110, 160, 206), 8))


def _street(canvas: np.ndarray, rng: np.random.Generator) -> None:
    canvas[:] = _vary(rng, (216, 228, 238))
    x = rng.uniform(-0.15, 0.0)
    for color in ((186, 96, 80), (206, 176, 130), (150, 106, 96), (190, 130, 100)):
        wide = rng.uniform(0.24, 0.34)
        _box(canvas, x, rng.uniform(0.1, 0.3), x + wide, 0.75, _vary(rng, color))
        x += wide
    _box(canvas, 0, 0.72, 1, 1, _vary(rng, (92, 92, 98)))
    _box(canvas, 0, 0.84, 1, 0.87, (230, 220, 140))


def _bedroom(canvas: np.ndarray, rng: np.random.Generator) -> None:
    canvas[:] = _vary(rng, (196, 160, 214))
    _box(canvas, 0, 0.72, 1, 1, _vary(rng, (120, 84, 120)))
    x = rng.uniform(0.02, 0.12)
    _box(canvas, x, 0.5, x + 0.86, 0.82, _vary(rng, (236, 120, 150)))
    x = rng.uniform(0.62, 0.74)
    _box(canvas, x, 0.08, x + 0.22, 0.32, (250, 240, 220))
    _box(canvas, x + 0.03, 0.11, x + 0.19, 0.29, _vary(rng, (120, 170, 150)))


def _forest(canvas: np.ndarray, rng: np.random.Generator) -> None:
    canvas[:] = _vary(rng, (62, 110, 76))
    _box(canvas, 0, 0.7, 1, 1, _vary(rng, (52, 76, 40)))
    for x in (0.06, 0.3, 0.7, 0.94):
        x += rng.uniform(-0.07, 0.07)
        _box(canvas, x - 0.04, 0, x + 0.04, 0.78, _vary(rng, (74, 52, 40), 8))


def _desert(canvas: np.ndarray, rng: np.random.Generator) -> None:
    canvas[:] = _vary(rng, (250, 200, 140))
    peak = rng.uniform(0.2, 0.8)
    _polygon(
        canvas,
        [(peak - 0.4, 0.66), (peak, rng.uniform(0.3, 0.42)), (peak + 0.4, 0.66)],
        _vary(rng, (190, 100, 70)),
    )
    _box(canvas, 0, 0.64, 1, 1, _vary(rng, (226, 156, 84)))


_PAINTERS: dict[str, Painter] = {
    "kitchen": _kitchen,
    "park": _park,
    "beach": _beach,
    "office": _office,
    "street": _street,
    "bedroom": _bedroom,
    "forest": _forest,
    "desert": _desert,
}
