"""The vendor of InsightFace: its SCRFD and ArcFace classes on a pack that lies in the store.

The library fetches a pack that it knows by name, so it is only ever given files. The licence of its
packs forbids commercial use; AuraFace, which has the same interface, allows it.

Shapes: B pictures, C channels, H height, W width, D embedding.
"""

import contextlib
import io
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from facekit.errors import InstallationError, UsageError, WeightsError, WeightsMissing
from facekit.faces.align import ARCFACE_SIDE_PX
from facekit.faces.onnx_torch import OnnxNet, load_onnx
from facekit.faces.opencv import load_yunet
from facekit.faces.packages import import_optional
from facekit.faces.protocols import FaceDetector
from facekit.recipe import LEAST_DETECTION_SCORE
from facekit.types import Face, FaceCrop, Image
from facekit.weights import catalogue_entry, entry_of_digest, known_digest, locate

__all__ = [
    "DEFAULT_PACK",
    "PACKS",
    "InsightFaces",
    "ScrfdDetector",
    "load_insightface",
    "probe_provider",
    "session_provider",
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
_PROVIDERS = {"cpu": "CPUExecutionProvider", "cuda": "CUDAExecutionProvider"}
_CHUNK = 16


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
        self.model = _open(path, "detection", device)

    def detect(self, images: Sequence[Image]) -> list[tuple[Face, ...]]:
        """Find the faces of every picture, largest first."""
        return [self._detect(image) for image in images]

    def _detect(self, image: Image) -> tuple[Face, ...]:
        bgr = cv2.cvtColor(image, cv2.COLOR_RGB2BGR)
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


class InsightFaces:
    """A detector and InsightFace's encoder class; `FaceDetector` and `IdentityEncoder`."""

    crop_size_px = ARCFACE_SIDE_PX
    crop_margin = 0.0
    min_same_person = _MIN_SAME_PERSON

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
        self._model = _open(encoder, "recognition", device)
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


def probe_provider() -> tuple[str, str]:
    """Open a session of an empty net, on CUDA where there is a device, and ask what it runs on.

    Returns:
        What it runs on, and what it should run on.

    Raises:
        PackageMissing: onnxruntime or onnx is not installed.
    """
    helper = import_optional("onnx.helper", extra="insightface")
    runtime = import_optional("onnxruntime", extra="insightface")
    kind = 1  # TensorProto.FLOAT
    ends = [helper.make_tensor_value_info(name, kind, [1]) for name in ("x", "y")]
    node = helper.make_node("Relu", ["x"], ["y"])
    graph = helper.make_graph([node], "probe", ends[:1], ends[1:])
    versions = [helper.make_opsetid("", 13)]
    model = helper.make_model(graph, opset_imports=versions, ir_version=8)
    options = runtime.SessionOptions()
    options.log_severity_level = 4
    wanted = _PROVIDERS["cuda" if torch.cuda.is_available() else "cpu"]
    providers = list(dict.fromkeys([wanted, _PROVIDERS["cpu"]]))
    session = runtime.InferenceSession(model.SerializeToString(), options, providers=providers)
    return session_provider(session), wanted


def session_provider(session: Any) -> str:
    """What a session really runs on; the list of available providers does not tell."""
    return str(session.get_providers()[0])


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
        return str(getattr(_route(path, "CPUExecutionProvider"), "taskname", ""))
    return ""


def _open(path: Path, task: str, device: torch.device) -> Any:
    provider = _PROVIDERS.get(device.type)
    if provider is None:
        raise UsageError(
            f"onnxruntime does not run on {device}, expected cpu or cuda; choose another --device"
        )
    if device.type == "cuda" and not torch.cuda.is_available():
        raise InstallationError(
            f"{path.name}: no CUDA device is there for {provider}; choose --device cpu"
        )
    model = _route(path, provider, device.index or 0)
    if getattr(model, "taskname", None) != task:
        raise WeightsError(f"{path}: no net for {task}; use a file of an InsightFace pack")
    got = session_provider(model.session)
    if got != provider:
        raise InstallationError(
            f"{path.name}: onnxruntime runs it on {got}, expected {provider}; pip uninstall -y"
            " onnxruntime onnxruntime-gpu && pip install 'facekit[gpu]', or choose --device cpu"
        )
    return model


def _route(path: Path, provider: str, index: int = 0) -> Any:
    """Let the library choose its class for a file."""
    zoo = import_optional("insightface.model_zoo", extra="insightface")
    runtime = import_optional("onnxruntime", extra="insightface")
    options = runtime.SessionOptions()
    options.log_severity_level = 4  # what matters of it is asked of the session below
    options.intra_op_num_threads = torch.get_num_threads()
    cuda = {"device_id": index} if provider != "CPUExecutionProvider" else {}
    try:
        with _quiet():
            return zoo.get_model(
                str(path.absolute()),
                providers=[provider, "CPUExecutionProvider"] if cuda else [provider],
                provider_options=[cuda, {}] if cuda else [{}],
                sess_options=options,
            )
    except Exception as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise WeightsError(
            f"{path}: InsightFace cannot open it ({reason}); fetch it again"
        ) from error


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        yield
