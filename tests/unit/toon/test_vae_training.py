"""The training of the toon VAE: what it changes, and that no device matters."""

from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers import AutoencoderKLWan

from facekit.faces.toon import ToonFaces
from facekit.faces.toon_nets import DetectorNet, EmbedderNet, RefinerNet
from facekit.toon import vae_training
from facekit.toon.vae import new_vae
from facekit.toon.vae_training import refine_vae, train_vae
from tests.tiny.far_device import assert_same_far_away


def _vae() -> AutoencoderKLWan:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return new_vae()


@pytest.fixture(autouse=True)
def _small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two pictures and one piece of a clip in a step, so that it takes little time."""
    real = vae_training._pick

    def pick(*given: Any, **how: Any) -> Any:
        few = {"picture": 2, "clip": 1}
        return [(kind, shard, few[kind], num) for kind, shard, _, num in real(*given, **how)]

    monkeypatch.setattr(vae_training, "_pick", pick)


@pytest.fixture
def faces() -> ToonFaces:
    torch.manual_seed(0)
    name = "toon-a"
    return ToonFaces(name, DetectorNet(name), RefinerNet(name), EmbedderNet(name), "0" * 64)


def test_refining_with_a_frozen_encoder_fits_the_decoder_alone(
    corpus: Path, tmp_path: Path, faces: ToonFaces
) -> None:
    vae, before = _vae(), _vae()
    refine_vae(vae, corpus, tmp_path / "x.pt", faces, steps=1, freeze_encoder=True)
    changed = {
        key.split(".")[0]
        for key, value in vae.state_dict().items()
        if not torch.equal(value, before.state_dict()[key])
    }
    assert changed == {"decoder", "post_quant_conv"}


@pytest.mark.slow
def test_another_device_gives_the_same(corpus: Path, tmp_path: Path) -> None:
    def train(path: Path, steps: int, device: torch.device) -> None:
        train_vae(corpus, path, steps=steps, device=device)

    assert_same_far_away(train, tmp_path)


@pytest.mark.slow
def test_refining_on_another_device_gives_the_same(
    corpus: Path, tmp_path: Path, faces: ToonFaces
) -> None:
    def train(path: Path, steps: int, device: torch.device) -> None:
        refine_vae(_vae(), corpus, path, faces.to(device), steps=steps, device=device)

    assert_same_far_away(train, tmp_path)
