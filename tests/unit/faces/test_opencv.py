from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from facekit.errors import ChecksumMismatch, PackageMissing, WeightsError, WeightsMissing
from facekit.faces import opencv
from facekit.faces.align import ARCFACE_TEMPLATE_PX, align
from facekit.faces.opencv import OpenCVFaces, YuNetDetector, load_opencv_faces
from facekit.faces.protocols import FaceVendor
from facekit.media.images import read_image
from facekit.types import Face, FaceCrop, Image
from tests.tiny.local_weights import local_photo, local_weights

YUNET = "detect/face_detection_yunet_2023mar.onnx"
ENCODER = "embed/mobileface_v2_raw_rgb.onnx"


def noise_crop(seed: int) -> FaceCrop:
    pixels = np.random.default_rng(seed).integers(0, 256, (112, 112, 3), dtype=np.uint8)
    box = np.array([0, 0, 112, 112], np.float32)
    face = Face(box_xyxy_px=box, landmarks_px=ARCFACE_TEMPLATE_PX, score=1.0)
    return FaceCrop(pixels=pixels, face=face, source="noise")


def tensor(crop: FaceCrop) -> torch.Tensor:
    return torch.from_numpy(crop.pixels).permute(2, 0, 1)[None].float() / 127.5 - 1.0


@pytest.fixture
def detector() -> YuNetDetector:
    return YuNetDetector(local_weights(YUNET))


@pytest.fixture
def photo() -> Image:
    return read_image(local_photo("p01/image_0001.jpg"))


@pytest.fixture
def tiny(tmp_path: Path) -> OpenCVFaces:
    """A random encoder of the same interface; its detector is not used."""
    pytest.importorskip("onnx", reason="the extra onnx is not installed")
    from tests.tiny.onnx_nets import write_encoder

    path = write_encoder(tmp_path / "net.onnx", raw=True, batch=1)
    return OpenCVFaces(YuNetDetector.__new__(YuNetDetector), path, "MIT")


# the encoder


def test_a_crop_has_the_vector_that_opencv_gives_it(tiny: OpenCVFaces, tmp_path: Path) -> None:
    crops = [noise_crop(0), noise_crop(1)]
    vectors = tiny.encode(crops)
    direct = cv2.FaceRecognizerSF.create(str(tmp_path / "net.onnx"), "")
    for crop, vector in zip(crops, vectors, strict=True):
        feature = direct.feature(cv2.cvtColor(crop.pixels, cv2.COLOR_RGB2BGR)).reshape(-1)
        np.testing.assert_allclose(vector, feature / np.linalg.norm(feature), atol=1e-6)
    assert vectors.shape == (2, tiny.dim)
    assert tiny.encode([]).shape == (0, tiny.dim)


def test_the_same_crop_with_gradients_has_the_same_vector(tiny: OpenCVFaces) -> None:
    crop = noise_crop(2)
    pixels = tensor(crop).requires_grad_()
    vector = tiny.embed(pixels)
    np.testing.assert_allclose(vector[0].detach(), tiny.encode([crop])[0], atol=1e-4)
    vector[0, 0].backward()
    assert pixels.grad is not None
    assert pixels.grad.abs().max() > 0


def test_it_is_a_vendor_with_digest_and_licence(tiny: OpenCVFaces) -> None:
    assert isinstance(tiny, FaceVendor)
    assert len(tiny.digest) == 64
    assert tiny.licence == "MIT"
    assert tiny.to(torch.device("cpu")) is tiny
    assert tiny.to(torch.device("meta")).embed(torch.zeros(1, 3, 112, 112, device="meta")).is_meta


def test_embedding_needs_the_extra(tiny: OpenCVFaces, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "onnx", None)
    assert tiny.encode([noise_crop(0)]).shape == (1, tiny.dim)
    with pytest.raises(PackageMissing, match=r"pip install 'facekit\[onnx\]'"):
        tiny.embed(tensor(noise_crop(0)))


def test_a_real_encoder_agrees_with_its_torch_twin(detector: YuNetDetector, photo: Image) -> None:
    pytest.importorskip("onnx", reason="facekit[onnx] is not installed")
    faces = OpenCVFaces(detector, local_weights(ENCODER), "MIT")
    (found,) = faces.detect([photo])
    crop = align(photo, found[0], size_px=faces.crop_size_px, margin=faces.crop_margin)
    (vector,) = faces.embed(tensor(crop)).detach().numpy()
    assert float(vector @ faces.encode([crop])[0]) > 0.9999


def test_one_person_is_nearer_than_another(detector: YuNetDetector) -> None:
    faces = OpenCVFaces(detector, local_weights(ENCODER), "MIT")
    names = ["p01/image_0001.jpg", "p01/image_0005.jpg", "p02/image_0022.jpg"]
    photos = [read_image(local_photo(name)) for name in names]
    crops = [
        align(photo, found[0], size_px=112)
        for photo, found in zip(photos, faces.detect(photos), strict=True)
    ]
    one, again, other = faces.encode(crops)
    assert one @ again > 0.6
    assert one @ other < 0.4


