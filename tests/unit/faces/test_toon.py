"""The drawn-face vendor: reading the detector's maps, wrong files, and the two protocols."""

import hashlib
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from facekit.errors import ChecksumMismatch, WeightsMissing
from facekit.faces.protocols import FaceDetector, IdentityEncoder
from facekit.faces.toon import (
    CROP_SIZE_PX,
    TOON_NAMES,
    ToonFaces,
    decode_detections,
    load_toon_faces,
)
from facekit.faces.toon_nets import EMBEDDING_DIM, DetectorNet, EmbedderNet, RefinerNet
from facekit.types import Face, FaceCrop
from facekit.weights import write_manifest

FRONT = ((-0.4, -0.2), (0.4, -0.2), (0.0, 0.1), (-0.25, 0.45), (0.25, 0.45))
"""Landmarks relative to the centre, in halves of the box's height."""


def _maps(
    *faces: tuple[int, int, float, float], rows: int = 24, columns: int = 24, batch: int = 1
) -> Tensor:
    """Maps that hold faces (row, column, logit, half side in px) in every picture."""
    maps = torch.zeros(batch, 15, rows, columns)
    maps[:, 0] = -12.0
    for row, column, logit, half_px in faces:
        maps[:, 0, row, column] = logit
        maps[:, 1:5, row, column] = float(np.log(half_px / 16.0))
        maps[:, 5:, row, column] = torch.tensor(FRONT).flatten()
    return maps


class MapsNet(DetectorNet):
    """Always answers the same: a small face that is surer, and a large one."""

    def forward(self, pixels_BCHW: Tensor) -> Tensor:
        batch, _, height, width = pixels_BCHW.shape
        faces = ((6, 6, 4.0, 10.0), (14, 16, 2.0, 24.0))
        return _maps(*faces, rows=height // 4, columns=width // 4, batch=batch)


def _nets(variant: str) -> tuple[DetectorNet, RefinerNet, EmbedderNet]:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return DetectorNet(variant), RefinerNet(variant), EmbedderNet(variant)


def _vendor(name: str = "toon-a", detector: DetectorNet | None = None) -> ToonFaces:
    real, refiner, embedder = _nets(name)
    for parameter in refiner.read[-1].parameters():
        nn.init.zeros_(parameter)  # landmarks stay as the maps say
    return ToonFaces(name, detector or real, refiner, embedder, "0" * 64)


def _tensors(variant: str) -> dict[str, Tensor]:
    return {
        f"{part}.{name}": value.half().contiguous()
        for part, net in zip(("detector", "refiner", "embedder"), _nets(variant), strict=True)
        for name, value in net.state_dict().items()
        if value.is_floating_point()
    }


@pytest.fixture
def weights_dir(tmp_path: Path) -> Path:
    save_file(_tensors("toon-a"), tmp_path / "toon-a.safetensors")
    return tmp_path


def test_a_peak_becomes_a_face() -> None:
    ((face,),) = decode_detections(_maps((10, 8, 6.0, 20.0)))
    center = np.array([8.5 * 4 - 0.5, 10.5 * 4 - 0.5])
    expected = np.concatenate([center - 20.0, center + 20.0])
    np.testing.assert_allclose(face.box_xyxy_px, expected, atol=0.05)
    np.testing.assert_allclose(face.landmarks_px, center + 20.0 * np.array(FRONT), atol=0.05)
    assert face.score == pytest.approx(float(torch.tensor(6.0).sigmoid()))
    assert face.box_xyxy_px.dtype == face.landmarks_px.dtype == np.float32


def test_faces_come_surest_first() -> None:
    ((first, second),) = decode_detections(_maps((5, 5, 1.0, 12.0), (18, 18, 5.0, 12.0)))
    assert first.score > second.score
    assert first.box_xyxy_px[0] > second.box_xyxy_px[0]


def test_one_face_is_found_once() -> None:
    ((face,),) = decode_detections(_maps((10, 10, 5.0, 20.0), (10, 12, 3.0, 20.0)))
    assert face.score > 0.99


def test_doubtful_peaks_are_left_out() -> None:
    maps = _maps((10, 10, -1.0, 20.0))
    assert decode_detections(maps) == [()]
    assert len(decode_detections(maps, min_score=0.2)[0]) == 1


def test_at_most_so_many_faces() -> None:
    many = [(row, column, 5.0, 4.0) for row in (3, 12, 20) for column in (3, 12, 20)]
    assert len(decode_detections(_maps(*many))[0]) == 8
    assert len(decode_detections(_maps(*many), max_faces=2)[0]) == 2


def test_each_picture_has_its_own_faces() -> None:
    maps = torch.cat([_maps(), _maps((10, 10, 5.0, 20.0))])
    nobody, somebody = decode_detections(maps)
    assert nobody == ()
    assert len(somebody) == 1


def test_a_face_at_the_edge_is_read() -> None:
    ((face,),) = decode_detections(_maps((0, 23, 5.0, 20.0)))
    assert np.isfinite(face.landmarks_px).all()


def test_both_protocols() -> None:
    vendor = _vendor()
    assert isinstance(vendor, FaceDetector)
    assert isinstance(vendor, IdentityEncoder)


def test_detect_sorts_by_size_and_keeps_the_order_of_pictures() -> None:
    vendor = _vendor(detector=MapsNet("toon-a"))
    shapes = ((96, 96), (96, 176), (96, 96), (224, 224))
    images = [np.full((*shape, 3), 90, np.uint8) for shape in shapes]
    found = vendor.detect(images)
    assert [len(faces) for faces in found] == [2, 2, 2, 2]
    for large, small in found:
        assert large.height_px > small.height_px
        assert large.score < small.score
    np.testing.assert_array_equal(found[0][0].box_xyxy_px, found[2][0].box_xyxy_px)
    # a large picture is shrunk to half for the net, and its faces are grown back
    assert found[3][0].height_px == pytest.approx(2.0 * found[0][0].height_px, rel=1e-3)


def test_detect_nothing() -> None:
    assert _vendor().detect([]) == []


def _crop(seed: int) -> FaceCrop:
    pixels = np.random.default_rng(seed).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    face = Face(
        box_xyxy_px=np.array([0, 0, 64, 64], np.float32),
        landmarks_px=np.zeros((5, 2), np.float32),
        score=1.0,
    )
    return FaceCrop(pixels=pixels, face=face, source="")


@pytest.mark.parametrize("name", TOON_NAMES)
def test_encode_gives_unit_rows(name: str) -> None:
    vendor = _vendor(name)
    vectors = vendor.encode([_crop(seed) for seed in range(3)])
    assert vectors.shape == (3, EMBEDDING_DIM)
    assert vectors.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1.0, atol=1e-5)
    np.testing.assert_allclose(vendor.encode([_crop(1)])[0], vectors[1], atol=1e-5)


