"""The cache of latents: what it holds of a drawn shard, and that it is read back unchanged."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch

from facekit.toon.corpus import build_shard, load_shard
from facekit.toon.fitting import CPU
from facekit.toon.text import MAX_TOKENS
from facekit.toon.vae import new_vae
from facekit.training.latents import LatentShard, cache_shard
from tests.tiny.far_device import FAR, far_device
from tests.tiny.training import DIM, TinyFaces

COUNT = 5


@pytest.fixture(scope="module")
def corpus_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("shard")
    build_shard(folder, aspect="1:1", num_frames=1, num_samples=COUNT, num_characters=3, seed=1)
    return folder


def _cache(corpus_folder: Path, path: Path, device: torch.device = CPU) -> LatentShard:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        vae = new_vae().to(device)
    return cache_shard(corpus_folder, path, vae, TinyFaces().to(device))


def test_a_shard_is_cached_with_everything_a_batch_needs(
    corpus_folder: Path, tmp_path: Path
) -> None:
    cached = _cache(corpus_folder, tmp_path / "x.npz")
    shard = load_shard(corpus_folder)
    alone = (shard.seeds[:, 0] >= 0) & (shard.seeds[:, 1] < 0)
    assert cached.latents.shape == (COUNT, 16, 1, 12, 12)
    assert cached.latents.dtype == np.float16
    assert cached.embeddings.shape == (COUNT, DIM)
    assert np.array_equal(np.isfinite(cached.embeddings).all(1), shard.seeds[:, 0] >= 0)
    assert np.array_equal(cached.seeds, np.where(alone, shard.seeds[:, 0], -1))
    assert not (cached.is_photo & ~alone).any()
    assert cached.token_ids.shape == (COUNT, 2, MAX_TOKENS)
    assert (cached.token_ids == 1).any(-1).all(), "every caption ends"
    assert np.array_equal(cached.faces, shard.faces, equal_nan=True)
    assert np.array_equal(cached.attributes, shard.attributes)


def test_a_clip_keeps_the_faces_of_its_latent_frames(tmp_path: Path) -> None:
    folder = tmp_path / "clips"
    build_shard(folder, aspect="1:1", num_frames=9, num_samples=2, num_characters=2, seed=1)
    cached = _cache(folder, tmp_path / "x.npz")
    assert cached.latents.shape[2] == cached.faces.shape[1] == 5
    assert np.array_equal(cached.faces, load_shard(folder).faces[:, ::2], equal_nan=True)


def test_another_device_gives_the_same(corpus_folder: Path, tmp_path: Path) -> None:
    near = _cache(corpus_folder, tmp_path / "near.npz")
    with far_device():
        far = _cache(corpus_folder, tmp_path / "far.npz", FAR)
    for name in ("latents", "embeddings"):
        one, other = getattr(near, name), getattr(far, name)
        np.testing.assert_allclose(one, other, rtol=1e-2, atol=1e-2)


def test_it_is_read_back_unchanged(corpus_folder: Path, tmp_path: Path) -> None:
    first = _cache(corpus_folder, tmp_path / "x.npz")
    again = _cache(tmp_path / "no corpus", tmp_path / "x.npz")
    for field in dataclasses.fields(first):
        one, two = getattr(first, field.name), getattr(again, field.name)
        assert np.array_equal(one, two, equal_nan=one.dtype.kind == "f")
    assert [path.name for path in tmp_path.iterdir()] == ["x.npz"]
