import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from facekit.errors import (
    ChecksumMismatch,
    PackageMissing,
    UsageError,
    WeightsMissing,
)
from facekit.faces.align import align, similarity_transform
from facekit.faces.insightface import InsightFaces, ScrfdDetector, _widened, load_insightface
from facekit.faces.protocols import FaceVendor
from facekit.faces.vendors import encoder_id
from facekit.media.images import read_image
from facekit.types import Face, FaceCrop, Image
from tests.tiny.local_weights import local_photo, local_weights

CPU = torch.device("cpu")


@pytest.fixture
def library() -> None:
    for module in ("onnx", "onnxruntime", "skimage", "insightface"):
        pytest.importorskip(module, reason="the extra insightface is not installed")


@pytest.fixture
def pack(library: None, tmp_path: Path) -> Path:
    """A random pack in the shapes of InsightFace's."""
    from tests.tiny.onnx_nets import write_encoder, write_scrfd

    folder = tmp_path / "tinypack"
    folder.mkdir()
    write_scrfd(folder / "det.onnx")
    write_encoder(folder / "rec.onnx")
    (folder / "genderage.onnx").write_bytes(b"never opened")
    return folder


@pytest.fixture
def tiny(pack: Path) -> InsightFaces:
    return load_insightface(str(pack))


def crop_of(image: Image, face: Face) -> FaceCrop:
    return align(image, face, size_px=112)


def noise(seed: int, *shape: int) -> Image:
    return np.random.default_rng(seed).integers(0, 256, (*shape, 3), dtype=np.uint8)


# a random pack through the library's own classes


def test_a_pack_is_a_vendor_with_digest_and_licence(tiny: InsightFaces) -> None:
    assert isinstance(tiny, FaceVendor)
    assert encoder_id(tiny) == f"insightface:tinypack@{tiny.digest[:12]}"
    assert tiny.licence.startswith("non-commercial research only")
    assert tiny.provider == "CPUExecutionProvider"
    assert tiny.to(CPU) is tiny


def test_its_detector_finds_what_the_library_finds(tiny: InsightFaces, pack: Path) -> None:
    from insightface.model_zoo import get_model

    image = noise(0, 96, 128)
    direct = get_model(str(pack / "det.onnx"), providers=["CPUExecutionProvider"])
    boxes, points = direct.detect(cv2.cvtColor(image, cv2.COLOR_RGB2BGR), input_size=(64, 64))
    tiny._detector.model.prepare(0, input_size=(64, 64))
    ((face,),) = tiny.detect([image])
    np.testing.assert_allclose(face.box_xyxy_px, boxes[0, :4], atol=1e-3)
    np.testing.assert_allclose(face.landmarks_px, points[0], atol=1e-3)
    assert face.score == pytest.approx(0.9, abs=1e-5)


@pytest.mark.parametrize("shape", [(3, 4000), (4000, 3), (1, 1)])
def test_strips_and_dots_are_looked_at(library: None, shape: tuple[int, int]) -> None:
    path = local_weights("insightface_root/models/facekit_testpack/det_yunet_scrfd.onnx")
    assert ScrfdDetector(path, CPU).detect([noise(0, *shape)]) == [()]


@pytest.mark.parametrize("shape", [(3, 4000), (4000, 3), (100, 1600), (1, 1)])
def test_a_strip_is_made_thicker_and_nothing_moves(shape: tuple[int, int]) -> None:
    image = noise(0, *shape)
    wide = _widened(image)
    assert max(wide.shape[:2]) <= 16 * (min(wide.shape[:2]) + 1)
    assert (wide[: shape[0], : shape[1]] == image).all()


def test_the_same_crop_has_the_same_vector_everywhere(tiny: InsightFaces, pack: Path) -> None:
    """Through facekit, through the library, and with gradients."""
    from insightface.model_zoo import get_model

    box = np.array([0, 0, 112, 112], np.float32)
    marks = np.zeros((5, 2), np.float32)
    face = Face(box_xyxy_px=box, landmarks_px=marks, score=1.0)
    crops = [FaceCrop(pixels=noise(i, 112, 112), face=face, source="") for i in range(20)]
    vectors = tiny.encode(crops)
    direct = get_model(str(pack / "rec.onnx"), providers=["CPUExecutionProvider"])
    features = direct.get_feat([cv2.cvtColor(c.pixels, cv2.COLOR_RGB2BGR) for c in crops])
    expected = features / np.linalg.norm(features, axis=1, keepdims=True)
    np.testing.assert_allclose(vectors, expected, atol=1e-5)
    pixels = torch.from_numpy(np.stack([crop.pixels for crop in crops])).permute(0, 3, 1, 2)
    with_gradients = tiny.embed(pixels.float() / 127.5 - 1.0)
    assert float((with_gradients * torch.from_numpy(vectors)).sum(1).min()) > 0.9999
    assert tiny.encode([]).shape == (0, tiny.dim)


