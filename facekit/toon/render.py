"""The renderer: a scene becomes pixels, and the exact truth about every face in them."""

import dataclasses
import functools

import cv2
import numpy as np

from facekit.toon.head import SHIFT_BITS, HeadPainter
from facekit.toon.places import paint_place
from facekit.toon.scene import Scene

__all__ = ["SUPERSAMPLING", "Drawing", "TruthFace", "draw"]

SUPERSAMPLING = 2
"""The canvas is this many times larger than the picture and is averaged down."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class TruthFace:
    """What is known of one drawn face.

    Attributes:
        box_xyxy_px: float32 (4,), hairline to chin, cheek to cheek; may reach beyond the picture.
        landmarks_px: float32 (5, 2): left eye, right eye, nose tip, left and right mouth corner, as
            seen.
        mask: float32 (H, W) in [0, 1]; 1 on the skin and features of the face, 0 on hair and
            elsewhere.
        character_seed: Whose face it is.
    """

    box_xyxy_px: np.ndarray
    landmarks_px: np.ndarray
    mask: np.ndarray
    character_seed: int


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Drawing:
    """A picture (uint8, H x W x 3, RGB) with the truth about its faces, from left to right."""

    image: np.ndarray
    faces: tuple[TruthFace, ...]


def draw(scene: Scene, *, with_masks: bool = True) -> Drawing:
    """Draw a scene; equal scenes give equal pixels.

    Args:
        scene: What to draw.
        with_masks: Leave the masks empty (shape (0, 0)) when they are not needed.
    """
    height, width = scene.height, scene.width
    canvas = np.empty((height * SUPERSAMPLING, width * SUPERSAMPLING, 3), np.uint8)
    paint_place(canvas, scene.place, scene.place_seed)
    painters = [HeadPainter(canvas, figure) for figure in scene.figures]
    for painter in painters:
        painter.paint()
    image = cv2.resize(canvas, (width, height), interpolation=cv2.INTER_AREA)
    image = np.clip(
        image * _light_map(scene.light, scene.light_from_left, height, width), 0, 255
    ).astype(np.uint8)
    faces = tuple(
        TruthFace(
            box_xyxy_px=painter.box_xyxy() / SUPERSAMPLING,
            landmarks_px=((painter.landmarks_px + 0.5) / SUPERSAMPLING - 0.5).astype(np.float32),
            mask=_mask(painter, height, width) if with_masks else np.zeros((0, 0), np.float32),
            character_seed=figure.character.seed,
        )
        for painter, figure in zip(painters, scene.figures, strict=True)
    )
    return Drawing(image=image, faces=faces)


def _mask(painter: HeadPainter, height: int, width: int) -> np.ndarray:
    canvas = np.zeros((height * SUPERSAMPLING, width * SUPERSAMPLING), np.uint8)
    outline = np.round(painter.contour_px * (1 << SHIFT_BITS)).astype(np.int32)
    cv2.fillPoly(canvas, [outline], [255.0], cv2.LINE_AA, SHIFT_BITS)
    painter.paint_front_hair(canvas, [0.0])
    return (cv2.resize(canvas, (width, height), interpolation=cv2.INTER_AREA) / 255.0).astype(
        np.float32
    )


@functools.lru_cache(maxsize=64)
def _light_map(light: str, from_left: bool, height: int, width: int) -> np.ndarray:
    across = np.linspace(1.0, 0.0, width) if from_left else np.linspace(0.0, 1.0, width)
    side, tint = {
        "soft light": (0.06, (1.0, 1.0, 1.0)),
        "side light": (0.42, (1.08, 1.06, 1.04)),
        "warm light": (0.16, (1.06, 0.90, 0.72)),
        "night light": (0.22, (0.60, 0.66, 0.88)),
    }[light]
    shade = (1.0 - side) + side * across
    grid = np.broadcast_to(shade[None, :, None], (height, width, 3)) * np.array(tint)
    return np.ascontiguousarray(grid, dtype=np.float32)
