"""Hair as outlines in head units, by its style and the shape of the head."""

import numpy as np

from facekit.toon.head_shape import HeadShape

__all__ = ["ARC", "UNIT_CIRCLE", "back_hair", "front_hair"]

_CIRCLE = np.linspace(0.0, 2.0 * np.pi, 14, endpoint=False)
UNIT_CIRCLE = np.stack([np.cos(_CIRCLE), np.sin(_CIRCLE)], axis=1)
ARC = np.linspace(-1.0, 1.0, 7)
"""Positions from -1 to 1 along a curved line."""

_FRONT = {  # height of the fringe's line, lowest point at the sides
    "short": (-0.60, -0.28),
    "long": (-0.62, 0.10),
    "curly": (-0.58, -0.15),
    "bun": (-0.66, -0.30),
    "bob": (-0.50, 0.20),
    "spiky": (-0.62, -0.35),
}


def back_hair(style: str, shape: HeadShape) -> list[tuple[np.ndarray, float]]:
    """Return the outlines (N, 2) of the hair behind the head, each with its brightness."""
    if style in ("long", "bob"):
        low = 1.75 if style == "long" else 0.72
        w = shape.width * 1.24
        angles = np.pi * (1 + (ARC + 1) / 2)
        top = np.stack([np.cos(angles) * w, np.sin(angles) * 1.14 * shape.height], axis=1)
        ends = [[w * 1.04, low * 0.6], [w * 0.95, low], [-w * 0.95, low], [-w * 1.04, low * 0.6]]
        return [(np.concatenate([top, np.array(ends)]), 0.85)]
    if style == "bun":
        return [(np.array([0.0, -1.2 * shape.height]) + UNIT_CIRCLE * 0.36, 0.9)]
    if style == "curly":
        curls = []
        for angle in np.linspace(np.pi * 0.95, np.pi * 2.05, 9):
            center = np.array(
                [np.cos(angle) * shape.width * 1.02, np.sin(angle) * 0.98 * shape.height + 0.02]
            )
            curls.append((center + UNIT_CIRCLE * 0.32, 0.95))
        return curls
    if style == "spiky":
        angles = np.linspace(np.pi, 2 * np.pi, 15)
        radius = np.where(np.arange(15) % 2 == 1, 1.42, 1.0)
        x, y = np.cos(angles) * shape.width * radius, np.sin(angles) * shape.height * radius
        return [(np.stack([x, y], axis=1), 1.0)]
    if style == "mohawk":
        comb = [[-0.2, -0.8], [-0.24, -1.35], [0.0, -1.5], [0.24, -1.35], [0.2, -0.8]]
        return [(np.array(comb) * np.array([1, shape.height]), 1.0)]
    return []


def front_hair(style: str, shape: HeadShape) -> np.ndarray | None:
    """Return the outline (N, 2) of the hair that covers the forehead, None for a bald head."""
    if style == "bald":
        return None
    if style == "mohawk":
        comb = np.array([[-0.16, -0.62], [-0.2, -1.05], [0.2, -1.05], [0.16, -0.62]])
        outline: np.ndarray = comb * np.array([1, shape.height])
        return outline
    line, sides = _FRONT[style]
    angles = np.pi * (1 + (ARC + 1) / 2)
    w = shape.width * 1.07
    top = np.stack([np.cos(angles) * w, np.sin(angles) * 1.07 * shape.height], axis=1)
    rise = line * shape.height + 0.22 * ARC**2 * (0.2 if style == "bob" else 1.0)
    fringe = np.stack([ARC[::-1] * w * 0.9, rise], axis=1)
    return np.concatenate([top, [[w, sides]], fringe, [[-w, sides]]])
