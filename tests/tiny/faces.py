"""A face vendor in a few lines: a face is a coloured disc with dots, its colour is its identity.

Backgrounds are grey, so every coloured patch is a face; the darkest dot is the nose, and how far it
stands off the middle is the turn of the head.
"""

import hashlib
from collections.abc import Sequence

import cv2
import numpy as np
import torch
from torch import Tensor

from facekit.faces.align import TEMPLATE_MARGIN, template
from facekit.faces.protocols import PictureKind
from facekit.types import Face, FaceCrop, Image

RED, GREEN, BLUE = (220, 90, 80), (90, 200, 90), (80, 110, 220)
_COLOURED = 15
_MARKS = template(100, 0.0) / 100.0


def draw_photo(
    colour: tuple[int, int, int] | None = RED,
    *,
    seed: int = 0,
    size: tuple[int, int] = (96, 96),
    centre: tuple[float, float] = (0.5, 0.5),
    diameter_px: int = 44,
    turn: float = 0.0,
    light: float = 1.0,
    canvas: Image | None = None,
) -> Image:
    """Draw one face (or none) before a grey background; ``turn`` in -1..1 moves the nose."""
    height, width = size
    if canvas is None:
        rng = np.random.default_rng(seed)
        coarse = rng.integers(60, 200, (5, 5), dtype=np.uint8)
        grey = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)
        canvas = np.repeat(grey[..., None], 3, axis=2)
    image = canvas.copy()
    if colour is None:
        return image
    middle = np.array([centre[0] * width, centre[1] * height])
    radius = diameter_px / 2
    cv2.circle(image, _fixed(middle), round(radius * 16), colour, -1, cv2.LINE_AA, 4)
    marks = middle + (_MARKS - 0.5) * diameter_px
    marks[2, 0] += turn * diameter_px * 0.25
    for index, mark in enumerate(marks):
        shade = 0.0 if index == 2 else 0.55
        dot = tuple(int(value * shade) for value in colour)
        cv2.circle(image, _fixed(mark), round(diameter_px * 0.9), dot, -1, cv2.LINE_AA, 4)
    return np.clip(image * light, 0, 255).astype(np.uint8)


class DiscFaces:
    """Detector and encoder of these faces."""

    name = "discs"
    dim = 4
    digest = hashlib.sha256(b"discs").hexdigest()
    licence = "Apache-2.0"
    min_same_person = 0.35
    max_covered_gain = 0.1
    made_for: PictureKind | None = None
    crop_size_px = 32
    crop_margin = TEMPLATE_MARGIN

    def to(self, device: torch.device) -> "DiscFaces":
        return self

    def detect(self, images: Sequence[Image]) -> list[tuple[Face, ...]]:
        return [self._detect(image) for image in images]

    def encode(self, crops: Sequence[FaceCrop]) -> np.ndarray:
        if not crops:
            return np.zeros((0, self.dim), np.float32)
        pixels = torch.from_numpy(np.stack([crop.pixels for crop in crops])).permute(0, 3, 1, 2)
        return self.embed(pixels.float() / 127.5 - 1.0).numpy().astype(np.float32)

    def embed(self, pixels_BCHW: Tensor) -> Tensor:
        colour = (pixels_BCHW[:, :, 10:24, 10:24].mean((2, 3)) + 1.0) / 2.0
        chroma = colour - colour.mean(1, keepdim=True)
        chroma = chroma / chroma.norm(dim=1, keepdim=True).clamp_min(1e-3)
        constant = torch.full_like(colour[:, :1], 0.2)
        return torch.nn.functional.normalize(torch.cat([chroma, constant], 1), dim=1)

    def _detect(self, image: Image) -> tuple[Face, ...]:
        wide = image.astype(np.int16)
        coloured = ((wide.max(2) - wide.min(2)) > _COLOURED).astype(np.uint8)
        coloured = cv2.morphologyEx(coloured, cv2.MORPH_CLOSE, np.ones((9, 9), np.uint8))
        count, labels, stats, _ = cv2.connectedComponentsWithStats(coloured)
        faces = []
        for label in range(1, count):
            x, y, width, height, area = (int(value) for value in stats[label])
            if min(width, height) < 6:
                continue
            dark = np.where(labels == label, wide.max(2), 999)
            rows, columns = np.nonzero(dark <= dark.min() + 8)
            marks = np.array([x, y]) + _MARKS * np.array([width, height]) - 0.5
            marks[2] = [columns.mean(), rows.mean()]
            faces.append(
                Face(
                    box_xyxy_px=np.array([x, y, x + width, y + height], np.float32),
                    landmarks_px=marks.astype(np.float32),
                    score=min(0.99, area / (width * height) + 0.15),
                )
            )
        return tuple(sorted(faces, key=lambda f: f.width_px * f.height_px, reverse=True))


def _fixed(point: np.ndarray) -> tuple[int, int]:
    return round(float(point[0]) * 16), round(float(point[1]) * 16)