def test_encode_nothing() -> None:
    assert _vendor().encode([]).shape == (0, EMBEDDING_DIM)


@pytest.mark.parametrize("name", TOON_NAMES)
def test_embed_is_differentiable(name: str) -> None:
    vendor = _vendor(name)
    pixels = torch.rand(2, 3, CROP_SIZE_PX, CROP_SIZE_PX, requires_grad=True)
    vectors = vendor.embed(pixels)
    (gradient,) = torch.autograd.grad(vectors[:, 0].sum(), pixels)
    assert (gradient.abs().sum((1, 2, 3)) > 0).all()
    torch.testing.assert_close(vectors.norm(dim=1), torch.ones(2))


def test_embed_and_encode_agree() -> None:
    vendor, crop = _vendor(), _crop(0)
    pixels = torch.from_numpy(crop.pixels).permute(2, 0, 1)[None] / 127.5 - 1.0
    np.testing.assert_allclose(vendor.embed(pixels).numpy(), vendor.encode([crop]), atol=1e-5)


def test_a_file_is_loaded_and_digested(weights_dir: Path) -> None:
    faces = load_toon_faces("toon-a", weights_dir)
    content = (weights_dir / "toon-a.safetensors").read_bytes()
    assert faces.digest == hashlib.sha256(content).hexdigest()
    stored = _tensors("toon-a")
    for name, value in faces.embedder_state().items():
        if value.is_floating_point():
            assert torch.equal(value, stored[f"embedder.{name}"].float())


def test_an_unknown_name_lists_the_known(weights_dir: Path) -> None:
    with pytest.raises(WeightsMissing, match=r"toon-c: no such .* expected one of toon-a, toon-b"):
        load_toon_faces("toon-c", weights_dir)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(WeightsMissing, match=r"toon-b\.safetensors: not found; restore it"):
        load_toon_faces("toon-b", tmp_path)


@pytest.mark.parametrize("keep", [0, 7, 100_000])
def test_a_damaged_file_is_named(weights_dir: Path, keep: int) -> None:
    path = weights_dir / "toon-a.safetensors"
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(ChecksumMismatch, match=r"toon-a\.safetensors: damaged \("):
        load_toon_faces("toon-a", weights_dir)


def test_flipped_bits_are_noticed_where_a_manifest_knows_better(weights_dir: Path) -> None:
    path = weights_dir / "toon-a.safetensors"
    write_manifest(weights_dir, licence="Apache-2.0", commands={})
    load_toon_faces("toon-a", weights_dir)
    content = bytearray(path.read_bytes())
    content[-3] ^= 4
    path.write_bytes(content)
    with pytest.raises(ChecksumMismatch, match=r"toon-a\.safetensors: sha256 .*; restore it"):
        load_toon_faces("toon-a", weights_dir)


def test_the_file_of_the_other_variant_is_named(weights_dir: Path) -> None:
    (weights_dir / "toon-a.safetensors").rename(weights_dir / "toon-b.safetensors")
    with pytest.raises(
        ChecksumMismatch, match=r"toon-b\.safetensors: \d+ tensors are missing, unknown"
    ):
        load_toon_faces("toon-b", weights_dir)


def test_a_file_that_lacks_tensors_is_named(tmp_path: Path) -> None:
    tensors = _tensors("toon-a")
    del tensors["embedder.project.bias"]
    save_file(tensors, tmp_path / "toon-a.safetensors")
    with pytest.raises(
        ChecksumMismatch, match=r"toon-a\.safetensors: 1 tensors .* embedder\.project\.bias"
    ):
        load_toon_faces("toon-a", tmp_path)
