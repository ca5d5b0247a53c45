"""facexlib needs a torchvision that belongs to torch, so its own nets run only where that is so."""

import sys
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from torch import Tensor, nn

from facekit.errors import ChecksumMismatch, PackageMissing, WeightsMissing
from facekit.faces import facexlib
from facekit.faces.align import template
from facekit.faces.facexlib import (
    BiSeNetParser,
    FacexlibFaces,
    RetinaFaceDetector,
    load_bisenet,
    load_facexlib,
)
from facekit.faces.packages import install_command
from facekit.faces.protocols import FaceParser, FaceVendor
from facekit.types import Face, FaceCrop

CPU = torch.device("cpu")


class Encoder(nn.Module):
    """As small as an encoder can be; it looks at the first of its three channels alone.

    As facexlib's, it takes no picture that does not lie in memory channel by channel.
    """

    def __init__(self) -> None:
        super().__init__()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            self.net = nn.Conv2d(1, 4, 16, stride=16)
            self.last = nn.Linear(4 * 49, 512)

    def forward(self, pixels: Tensor) -> Tensor:
        pixels.view(len(pixels), -1)
        return self.last(self.net(pixels[:, :1]).flatten(1))


class Rows(nn.Module):
    """Answers as facexlib's detector does: x0 y0 x1 y1 score, then five points."""

    def __init__(self, *rows: list[float]) -> None:
        super().__init__()
        self.rows = np.array(rows).reshape(-1, 15)
        self.shapes: list[tuple[int, ...]] = []
        self.mean_tensor = torch.zeros(1)

    def detect_faces(self, bgr: np.ndarray, *_: float) -> np.ndarray:
        self.shapes.append(bgr.shape)
        return self.rows


class Labels(nn.Module):
    """Sees by colour: red is skin, green is hair, blue are the eyes, the rest is background."""

    def __init__(self) -> None:
        super().__init__()
        self.nothing = nn.Parameter(torch.zeros(1))

    def forward(self, pixels: Tensor) -> tuple[Tensor, ...]:
        mean, deviation = (
            torch.tensor(v).reshape(1, 3, 1, 1) for v in (facexlib._MEAN, facexlib._DEVIATION)
        )
        colour = pixels * deviation + mean
        scores = torch.zeros(1, 19, *pixels.shape[2:])
        scores[:, 0] = 0.3
        for label, channel in ((1, 0), (17, 1), (4, 2)):
            scores[:, label] = colour[:, channel]
        return scores * 50.0, scores, scores


@pytest.fixture
def faces() -> FacexlibFaces:
    return FacexlibFaces(RetinaFaceDetector(Rows()), Encoder(), digest="a" * 64, licence="MIT")


def crop(seed: int) -> FaceCrop:
    pixels = np.random.default_rng(seed).integers(0, 256, (112, 112, 3), dtype=np.uint8)
    return FaceCrop(pixels=pixels, face=face_at(112.0), source="")


def face_at(side: float, left: float = 0.0) -> Face:
    marks = template(8) / 8 * side + np.float32([left, left])
    box = np.array([left, left, left + side, left + side], np.float32)
    return Face(box_xyxy_px=box, landmarks_px=marks.astype(np.float32), score=1.0)


def test_it_is_a_vendor(faces: FacexlibFaces) -> None:
    assert isinstance(faces, FaceVendor)
    assert faces.to(CPU) is faces
    assert next(faces.to(torch.device("meta"))._encoder.parameters()).is_meta


def test_its_encoder_is_given_blue_first(faces: FacexlibFaces) -> None:
    grey = torch.zeros(1, 3, 112, 112)
    red, blue = grey.clone(), grey.clone()
    red[:, 0], blue[:, 2] = 1.0, 1.0
    assert torch.equal(faces.embed(red), faces.embed(grey))
    assert not torch.allclose(faces.embed(blue), faces.embed(grey))


def test_vectors_are_unit_and_carry_gradients(faces: FacexlibFaces) -> None:
    crops = [crop(0), crop(1)]
    vectors = faces.encode(crops)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1.0, atol=1e-5)
    pixels = torch.from_numpy(np.stack([c.pixels for c in crops])).permute(0, 3, 1, 2)
    pixels = (pixels.float() / 127.5 - 1.0).requires_grad_()
    again = faces.embed(pixels)
    np.testing.assert_allclose(again.detach(), vectors, atol=1e-5)
    again[0, 0].backward()
    assert pixels.grad is not None
    assert pixels.grad.abs().max() > 0
    assert faces.encode([]).shape == (0, 512)


