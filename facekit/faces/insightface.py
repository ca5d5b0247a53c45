"""The vendor of InsightFace: its SCRFD and ArcFace classes on a pack that lies in the store.

The library fetches a pack that it knows by name, so it is only ever given files. The licence of its
packs forbids commercial use; AuraFace, which has the same interface, allows it.

Shapes: B pictures, C channels, H height, W width, D embedding.
"""

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from facekit.errors import UsageError, WeightsError, WeightsMissing
from facekit.faces.align import ARCFACE_SIDE_PX
from facekit.faces.onnx_sessions import open_model, route_model, session_provider
from facekit.faces.onnx_torch import OnnxNet, load_onnx
from facekit.faces.opencv import load_yunet
from facekit.faces.packages import import_optional
from facekit.faces.protocols import FaceDetector, PictureKind
from facekit.recipe import LEAST_DETECTION_SCORE
from facekit.types import Face, FaceCrop, Image
from facekit.weights import catalogue_entry, entry_of_digest, known_digest, locate

__all__ = [
    "DEFAULT_PACK",
    "PACKS",
    "InsightFaces",
    "ScrfdDetector",
    "load_insightface",
]

DEFAULT_PACK = "buffalo_l"
PACKS = ("antelopev2", "auraface", "buffalo_l", "buffalo_sc")

# Source: serengil/deepface@2d4c2452 deepface/config/threshold.py: Buffalo_L, cosine distance 0.55.
_MIN_SAME_PERSON = 0.45

_UNKNOWN_LICENCE = (
    "non-commercial research only (InsightFace), as nothing else is known of the file"
)
_NOT_NEEDED = ("1k3d68", "2d106det", "genderage")
"""Parts of packs that are neither a detector nor an encoder."""
_CHUNK = 16
_MOST_ELONGATED = 16
"""Longest over shortest side of what the library is given."""


class ScrfdDetector:
    """InsightFace's own detector class."""

    def __init__(self, path: Path, device: torch.device) -> None:
        """Open a session on a device.

        Raises:
            PackageMissing: The extra `insightface` is not installed.
            InstallationError: The session does not run on that device.
            WeightsError: The file is no detector.
        """
        self.path = path
        self.model = open_model(path, "detection", device)

    def detect(self, images: Sequence[Image]) -> list[tuple[Face, ...]]:
        """Find the faces of every picture, largest first."""
        return [self._detect(image) for image in images]

    def _detect(self, image: Image) -> tuple[Face, ...]:
        bgr = _widened(np.asarray(cv2.cvtColor(image, cv2.COLOR_RGB2BGR), np.uint8))
        boxes, points = self.model.detect(bgr, det_thresh=LEAST_DETECTION_SCORE)
        if points is None:
            raise WeightsError(
                f"{self.path}: finds faces without landmarks, expected five of them; use another"
                " detector"
            )
        faces = [
            Face(
                box_xyxy_px=np.asarray(box[:4], np.float32),
                landmarks_px=np.asarray(marks, np.float32).reshape(5, 2),
                score=float(np.clip(box[4], 0.0, 1.0)),
            )
            for box, marks in zip(boxes, points, strict=True)
        ]
        return tuple(sorted(faces, key=lambda f: f.width_px * f.height_px, reverse=True))


def _widened(bgr: Image) -> Image:
    """Make a thin strip thicker with black below or to the right; places stay.

    The library shrinks the longest side to 128 px, and nothing would be left of the other one.
    """
    height, width = bgr.shape[:2]
    least = max(height, width) // _MOST_ELONGATED
    below, right = max(0, least - height), max(0, least - width)
    if not (below or right):
        return bgr
    return np.asarray(cv2.copyMakeBorder(bgr, 0, below, 0, right, cv2.BORDER_CONSTANT), np.uint8)


