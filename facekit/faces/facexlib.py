"""The vendor of facexlib: RetinaFace and ArcFace in torch, and BiSeNet to tell hair, skin and face.

facexlib's own loaders fetch weights into its package, so its nets are built here and filled from
the store. It needs a torchvision that belongs to the installed torch.

Shapes: B pictures, C channels, H height, W width, D embedding.
"""

import copy
import threading
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from facekit.errors import ChecksumMismatch
from facekit.faces.align import (
    ARCFACE_SIDE_PX,
    align_with,
    invert_transform,
    similarity_transform,
)
from facekit.faces.packages import import_optional
from facekit.faces.protocols import FaceMasks, PictureKind
from facekit.recipe import LEAST_DETECTION_SCORE
from facekit.types import Face, FaceCrop, FloatArray, Image
from facekit.weights import catalogue_entry, known_digest, locate

__all__ = [
    "BiSeNetParser",
    "FacexlibFaces",
    "RetinaFaceDetector",
    "load_bisenet",
    "load_facexlib",
]

_EXTRA = "facexlib"
_LONGEST_PX = 1024
"""The largest face it looks for is 512 px; what fills a picture is still found at this size."""
_NMS_OVERLAP = 0.4

# Source: TreB1eN/InsightFace_Pytorch@09258416 config.py: threshold 1.5 on the squared distance of
# unit vectors, and |a - b|^2 = 2 - 2 cos, so cos = 0.25.
_MIN_SAME_PERSON = 0.25

_PARSE_SIDE_PX = 512
# Eyes then stand as far apart as in the aligned pictures of CelebAMask-HQ, a quarter of the side,
# with some room for hair.
_PARSE_MARGIN = 0.25
# Source: xinntao/facexlib@7de4becb inference/inference_parsing.py: normalisation and labels.
_MEAN = (0.485, 0.456, 0.406)
_DEVIATION = (0.229, 0.224, 0.225)
_SKIN = (1, 7, 8, 10)
"""Skin, both ears, nose."""
_FACE = (1, 2, 3, 4, 5, 6, 10, 11, 12, 13)
"""Skin, brows, eyes, glasses, nose, mouth and lips."""
_HAIR = (17,)


class RetinaFaceDetector:
    """facexlib's RetinaFace; faces of large pictures are found in a smaller copy."""

    def __init__(self, net: Any) -> None:
        """Hold a net in evaluation mode on its device."""
        self._net = net
        self._lock = threading.Lock()  # the net keeps sizes of a picture in itself

    def moved(self, device: torch.device) -> "RetinaFaceDetector":
        """Return a copy on a device."""
        net = copy.deepcopy(self._net).to(device)
        net.device = device
        net.mean_tensor = net.mean_tensor.to(device)
        return RetinaFaceDetector(net)

    @torch.no_grad()
    def detect(self, images: Sequence[Image]) -> list[tuple[Face, ...]]:
        """Find the faces of every picture, largest first."""
        return [self._detect(image) for image in images]

    def _detect(self, image: Image) -> tuple[Face, ...]:
        height, width = image.shape[:2]
        scale = min(1.0, _LONGEST_PX / max(height, width))
        size = (max(1, round(width * scale)), max(1, round(height * scale)))
        bgr = cv2.cvtColor(image, cv2.COLOR_RGB2BGR)
        if scale < 1.0:
            bgr = cv2.resize(bgr, size, interpolation=cv2.INTER_AREA)
        with self._lock:
            rows = self._net.detect_faces(bgr, LEAST_DETECTION_SCORE, _NMS_OVERLAP)
        ratio = np.array([width / size[0], height / size[1]])
        faces = []
        for row in np.asarray(rows, dtype=np.float64).reshape(-1, 15):
            points = row[5:].reshape(5, 2)
            faces.append(
                Face(
                    box_xyxy_px=(row[:4] * np.tile(ratio, 2)).astype(np.float32),
                    landmarks_px=((points + 0.5) * ratio - 0.5).astype(np.float32),
                    score=float(np.clip(row[4], 0.0, 1.0)),
                )
            )
        return tuple(sorted(faces, key=lambda f: f.width_px * f.height_px, reverse=True))