def test_gradients_reach_the_pixels(tiny: InsightFaces) -> None:
    pixels = torch.zeros(1, 3, 112, 112, requires_grad=True)
    tiny.embed(pixels)[0, 0].backward()
    assert pixels.grad is not None
    assert pixels.grad.abs().max() > 0


@pytest.mark.parametrize("seed", range(10))
def test_alignment_is_insightfaces_to_a_fraction_of_a_pixel(library: None, seed: int) -> None:
    import warnings

    from insightface.utils import face_align

    rng = np.random.default_rng(seed)
    angle = rng.uniform(-1.0, 1.0)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    marks = face_align.arcface_dst @ turn.T * rng.uniform(0.5, 4.0) + rng.uniform(50, 300, 2)
    marks = (marks + rng.normal(0, 2.0, (5, 2))).astype(np.float32)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = face_align.estimate_norm(marks, 112)
    ours_matrix = similarity_transform(marks, 112)
    corners = np.array([[0, 0], [112, 0], [0, 112], [112, 112]]) @ np.linalg.inv(theirs[:, :2]).T
    corners -= np.linalg.inv(theirs[:, :2]) @ theirs[:, 2]
    moved = (ours_matrix[:, :2] - theirs[:, :2]) @ corners.T + (ours_matrix - theirs)[:, 2:]
    assert np.abs(moved).max() < 0.02


# real nets


def test_the_local_pack_tells_people_apart(library: None) -> None:
    folder = local_weights("insightface_root/models/facekit_testpack")
    faces = load_insightface(str(folder))
    names = ["p01/image_0001.jpg", "p01/image_0005.jpg", "p05/image_0069.jpg"]
    photos = [read_image(local_photo(name)) for name in names]
    crops = [
        crop_of(photo, found[0]) for photo, found in zip(photos, faces.detect(photos), strict=True)
    ]
    one, again, other = faces.encode(crops)
    assert one @ again > 0.6
    assert one @ other < 0.4


def test_whole_photos_are_as_in_faceanalysis(library: None) -> None:
    import warnings

    from insightface.app import FaceAnalysis

    folder = local_weights("insightface_root/models/facekit_testpack")
    photo = read_image(local_photo("p02/image_0022.jpg"))
    app = FaceAnalysis(name=str(folder), providers=["CPUExecutionProvider"])
    app.prepare(ctx_id=-1, det_thresh=0.35)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = app.get(cv2.cvtColor(photo, cv2.COLOR_RGB2BGR))
    theirs = max(found, key=lambda face: face.bbox[2] - face.bbox[0])
    faces = load_insightface(str(folder))
    largest = faces.detect([photo])[0][0]
    np.testing.assert_allclose(largest.landmarks_px, theirs.kps, atol=1e-3)
    vector = faces.encode([crop_of(photo, largest)])[0]
    # facekit smooths when it makes a face smaller, the library does not
    assert float(vector @ theirs.normed_embedding) > 0.99


# what goes wrong


def test_a_missing_package_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "insightface", None)
    with pytest.raises(PackageMissing) as caught:
        load_insightface("buffalo_l")
    assert caught.value.next_step == "pip install 'facekit[insightface]'"


def test_missing_weights_name_the_command(
    library: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("FACEKIT_WEIGHTS", str(tmp_path))
    for pack in ("buffalo_l", "auraface"):
        with pytest.raises(WeightsMissing, match=f"run facekit weights fetch {pack}"):
            load_insightface(pack)


def test_other_weights_are_refused(
    library: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("FACEKIT_WEIGHTS", str(tmp_path))
    for name in ("det_10g.onnx", "w600k_r50.onnx"):
        (tmp_path / name).write_bytes(b"another")
    with pytest.raises(ChecksumMismatch, match="run facekit weights fetch buffalo_l"):
        load_insightface("buffalo_l")


def test_a_misspelt_pack_is_never_fetched(library: None) -> None:
    with pytest.raises(UsageError, match=r"buffalo_xl: no such pack.*antelopev2, auraface, buff"):
        load_insightface("buffalo_xl")


def test_a_folder_without_a_detector(pack: Path) -> None:
    (pack / "det.onnx").unlink()
    with pytest.raises(WeightsMissing, match=r"tinypack: no onnx file for detection, expected"):
        load_insightface(str(pack))
    (pack / "rec.onnx").write_bytes(b"damaged")
    with pytest.raises(WeightsMissing, match="detection and recognition"):
        load_insightface(str(pack))


@pytest.mark.gpu
def test_on_cuda_the_vectors_are_the_same(tiny: InsightFaces) -> None:
    import onnxruntime

    if "CUDAExecutionProvider" not in onnxruntime.get_available_providers():
        pytest.skip("onnxruntime-gpu is not installed")
    far = tiny.to(torch.device("cuda"))
    assert far.provider == "CUDAExecutionProvider"
    box = np.array([0, 0, 112, 112], np.float32)
    face = Face(box_xyxy_px=box, landmarks_px=np.zeros((5, 2), np.float32), score=1.0)
    crops = [FaceCrop(pixels=noise(1, 112, 112), face=face, source="")]
    assert float((far.encode(crops) * tiny.encode(crops)).sum()) > 0.999