class InsightFaces:
    """A detector and InsightFace's encoder class; `FaceDetector` and `IdentityEncoder`."""

    crop_size_px = ARCFACE_SIDE_PX
    crop_margin = 0.0
    min_same_person = _MIN_SAME_PERSON
    max_covered_gain = 0.1
    made_for: PictureKind | None = "photograph"

    def __init__(
        self, name: str, detector: FaceDetector, encoder: Path, device: torch.device
    ) -> None:
        """Open a session on a device; the licence is read off the catalogue by the file's sha256.

        Raises:
            PackageMissing: The extra `insightface` is not installed.
            InstallationError: The session does not run on that device.
            WeightsError: The file is no encoder of 112 px crops.
        """
        self.name = name
        self.digest = known_digest(encoder)
        known = entry_of_digest(self.digest)
        self.licence = _UNKNOWN_LICENCE if known is None else known.licence
        self._detector, self._path, self._device = detector, encoder, device
        self._model = open_model(encoder, "recognition", device)
        if tuple(self._model.input_size) != (ARCFACE_SIDE_PX, ARCFACE_SIDE_PX):
            raise WeightsError(
                f"{encoder}: takes crops of {self._model.input_size}, expected"
                f" {ARCFACE_SIDE_PX} px; use another encoder"
            )
        black = np.zeros((ARCFACE_SIDE_PX, ARCFACE_SIDE_PX, 3), np.uint8)
        self.dim = int(self._model.get_feat([black]).size)
        self._net: OnnxNet | None = None

    @property
    def provider(self) -> str:
        """What onnxruntime really runs the encoder on, asked of the open session."""
        return session_provider(self._model.session)

    def to(self, device: torch.device) -> "InsightFaces":
        """Return the same models on a device, with sessions of their own.

        Raises:
            InstallationError: onnxruntime does not run there.
            UsageError: Neither a CPU nor a CUDA device.
        """
        if device == self._device:
            return self
        detector = self._detector
        if isinstance(detector, ScrfdDetector):
            detector = ScrfdDetector(detector.path, device)
        return InsightFaces(self.name, detector, self._path, device)

    def detect(self, images: Sequence[Image]) -> list[tuple[Face, ...]]:
        """Find the faces of every picture, largest first."""
        return self._detector.detect(images)

    def encode(self, crops: Sequence[FaceCrop]) -> NDArray[np.float32]:
        """Return one unit vector per crop, shape (N, dim)."""
        bgr = [cv2.cvtColor(crop.pixels, cv2.COLOR_RGB2BGR) for crop in crops]
        size = 1 if isinstance(self._model.input_shape[0], int) else _CHUNK
        parts = [np.zeros((0, self.dim), np.float32)]
        parts += [self._model.get_feat(bgr[i : i + size]) for i in range(0, len(bgr), size)]
        vectors = np.concatenate(parts)
        return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), np.float32)

    def embed(self, pixels_BCHW: Tensor) -> Tensor:
        """Return unit vectors (B, dim) with gradients to the pixels, which are crops in [-1, 1].

        Raises:
            WeightsError: The net uses an operator that is not known.
        """
        if self._net is None:
            self._net = load_onnx(self._path).to(self._device)
        pixels = (pixels_BCHW + 1.0) * 127.5
        pixels = (pixels - self._model.input_mean) / self._model.input_std
        return F.normalize(self._net(pixels).flatten(1), dim=1)


@dataclass(frozen=True, slots=True)
class _Pack:
    detector: Path | None
    """None where YuNet finds the faces."""
    encoder: Path


def load_insightface(pack: str) -> InsightFaces:
    """Load a pack to the CPU.

    Args:
        pack: One of `PACKS` from the store, or a folder with a detector and an encoder.

    Raises:
        UsageError: Neither.
        PackageMissing: The extra `insightface` is not installed.
        WeightsError: Weights are missing or damaged.
    """
    import_optional("insightface", extra="insightface")
    cpu = torch.device("cpu")
    if pack in PACKS:
        name = "insightface" if pack == DEFAULT_PACK else f"insightface:{pack}"
        found = _of_store(pack)
    elif Path(pack).is_dir():
        name = f"insightface:{Path(pack).resolve().name}"
        found = _of_folder(Path(pack))
    else:
        raise UsageError(
            f"insightface:{pack}: no such pack and no such folder, expected one of"
            f" {', '.join(PACKS)}, or a folder with onnx files; correct the name"
        )
    detector = load_yunet() if found.detector is None else ScrfdDetector(found.detector, cpu)
    return InsightFaces(name, detector, found.encoder, cpu)


def _of_store(pack: str) -> _Pack:
    paths = locate(pack)
    if len(catalogue_entry(pack).files) == 1:
        return _Pack(None, paths[0])
    return _Pack(*paths)


def _of_folder(folder: Path) -> _Pack:
    """Find the first detector and the first encoder of a folder, as the library's router does."""
    found: dict[str, Path] = {}
    for path in sorted(folder.glob("*.onnx")):
        if path.stem not in _NOT_NEEDED:
            found.setdefault(_task(path), path)
    missing = {"detection", "recognition"} - found.keys()
    if missing:
        raise WeightsMissing(
            f"{folder}: no onnx file for {' and '.join(sorted(missing))}, expected a detector of"
            " five landmarks and an encoder; name the folder of a whole pack"
        )
    return _Pack(found["detection"], found["recognition"])


def _task(path: Path) -> str:
    with contextlib.suppress(WeightsError):
        return str(getattr(route_model(path, "CPUExecutionProvider"), "taskname", ""))
    return ""