# the detector


def test_a_photo_has_one_face_where_the_library_finds_it(
    detector: YuNetDetector, photo: Image
) -> None:
    direct = cv2.FaceDetectorYN.create(
        str(local_weights(YUNET)), "", photo.shape[1::-1], 0.6, 0.3, 5000
    )
    _, rows = direct.detect(cv2.cvtColor(photo, cv2.COLOR_RGB2BGR))
    (found,) = detector.detect([photo])
    assert len(found) == len(rows) == 1
    np.testing.assert_allclose(found[0].landmarks_px, rows[0, 4:14].reshape(5, 2), atol=0.01)
    np.testing.assert_allclose(found[0].box_xyxy_px[:2], rows[0, :2], atol=0.01)
    # left eye left of the right one, mouth below
    assert found[0].landmarks_px[0, 0] < found[0].landmarks_px[1, 0]
    assert found[0].landmarks_px[0, 1] < found[0].landmarks_px[3, 1]


@pytest.mark.parametrize("times", [3, 8])
def test_a_large_face_is_found_in_a_smaller_copy(
    detector: YuNetDetector, photo: Image, times: int
) -> None:
    height, width = photo.shape[:2]
    large = cv2.resize(photo, (width * times, height * times), interpolation=cv2.INTER_CUBIC)
    (small,), (found,) = detector.detect([photo, large])
    expected = (small.landmarks_px + 0.5) * times - 0.5
    eyes_px = np.linalg.norm(expected[1] - expected[0])
    assert np.abs(found.landmarks_px - expected).max() < 0.08 * eyes_px
    np.testing.assert_allclose(found.box_xyxy_px, small.box_xyxy_px * times, atol=0.3 * eyes_px)


def test_a_face_that_fills_a_large_picture_is_one_face(
    detector: YuNetDetector, photo: Image
) -> None:
    (face,) = detector.detect([photo])[0]
    x0, y0, x1, y1 = face.box_xyxy_px.round().astype(int)
    filled = cv2.resize(photo[y0:y1, x0:x1], (2400, 3000), interpolation=cv2.INTER_CUBIC)
    (found,) = detector.detect([filled])[0]
    assert found.width_px > 1800


def test_two_faces_largest_first(detector: YuNetDetector, photo: Image) -> None:
    half = cv2.resize(photo, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
    canvas = np.zeros((photo.shape[0], photo.shape[1] + half.shape[1], 3), np.uint8)
    canvas[: half.shape[0], : half.shape[1]] = half
    canvas[:, half.shape[1] :] = photo
    large, small = detector.detect([canvas])[0]
    assert large.width_px > 1.6 * small.width_px
    assert large.box_xyxy_px[0] > small.box_xyxy_px[0]


@pytest.mark.parametrize("shape", [(1, 1), (7, 300), (64, 64), (500, 20)])
def test_pictures_without_a_face(detector: YuNetDetector, shape: tuple[int, int]) -> None:
    assert detector.detect([np.zeros((*shape, 3), np.uint8)]) == [()]


def test_small_pictures_are_looked_at_once_and_large_ones_thrice() -> None:
    assert opencv._scales(100, 200) == [1.0]
    assert opencv._scales(400, 600) == [1.0, 320 / 600]
    assert opencv._scales(3000, 2000) == [1280 / 3000, 640 / 3000, 320 / 3000]


def test_a_face_inside_of_another_is_the_same_one() -> None:
    def face(*box: float) -> Face:
        marks = np.zeros((5, 2), np.float32)
        return Face(box_xyxy_px=np.array(box, np.float32), landmarks_px=marks, score=1.0)

    assert opencv._are_one(face(0, 0, 100, 100), face(5, 5, 105, 100))
    assert opencv._are_one(face(0, 0, 100, 100), face(40, 60, 70, 90))
    assert not opencv._are_one(face(0, 0, 100, 100), face(90, 0, 190, 100))


# what goes wrong


def test_missing_weights_name_the_command(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("FACEKIT_WEIGHTS", str(tmp_path))
    with pytest.raises(WeightsMissing, match=r"run facekit weights fetch sface.*FACEKIT_WEIGHTS"):
        load_opencv_faces()


def test_other_weights_are_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("FACEKIT_WEIGHTS", str(tmp_path))
    (tmp_path / "face_recognition_sface_2021dec.onnx").write_bytes(b"another")
    with pytest.raises(ChecksumMismatch, match="run facekit weights fetch sface"):
        load_opencv_faces()


def test_what_opencv_cannot_read_is_told(tmp_path: Path, capfd: pytest.CaptureFixture) -> None:
    path = tmp_path / "net.onnx"
    path.write_bytes(b"no net")
    with pytest.raises(WeightsError, match=r"net\.onnx: OpenCV cannot use it"):
        YuNetDetector(path)
    with pytest.raises(WeightsError, match=r"net\.onnx: OpenCV cannot use it"):
        OpenCVFaces(YuNetDetector.__new__(YuNetDetector), path, "MIT")
    assert capfd.readouterr().err == ""
