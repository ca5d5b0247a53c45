"""The training of the face encoders: one step of each, and a detector loss that perfection ends."""

import json
import math
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from facekit.faces.toon_nets import STRIDE, DetectorNet, EmbedderNet, RefinerNet
from facekit.toon.corpus import load_shard
from facekit.toon.crops import CropSource
from facekit.toon.encoders import (
    Recogniser,
    detector_losses,
    train_detector,
    train_embedder,
    train_refiner,
)
from tests.tiny.far_device import assert_same_far_away

NUM_CHARACTERS = 48
VARIANTS = ("toon-a", "toon-b")


def _assert_one_step(fitted: nn.Module, fresh: nn.Module, path: Path, names: set[str]) -> None:
    line = json.loads(path.with_suffix(".jsonl").read_text())
    assert names <= set(line)
    assert all(math.isfinite(line[name]) for name in names)
    pairs = zip(fitted.parameters(), fresh.parameters(), strict=True)
    assert any(not torch.equal(a, b) for a, b in pairs)
    assert all(torch.isfinite(p).all() for p in fitted.parameters())


@pytest.mark.parametrize("variant", VARIANTS)
def test_one_step_of_a_detector(corpus: Path, tmp_path: Path, variant: str) -> None:
    path = tmp_path / "x.pt"
    net = train_detector(variant, corpus, path, steps=1)
    _assert_one_step(net, DetectorNet(variant), path, {"center", "box", "points"})


@pytest.mark.parametrize("variant", VARIANTS)
def test_one_step_of_a_refiner(corpus: Path, tmp_path: Path, variant: str) -> None:
    path = tmp_path / "x.pt"
    net = train_refiner(variant, corpus, path, steps=1)
    _assert_one_step(net, RefinerNet(variant), path, {"points"})


@pytest.mark.parametrize("variant", VARIANTS)
def test_one_step_of_an_embedder(corpus: Path, tmp_path: Path, variant: str) -> None:
    path = tmp_path / "x.pt"
    net = train_embedder(variant, corpus, path, num_characters=NUM_CHARACTERS, steps=1)
    _assert_one_step(net, EmbedderNet(variant), path, {"contrast", "parameters"})


@pytest.mark.parametrize(
    "train",
    [
        pytest.param(train_detector, id="detector", marks=pytest.mark.slow),
        pytest.param(train_refiner, id="refiner"),
        pytest.param(
            partial(train_embedder, num_characters=NUM_CHARACTERS),
            id="embedder",
            marks=pytest.mark.slow,
        ),
    ],
)
def test_another_device_gives_the_same(
    corpus: Path, tmp_path: Path, train: Callable[..., nn.Module]
) -> None:
    def one(path: Path, steps: int, device: torch.device) -> None:
        train("toon-a", corpus, path, steps=steps, device=device)

    assert_same_far_away(one, tmp_path)


def test_a_recogniser_starts_from_its_own_seed() -> None:
    one, two = Recogniser("toon-a"), Recogniser("toon-a")
    pairs = zip(one.parameters(), two.parameters(), strict=True)
    assert all(torch.equal(a, b) for a, b in pairs)


def test_crops_show_the_characters_that_are_named(corpus: Path) -> None:
    source = CropSource([load_shard(corpus / "1x1_1")], NUM_CHARACTERS)
    pixels, seeds = source.sample(np.random.default_rng(0), num_characters=5, per_character=3)
    assert pixels.shape == (15, 3, 64, 64)
    assert pixels.min() >= -1.0
    assert pixels.max() <= 1.0
    assert len(set(seeds)) == 5
    assert all((seeds == seed).sum() == 3 for seed in seeds)


def _truth() -> Tensor:
    """Two pictures: one face of 32 x 40 px in the first, nobody in the second."""
    truth = torch.full((2, 3, 7, 2), float("nan"))
    center = torch.tensor([8.5 * STRIDE - 0.5, 10.5 * STRIDE - 0.5])
    half = torch.tensor([16.0, 20.0])
    truth[0, 0, 0], truth[0, 0, 1] = center - half, center + half
    marks = [[-7.0, -4.0], [7.0, -4.0], [0.0, 2.0], [-5.0, 9.0], [5.0, 9.0]]
    truth[0, 0, 2:] = center + torch.tensor(marks)
    return truth


def _perfect_maps(truth: Tensor, rows: int = 24, columns: int = 24) -> Tensor:
    maps = torch.zeros(2, 15, rows, columns)
    maps[:, 0] = -12.0
    maps[0, 0, 10, 8] = 12.0
    y, x = torch.meshgrid(torch.arange(rows), torch.arange(columns), indexing="ij")
    x, y = (x + 0.5) * STRIDE - 0.5, (y + 0.5) * STRIDE - 0.5
    (left, top), (right, bottom) = truth[0, 0, 0], truth[0, 0, 1]
    sides = torch.stack([x - left, y - top, right - x, bottom - y])
    maps[0, 1:5] = (sides.clamp(min=1.0) / 16.0).log()
    half = (bottom - top) / 2.0
    grid = torch.stack([x, y])
    maps[0, 5:] = ((truth[0, 0, 2:, :, None, None] - grid) / half).flatten(0, 1)
    return maps


def test_perfect_maps_have_no_loss() -> None:
    losses = detector_losses(_perfect_maps(_truth()), _truth())
    assert set(losses) == {"center", "box", "points"}
    assert losses["box"] < 1e-5
    assert losses["points"] < 1e-5
    assert losses["center"] < 1e-3


@pytest.mark.parametrize(
    ("channels", "name"), [(slice(0, 1), "center"), (slice(1, 5), "box"), (slice(5, 15), "points")]
)
def test_each_loss_sees_its_own_maps(channels: slice, name: str) -> None:
    maps = _perfect_maps(_truth())
    maps[:, channels] = 1.0
    losses = detector_losses(maps, _truth())
    assert losses[name] > 0.1
    assert sum(float(value) for key, value in losses.items() if key != name) < 2e-3


def test_pictures_without_faces_have_finite_losses() -> None:
    losses = detector_losses(_perfect_maps(_truth())[1:], _truth()[1:])
    assert all(float(value) < 1e-3 for value in losses.values())