class FacexlibFaces:
    """RetinaFace and ArcFace IR-SE50; both `FaceDetector` and `IdentityEncoder`."""

    name = "facexlib"
    dim = 512
    crop_size_px = ARCFACE_SIDE_PX
    crop_margin = 0.0
    min_same_person = _MIN_SAME_PERSON
    max_covered_gain = 0.1
    made_for: PictureKind | None = "photograph"

    def __init__(
        self, detector: RetinaFaceDetector, encoder: nn.Module, *, digest: str, licence: str
    ) -> None:
        """Hold two nets; the encoder takes BGR in [-1, 1]."""
        self.digest, self.licence = digest, licence
        self._detector = detector
        self._encoder = encoder.eval().requires_grad_(False)
        self._device = next(encoder.parameters()).device

    def to(self, device: torch.device) -> "FacexlibFaces":
        """Return the same nets on a device; vectors stay the same up to rounding."""
        if device == self._device:
            return self
        return FacexlibFaces(
            self._detector.moved(device),
            copy.deepcopy(self._encoder).to(device),
            digest=self.digest,
            licence=self.licence,
        )

    def detect(self, images: Sequence[Image]) -> list[tuple[Face, ...]]:
        """Find the faces of every picture, largest first."""
        return self._detector.detect(images)

    @torch.no_grad()
    def encode(self, crops: Sequence[FaceCrop]) -> NDArray[np.float32]:
        """Return one unit vector per crop, shape (N, 512)."""
        if not crops:
            return np.zeros((0, self.dim), np.float32)
        pixels = torch.from_numpy(np.stack([crop.pixels for crop in crops])).permute(0, 3, 1, 2)
        parts = torch.split(pixels.float() / 127.5 - 1.0, 32)
        vectors = torch.cat([self.embed(part.to(self._device)).cpu() for part in parts])
        return np.asarray(vectors.numpy(), dtype=np.float32)

    def embed(self, pixels_BCHW: Tensor) -> Tensor:
        """Return unit vectors (B, 512) with gradients to the pixels, which are crops in [-1, 1].

        Source: TreB1eN/InsightFace_Pytorch@09258416 data/data_pipe.py: BGR files were written and
        read as RGB, so the net knows faces in BGR.
        """
        # contiguous, for the net flattens with view
        return F.normalize(self._encoder(pixels_BCHW.flip(1).contiguous()), dim=1)


class BiSeNetParser:
    """facexlib's BiSeNet as a `FaceParser`."""

    name = "bisenet"
    shortfall = ""

    def __init__(self, net: nn.Module, *, digest: str, licence: str) -> None:
        """Hold a net of 19 labels in evaluation mode on its device."""
        self.digest, self.licence = digest, licence
        self._net = net.eval().requires_grad_(False)
        self._device = next(net.parameters()).device

    @torch.no_grad()
    def parse(self, image: Image, face: Face) -> FaceMasks:
        """Mark one face; outside of the square around it everything is 0.

        Raises:
            AlignmentError: The landmarks are no face.
        """
        transform = similarity_transform(face.landmarks_px, _PARSE_SIDE_PX, _PARSE_MARGIN)
        crop = align_with(image, transform, _PARSE_SIDE_PX)
        pixels = torch.from_numpy(crop).permute(2, 0, 1)[None].to(self._device).float() / 255.0
        mean, deviation = (pixels.new_tensor(v).reshape(1, 3, 1, 1) for v in (_MEAN, _DEVIATION))
        scores = self._net((pixels - mean) / deviation)[0]
        parts = scores[0].float().softmax(0).cpu().numpy()
        back = invert_transform(transform)
        size = (image.shape[1], image.shape[0])

        def mask(labels: tuple[int, ...]) -> FloatArray:
            part = parts[list(labels)].sum(0)
            whole = cv2.warpAffine(part, back, size, flags=cv2.INTER_LINEAR)
            return np.asarray(np.clip(whole, 0.0, 1.0), dtype=np.float32)

        return FaceMasks(face=mask(_FACE), skin=mask(_SKIN), hair=mask(_HAIR))


def load_facexlib() -> FacexlibFaces:
    """Load RetinaFace ResNet50 and ArcFace IR-SE50 from the store to the CPU.

    Raises:
        PackageMissing: The extra `facexlib` is not installed, or its torchvision does not fit.
        WeightsError: Weights are missing or damaged.
    """
    detection = import_optional("facexlib.detection.retinaface", extra=_EXTRA)
    recognition = import_optional("facexlib.recognition.arcface_arch", extra=_EXTRA)
    (detector_path,), (encoder_path,) = locate("retinaface_resnet50"), locate("arcface_ir_se50")
    cpu = torch.device("cpu")
    detector = _filled(
        lambda: detection.RetinaFace(network_name="resnet50", device=cpu), detector_path
    )
    encoder = _filled(
        lambda: recognition.Backbone(num_layers=50, drop_ratio=0.6, mode="ir_se"), encoder_path
    )
    return FacexlibFaces(
        RetinaFaceDetector(detector),
        encoder,
        digest=known_digest(encoder_path),
        licence=catalogue_entry("arcface_ir_se50").licence,
    )


def load_bisenet() -> BiSeNetParser:
    """Load BiSeNet from the store to the CPU.

    Raises:
        PackageMissing: The extra `facexlib` is not installed, or its torchvision does not fit.
        WeightsError: Its weights are missing or damaged.
    """
    parsing = import_optional("facexlib.parsing.bisenet", extra=_EXTRA)
    (path,) = locate("bisenet")
    net = _filled(lambda: parsing.BiSeNet(num_class=19), path)
    return BiSeNetParser(net, digest=known_digest(path), licence=catalogue_entry("bisenet").licence)


def _filled(build: Callable[[], nn.Module], path: Path) -> nn.Module:
    """Build a net and fill it from a file of tensors, all or none."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torchvision's about `pretrained`
        net = build()
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
        net.load_state_dict({name.removeprefix("module."): value for name, value in state.items()})
    except Exception as error:
        reason = str(error).splitlines()[0]
        raise ChecksumMismatch(
            f"{path}: does not fill {type(net).__name__} ({reason}); fetch it again"
        ) from error
    return net.eval().requires_grad_(False)
