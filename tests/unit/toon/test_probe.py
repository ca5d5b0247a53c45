"""The probe: its inputs, its readings, one step of its training, and its file."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from facekit.errors import ChecksumMismatch, WeightsMissing
from facekit.toon import Drawing, ToonCharacter, draw, sample_scene
from facekit.toon.corpus import ATTRIBUTES
from facekit.toon.probe import (
    FACE_ATTRIBUTES,
    SCENE_ATTRIBUTES,
    ProbeNet,
    ToonProbe,
    head_input,
    load_probe,
    scene_input,
    train_probe,
)
from facekit.weights import write_manifest
from tests.tiny.drawn_faces import DrawnFaces
from tests.tiny.far_device import assert_same_far_away


def _net() -> ProbeNet:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return ProbeNet()


def _drawing(count: int, aspect: str = "1:1") -> Drawing:
    people = tuple(ToonCharacter.from_seed(1_000_100 + index) for index in range(count))
    return draw(sample_scene(people, np.random.default_rng(count), aspect=aspect))


@pytest.mark.parametrize(
    ("aspect", "size"), [("1:1", (48, 48)), ("16:9", (48, 88)), ("9:16", (88, 48))]
)
def test_scenes_shrink_to_one_short_side(aspect: str, size: tuple[int, int]) -> None:
    images = _drawing(1, aspect).image[None]
    images.setflags(write=False)
    pixels = scene_input(images)
    assert pixels.shape == (1, 3, *size)
    assert pixels.min() >= -1.0
    assert pixels.max() <= 1.0


def test_a_head_without_a_box_is_black() -> None:
    head = head_input(_drawing(0).image, None)
    assert head.shape == (1, 3, 64, 64)
    assert (head == -1.0).all()


def test_a_head_is_cut_around_its_box() -> None:
    image = np.zeros((96, 96, 3), np.uint8)
    image[40:60, 30:50] = 255
    head = head_input(image, np.array([30, 40, 50, 60], np.float32))[0, 0]
    white = (head > 0).float()
    share = 1.0 / 1.9  # of the crop's side, each way
    assert white.mean() == pytest.approx(share**2, abs=0.03)
    rows, columns = torch.nonzero(white, as_tuple=True)
    assert columns.float().mean() == pytest.approx(31.5, abs=1.0)
    assert rows.float().mean() > 31.5, "there is more room above the face than below"


def test_readings_are_values_or_none_without_a_face() -> None:
    drawings = [_drawing(1), _drawing(0)]
    probe = ToonProbe(_net(), DrawnFaces(drawings))
    somebody, nobody = probe.read([drawing.image for drawing in drawings])
    assert set(somebody) == {*SCENE_ATTRIBUTES, *FACE_ATTRIBUTES}
    for name, value in somebody.items():
        assert value in ATTRIBUTES[name]
    for name in SCENE_ATTRIBUTES:
        assert nobody[name] in ATTRIBUTES[name]
    assert all(nobody[name] is None for name in FACE_ATTRIBUTES)


def test_a_picture_is_read_alike_among_others() -> None:
    drawings = [_drawing(1), _drawing(1, "16:9")]
    probe = ToonProbe(_net(), DrawnFaces(drawings))
    together = probe.read([drawing.image for drawing in drawings])
    assert together == [probe.read([drawing.image])[0] for drawing in drawings]


def test_one_step_of_training(corpus: Path, tmp_path: Path) -> None:
    net = train_probe(corpus, tmp_path / "probe.pt", steps=1)
    line = json.loads((tmp_path / "probe.jsonl").read_text())
    assert all(math.isfinite(line[name]) for name in (*SCENE_ATTRIBUTES, *FACE_ATTRIBUTES))
    assert all(torch.isfinite(parameter).all() for parameter in net.parameters())


@pytest.mark.slow
def test_another_device_gives_the_same(corpus: Path, tmp_path: Path) -> None:
    def train(path: Path, steps: int, device: torch.device) -> None:
        train_probe(corpus, path, steps=steps, device=device)

    assert_same_far_away(train, tmp_path)


def test_the_shipped_file_is_half_precision(tmp_path: Path) -> None:
    net = _net()
    floats = {k: v.half() for k, v in net.state_dict().items() if v.is_floating_point()}
    save_file(floats, tmp_path / "probe.safetensors")
    drawing = _drawing(1)
    faces = DrawnFaces([drawing])
    loaded = load_probe(faces, tmp_path)
    net.load_state_dict({k: v.float() for k, v in floats.items()}, strict=False)
    assert loaded.read([drawing.image]) == ToonProbe(net, faces).read([drawing.image])


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(WeightsMissing, match=r"probe\.safetensors: not found; restore"):
        load_probe(DrawnFaces(), tmp_path)


def test_a_damaged_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "probe.safetensors").write_bytes(b"not a file of tensors")
    with pytest.raises(ChecksumMismatch, match=r"probe\.safetensors: damaged"):
        load_probe(DrawnFaces(), tmp_path)


def test_flipped_bits_are_noticed_where_a_manifest_knows_better(tmp_path: Path) -> None:
    path = tmp_path / "probe.safetensors"
    state = {name: x for name, x in _net().state_dict().items() if x.is_floating_point()}
    save_file(state, path)
    write_manifest(tmp_path, licence="Apache-2.0", commands={})
    load_probe(DrawnFaces(), tmp_path)
    content = bytearray(path.read_bytes())
    content[-3] ^= 4
    path.write_bytes(content)
    with pytest.raises(ChecksumMismatch, match=r"probe\.safetensors: sha256 .*; restore it"):
        load_probe(DrawnFaces(), tmp_path)
