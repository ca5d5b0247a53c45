"""The vendor of OpenCV: YuNet finds faces, SFace tells them apart; commercial use is allowed.

Both run on the CPU, which is all that OpenCV's packages can do; `embed` runs in torch.

Shapes: B pictures, C channels, H height, W width, D embedding.
"""

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from facekit.errors import WeightsError
from facekit.faces.align import ARCFACE_SIDE_PX
from facekit.faces.onnx_torch import OnnxNet, load_onnx
from facekit.faces.protocols import PictureKind
from facekit.recipe import LEAST_DETECTION_SCORE
from facekit.types import Face, FaceCrop, Image
from facekit.weights import catalogue_entry, known_digest, locate

__all__ = ["OpenCVFaces", "YuNetDetector", "load_opencv_faces", "load_yunet"]

# Longest sides that YuNet looks at. It is trained for faces of about 10 to 300 px, and each copy is
# small enough that what was too large before is within that.
# Source: README of opencv/opencv_zoo, models/face_detection_yunet.
_LONGEST_PX = (1280, 640, 320)
_LARGEST_FACE_PX = 300.0
_LEAST_SIDE_PX = 10
_NMS_OVERLAP = 0.3
_MAX_CANDIDATES = 5000
_MAX_OVERLAP = 0.4
_MAX_INSIDE = 0.8
"""Part of a small box inside a larger one, from which on both are one face."""

# Source: opencv/opencv_zoo models/face_recognition_sface/sface.py, threshold for cosine similarity.
_MIN_SAME_PERSON = 0.363


class YuNetDetector:
    """Finds faces of any size: large pictures are looked at in smaller copies too."""

    def __init__(self, path: Path) -> None:
        """Read the net.

        Raises:
            WeightsError: OpenCV cannot read it.
        """
        with _errors_told(path):
            self._net = cv2.FaceDetectorYN.create(
                str(path), "", (320, 320), LEAST_DETECTION_SCORE, _NMS_OVERLAP, _MAX_CANDIDATES
            )

    def detect(self, images: Sequence[Image]) -> list[tuple[Face, ...]]:
        """Find the faces of every picture, largest first."""
        return [self._detect(image) for image in images]

    def _detect(self, image: Image) -> tuple[Face, ...]:
        found: list[tuple[float, Face]] = []
        for scale in _scales(*image.shape[:2]):
            found += self._detect_at(image, scale)
        # stable: of equally good ones, that of the finest copy
        found.sort(key=lambda ranked: ranked[0], reverse=True)
        kept: list[Face] = []
        for _, face in found:
            if not any(_are_one(face, other) for other in kept):
                kept.append(face)
        return tuple(sorted(kept, key=lambda face: face.width_px * face.height_px, reverse=True))

    def _detect_at(self, image: Image, scale: float) -> list[tuple[float, Face]]:
        """Faces in pixels of the whole picture, each with how far its finding can be trusted."""
        height, width = (max(_LEAST_SIDE_PX, round(side * scale)) for side in image.shape[:2])
        bgr = cv2.cvtColor(image, cv2.COLOR_RGB2BGR)
        if (height, width) != image.shape[:2]:
            bgr = cv2.resize(bgr, (width, height), interpolation=cv2.INTER_AREA)
        self._net.setInputSize((width, height))
        _, rows = self._net.detect(bgr)
        ratio = np.array([image.shape[1] / width, image.shape[0] / height])
        ranked = []
        for row in np.zeros((0, 15)) if rows is None else np.asarray(rows, dtype=np.float64):
            if not np.all(np.isfinite(row)):
                continue
            corner, size, score = row[:2], row[2:4], float(np.clip(row[14], 0.0, 1.0))
            box = np.concatenate([corner * ratio, (corner + size) * ratio])
            points = (row[4:14].reshape(5, 2) + 0.5) * ratio - 0.5
            trust = round(score, 1) - float(size.max() > _LARGEST_FACE_PX)
            face = Face(
                box_xyxy_px=box.astype(np.float32),
                landmarks_px=points.astype(np.float32),
                score=score,
            )
            ranked.append((trust, face))
        return ranked