def test_faces_come_largest_first_in_pixels_of_the_whole_picture() -> None:
    small = [10, 10, 20, 20, 0.9, *range(10)]
    large = [30, 30, 90, 90, 1.2, *range(10)]
    net = Rows(small, large)
    detector = RetinaFaceDetector(net)
    (found,) = detector.detect([np.zeros((100, 200, 3), np.uint8)])
    assert [face.width_px for face in found] == [60, 10]
    assert found[0].score == 1.0
    (found,) = detector.detect([np.zeros((2048, 1024, 3), np.uint8)])
    assert net.shapes == [(100, 200, 3), (1024, 512, 3)]
    np.testing.assert_allclose(found[0].box_xyxy_px, [60, 60, 180, 180])
    np.testing.assert_allclose(found[0].landmarks_px[0], [0.5, 2.5])


def test_a_parser_tells_hair_from_face_where_they_are() -> None:
    parser = BiSeNetParser(Labels(), digest="b" * 64, licence="MIT")
    assert isinstance(parser, FaceParser)
    assert parser.shortfall == ""
    image = np.zeros((300, 300, 3), np.uint8)
    cv2.ellipse(image, (150, 150), (60, 70), 0, 0, 360, (255, 0, 0), -1)
    cv2.rectangle(image, (100, 60), (200, 90), (0, 255, 0), -1)
    cv2.circle(image, (130, 140), 8, (0, 0, 255), -1)
    masks = parser.parse(image, face_at(112.0, 94.0))
    assert masks.hair is not None
    assert masks.skin is not None
    assert masks.hair[75, 150] > 0.99
    assert masks.face[75, 150] < 0.01
    assert masks.face[180, 150] > 0.99
    assert masks.face[140, 130] > 0.99
    assert masks.skin[140, 130] < 0.01
    assert masks.skin[180, 150] > 0.99
    assert masks.face[290, 10] == 0.0
    assert masks.face.shape == (300, 300)


# what goes wrong


@pytest.fixture
def no_facexlib() -> Iterator[None]:
    """Forget what is imported under that name, before and after."""
    kept = {n: m for n, m in sys.modules.items() if n.partition(".")[0] == "facexlib"}
    for name in kept:
        del sys.modules[name]
    yield
    for name in [n for n in sys.modules if n.partition(".")[0] == "facexlib"]:
        del sys.modules[name]
    sys.modules.update(kept)


def test_a_missing_package_names_the_extra(
    no_facexlib: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "facexlib", None)
    for load in (load_facexlib, load_bisenet):
        with pytest.raises(PackageMissing) as caught:
            load()
        assert caught.value.next_step == install_command("facexlib")


@pytest.fixture
def broken(no_facexlib: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A package that breaks as facexlib does beside the torchvision of another torch."""
    package = tmp_path / "packages" / "facexlib"
    package.mkdir(parents=True)
    text = "raise RuntimeError('operator torchvision::nms does not exist\\nmore')"
    (package / "__init__.py").write_text(text)
    monkeypatch.syspath_prepend(str(package.parent))


def test_a_package_that_breaks_says_why(broken: None) -> None:
    with pytest.raises(PackageMissing, match=r"\(operator torchvision::nms does not exist\); run"):
        load_facexlib()


@pytest.fixture
def standing_in(no_facexlib: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Classes of the names that facexlib's have."""
    folder = tmp_path / "packages" / "facexlib"
    texts = {
        "detection/retinaface.py": "RetinaFace = lambda **_: nn.Linear(1, 1)",
        "recognition/arcface_arch.py": "Backbone = lambda **_: nn.Linear(1, 1)",
        "parsing/bisenet.py": "BiSeNet = lambda **_: nn.Linear(1, 1)",
    }
    for name, text in texts.items():
        path = folder / name
        path.parent.mkdir(parents=True)
        path.write_text(f"from torch import nn\n{text}\n")
    monkeypatch.syspath_prepend(str(folder.parent))


def test_missing_weights_name_the_command(
    standing_in: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("FACEKIT_WEIGHTS", str(tmp_path))
    with pytest.raises(WeightsMissing, match="run facekit weights fetch retinaface_resnet50"):
        load_facexlib()
    with pytest.raises(WeightsMissing, match="run facekit weights fetch bisenet"):
        load_bisenet()


def test_other_weights_are_refused(
    standing_in: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("FACEKIT_WEIGHTS", str(tmp_path))
    (tmp_path / "parsing_bisenet.pth").write_bytes(b"another")
    with pytest.raises(ChecksumMismatch, match="run facekit weights fetch bisenet"):
        load_bisenet()


def test_a_net_is_filled_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "net.pth"
    torch.save({"module.weight": torch.ones(1, 1), "module.bias": torch.zeros(1)}, path)
    net = facexlib._filled(lambda: nn.Linear(1, 1), path)
    assert float(net(torch.ones(1))) == 1.0
    assert not any(parameter.requires_grad for parameter in net.parameters())
    with pytest.raises(ChecksumMismatch, match=r"net\.pth: does not fill Linear"):
        facexlib._filled(lambda: nn.Linear(2, 1), path)
    path.write_bytes(b"no tensors")
    with pytest.raises(ChecksumMismatch, match=r"net\.pth: does not fill Linear"):
        facexlib._filled(lambda: nn.Linear(1, 1), path)
