"""The embedded vendor: two face encoders for drawn faces, each with a detector of its own.

`toon-a` conditions and trains; `toon-b`, of another architecture and seed, only reports.

Shapes: B pictures, C channels, H height, W width, D embedding.
"""

import copy
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from facekit.errors import AlignmentError, WeightsMissing
from facekit.faces.align import (
    TEMPLATE_MARGIN,
    align_with,
    invert_transform,
    similarity_transform,
    template,
    transform_points,
)
from facekit.faces.protocols import PictureKind
from facekit.faces.toon_nets import (
    EMBEDDING_DIM,
    STRIDE,
    DetectorNet,
    EmbedderNet,
    RefinerNet,
)
from facekit.recipe import LEAST_DETECTION_SCORE
from facekit.resources import toon_dir
from facekit.types import Face, FaceCrop, Image
from facekit.weights import known_digest, load_nets, verify_once

__all__ = [
    "CROP_SIZE_PX",
    "TOON_NAMES",
    "ToonFaces",
    "decode_detections",
    "load_toon_faces",
]

TOON_NAMES = ("toon-a", "toon-b")
CROP_SIZE_PX = 64
_MAX_OVERLAP = 0.35


class ToonFaces:
    """Detector and encoder for drawn faces; both `FaceDetector` and `IdentityEncoder`."""

    licence = "Apache-2.0"
    min_same_person = 0.35
    max_covered_gain = 0.08
    made_for: PictureKind | None = "drawing"
    dim = EMBEDDING_DIM
    crop_size_px = CROP_SIZE_PX
    crop_margin = TEMPLATE_MARGIN

    def __init__(
        self,
        name: str,
        detector: DetectorNet,
        refiner: RefinerNet,
        embedder: EmbedderNet,
        digest: str,
    ) -> None:
        """Hold three nets in evaluation mode; `load_toon_faces` reads the shipped ones."""
        self.name = name
        self.digest = digest
        self._detector = detector.eval().requires_grad_(False)
        self._refiner = refiner.eval().requires_grad_(False)
        self._embedder = embedder.eval().requires_grad_(False)
        self._device = next(embedder.parameters()).device

    def to(self, device: torch.device) -> "ToonFaces":
        """Return the same nets on a device; vectors stay the same up to rounding."""
        if device == self._device:
            return self
        return ToonFaces(
            self.name,
            copy.deepcopy(self._detector).to(device),
            copy.deepcopy(self._refiner).to(device),
            copy.deepcopy(self._embedder).to(device),
            self.digest,
        )

    @torch.no_grad()
    def detect(self, images: Sequence[Image]) -> list[tuple[Face, ...]]:
        """Find the faces of every picture, largest first; those of one size go together."""
        found: list[tuple[Face, ...]] = [() for _ in images]
        by_size: dict[tuple[int, ...], list[int]] = {}
        for index, image in enumerate(images):
            by_size.setdefault(image.shape, []).append(index)
        for indices in by_size.values():
            for start in range(0, len(indices), 32):
                chunk = indices[start : start + 32]
                pixels, scale = _prepare([images[i] for i in chunk])
                maps = self._detector(pixels.to(self._device)).cpu()
                for index, faces in zip(chunk, decode_detections(maps), strict=True):
                    height, width = images[index].shape[:2]
                    rescaled = (_rescale(face, scale) for face in faces)
                    inside = [f for f in rescaled if _center_inside(f, height, width)]
                    refined = [self._refine(images[index], face) for face in inside]
                    found[index] = tuple(sorted(refined, key=_area, reverse=True))
        return found

    def _refine(self, image: Image, face: Face) -> Face:
        """Correct the landmarks twice, each time inside a crop that the last ones aligned."""
        points = face.landmarks_px
        goal = template(CROP_SIZE_PX, TEMPLATE_MARGIN)
        for _ in range(2):
            try:
                transform = similarity_transform(points, CROP_SIZE_PX, TEMPLATE_MARGIN)
            except AlignmentError:
                return face
            crop = torch.from_numpy(align_with(image, transform, CROP_SIZE_PX)).permute(2, 0, 1)[
                None
            ]
            pixels = (crop.float() / 127.5 - 1.0).to(self._device)
            tenths = self._refiner(pixels)[0].float().cpu().numpy()
            offsets = tenths * (CROP_SIZE_PX / 10.0)
            points = transform_points(goal + offsets, invert_transform(transform))
        return Face(box_xyxy_px=face.box_xyxy_px, landmarks_px=points, score=face.score)

    @torch.no_grad()
    def encode(self, crops: Sequence[FaceCrop]) -> NDArray[np.float32]:
        """Return one unit vector per crop, shape (N, 128)."""
        if not crops:
            return np.zeros((0, EMBEDDING_DIM), np.float32)
        pixels = (
            torch.from_numpy(np.stack([crop.pixels for crop in crops])).permute(0, 3, 1, 2).float()
            / 127.5
            - 1.0
        )
        parts = torch.split(pixels, 256)
        vectors = torch.cat([self._embedder(part.to(self._device)).cpu() for part in parts])
        return np.asarray(vectors.numpy(), dtype=np.float32)

    def embedder_state(self) -> dict[str, Tensor]:
        """Return the embedder's weights by name."""
        return self._embedder.state_dict()

    def embed(self, pixels_BCHW: Tensor) -> Tensor:
        """Return unit vectors (B, 128) with gradients to the pixels, which are crops in [-1, 1]."""
        vectors: Tensor = self._embedder(pixels_BCHW)
        return vectors