class OpenCVFaces:
    """YuNet and SFace; both `FaceDetector` and `IdentityEncoder`."""

    name = "opencv"
    crop_size_px = ARCFACE_SIDE_PX
    crop_margin = 0.0
    min_same_person = _MIN_SAME_PERSON
    max_covered_gain = 0.1
    made_for: PictureKind | None = "photograph"

    def __init__(self, detector: YuNetDetector, encoder: Path, licence: str) -> None:
        """Hold a detector and read an encoder that takes RGB in 0..255 at 112 px.

        Raises:
            WeightsError: OpenCV cannot read it.
        """
        self.licence = licence
        self.digest = known_digest(encoder)
        self._detector = detector
        self._path = encoder
        with _errors_told(encoder):
            self._encoder = cv2.FaceRecognizerSF.create(str(encoder), "")
            black = np.zeros((ARCFACE_SIDE_PX, ARCFACE_SIDE_PX, 3), np.uint8)
            self.dim = int(np.asarray(self._encoder.feature(black)).size)
        self._device = torch.device("cpu")
        self._net: OnnxNet | None = None

    def to(self, device: torch.device) -> "OpenCVFaces":
        """Return the same models with `embed` on a device; OpenCV itself stays on the CPU."""
        if device == self._device:
            return self
        moved = OpenCVFaces(self._detector, self._path, self.licence)
        moved._device = device
        return moved

    def detect(self, images: Sequence[Image]) -> list[tuple[Face, ...]]:
        """Find the faces of every picture, largest first."""
        return self._detector.detect(images)

    def encode(self, crops: Sequence[FaceCrop]) -> NDArray[np.float32]:
        """Return one unit vector per crop, shape (N, dim)."""
        vectors = np.zeros((len(crops), self.dim), np.float32)
        for vector, crop in zip(vectors, crops, strict=True):
            bgr = cv2.cvtColor(crop.pixels, cv2.COLOR_RGB2BGR)
            vector[:] = np.asarray(self._encoder.feature(bgr)).reshape(-1)
        return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), np.float32)

    def embed(self, pixels_BCHW: Tensor) -> Tensor:
        """Return unit vectors (B, dim) with gradients to the pixels, which are crops in [-1, 1].

        Raises:
            PackageMissing: The extra `onnx` is not installed.
            WeightsError: The net uses an operator that is not known.
        """
        if self._net is None:
            self._net = load_onnx(self._path).to(self._device)
        return F.normalize(self._net((pixels_BCHW + 1.0) * 127.5).flatten(1), dim=1)


def load_yunet() -> YuNetDetector:
    """Load YuNet from the store.

    Raises:
        WeightsError: Its weights are missing or damaged.
    """
    return YuNetDetector(*locate("yunet"))


def load_opencv_faces() -> OpenCVFaces:
    """Load YuNet and SFace from the store.

    Raises:
        WeightsError: Weights are missing or damaged.
    """
    (encoder,) = locate("sface")
    return OpenCVFaces(load_yunet(), encoder, catalogue_entry("sface").licence)


def _scales(height: int, width: int) -> list[float]:
    """The whole picture as far as it is not too large, and smaller copies of it."""
    longest = max(height, width)
    scales = [min(1.0, _LONGEST_PX[0] / longest)]
    scales += [side / longest for side in _LONGEST_PX[1:] if side < longest]
    return scales


def _are_one(one: Face, other: Face) -> bool:
    a, b = one.box_xyxy_px.astype(np.float64), other.box_xyxy_px.astype(np.float64)
    shared = math.prod(np.maximum(np.minimum(a[2:], b[2:]) - np.maximum(a[:2], b[:2]), 0.0))
    areas = [max(math.prod(box[2:] - box[:2]), 1e-6) for box in (a, b)]
    return bool(shared > _MAX_OVERLAP * (sum(areas) - shared) or shared > _MAX_INSIDE * min(areas))


@contextmanager
def _errors_told(path: Path) -> Iterator[None]:
    """Tell what OpenCV refuses as our own error, and keep its log from the terminal."""
    level = cv2.utils.logging.getLogLevel()
    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
    try:
        yield
    except cv2.error as error:
        reason = str(error).strip().splitlines()[0]
        raise WeightsError(
            f"{path}: OpenCV cannot use it ({reason}), expected an ONNX net for faces; fetch it"
            " again"
        ) from error
    finally:
        cv2.utils.logging.setLogLevel(level)