def load_toon_faces(name: str, weights_dir: Path | None = None) -> ToonFaces:
    """Load one of the two shipped encoders.

    Args:
        name: "toon-a" or "toon-b".
        weights_dir: Another folder with `<name>.safetensors`.

    Raises:
        WeightsMissing: The name or its file does not exist.
        ChecksumMismatch: The file is not the recorded one, is damaged or holds other tensors.
    """
    if name not in TOON_NAMES:
        raise WeightsMissing(
            f"{name}: no such drawn-face encoder, expected one of {', '.join(TOON_NAMES)};"
            " correct the name"
        )
    folder = weights_dir or toon_dir()
    path = folder / f"{name}.safetensors"
    verify_once(folder, below=path.name)
    detector, refiner, embedder = DetectorNet(name), RefinerNet(name), EmbedderNet(name)
    load_nets(path, {"detector.": detector, "refiner.": refiner, "embedder.": embedder})
    return ToonFaces(name, detector, refiner, embedder, known_digest(path))


def decode_detections(
    maps_BCHW: Tensor, *, min_score: float = LEAST_DETECTION_SCORE, max_faces: int = 8
) -> list[tuple[Face, ...]]:
    """Read faces from the detector's maps: score maxima, averaged over their neighbours."""
    scores = maps_BCHW[:, 0].float().sigmoid()
    peaks = (F.max_pool2d(scores[:, None], 3, stride=1, padding=1)[:, 0] == scores) & (
        scores >= min_score
    )
    results = []
    for index in range(len(maps_BCHW)):
        rows, columns = (t.tolist() for t in torch.nonzero(peaks[index], as_tuple=True))
        faces = [
            _read_face(maps_BCHW[index], scores[index], y, x)
            for y, x in zip(rows, columns, strict=True)
        ]
        faces.sort(key=lambda face: face.score, reverse=True)
        kept: list[Face] = []
        for face in faces[: 4 * max_faces]:
            if all(_overlap(face, other) < _MAX_OVERLAP for other in kept):
                kept.append(face)
        results.append(tuple(kept[:max_faces]))
    return results


def _read_face(maps_CHW: Tensor, scores_HW: Tensor, row: int, column: int) -> Face:
    height, width = scores_HW.shape
    rows = slice(max(0, row - 1), min(height, row + 2))
    columns = slice(max(0, column - 1), min(width, column + 2))
    weights = scores_HW[rows, columns] ** 2
    weights = weights / weights.sum()
    ys = (torch.arange(rows.start, rows.stop).float()[:, None] + 0.5) * STRIDE - 0.5
    xs = (torch.arange(columns.start, columns.stop).float()[None] + 0.5) * STRIDE - 0.5
    values = maps_CHW[1:, rows, columns].float()
    distances = values[:4].clamp(-4.0, 4.0).exp() * 16.0
    box = torch.stack([xs - distances[0], ys - distances[1], xs + distances[2], ys + distances[3]])
    half = (distances[1] + distances[3]) / 2.0
    points = values[4:].reshape(5, 2, *weights.shape) * half + torch.stack(
        [xs.expand_as(weights), ys.expand_as(weights)]
    )
    return Face(
        box_xyxy_px=(box * weights).sum((1, 2)).numpy().astype(np.float32),
        landmarks_px=(points * weights).sum((2, 3)).numpy().astype(np.float32),
        score=float(scores_HW[row, column]),
    )


def _prepare(images: Sequence[Image]) -> tuple[Tensor, float]:
    """Bring pictures of one size to a short side of at most 112 px, sides multiples of 16."""
    pixels = torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2).float() / 127.5 - 1.0
    height, width = pixels.shape[-2:]
    scale = min(1.0, 112.0 / min(height, width))
    if scale < 1.0:
        size = (round(height * scale), round(width * scale))
        pixels = F.interpolate(
            pixels, size=size, mode="bilinear", antialias=True, align_corners=False
        )
    height, width = pixels.shape[-2:]
    return F.pad(pixels, (0, -width % 16, 0, -height % 16), mode="replicate"), scale


def _rescale(face: Face, scale: float) -> Face:
    if scale == 1.0:
        return face
    box, points = (
        ((values + 0.5) / scale - 0.5).astype(np.float32)
        for values in (face.box_xyxy_px, face.landmarks_px)
    )
    return Face(box_xyxy_px=box, landmarks_px=points, score=face.score)


def _center_inside(face: Face, height: int, width: int) -> bool:
    x, y = (face.box_xyxy_px[:2] + face.box_xyxy_px[2:]) / 2.0
    return bool(0 <= x < width and 0 <= y < height)


def _area(face: Face) -> float:
    left, top, right, bottom = face.box_xyxy_px
    return float((right - left) * (bottom - top))


def _overlap(one: Face, other: Face) -> float:
    start = np.maximum(one.box_xyxy_px[:2], other.box_xyxy_px[:2])
    end = np.minimum(one.box_xyxy_px[2:], other.box_xyxy_px[2:])
    shared = float(np.prod(np.maximum(end - start, 0.0)))
    return shared / max(1e-6, min(_area(one), _area(other)))
