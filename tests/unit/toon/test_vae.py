"""The toon VAE, untrained: what is faster is also equal, and all lengths go through stock calls."""

from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import AutoencoderKLWan
from diffusers.models.autoencoders.autoencoder_kl_wan import WanCausalConv3d
from torch import Tensor

from facekit.toon.corpus import load_shard
from facekit.toon.vae import (
    decode_unclamped,
    encode_mean,
    framewise,
    new_vae,
    psnr_db,
    set_latent_statistics,
)
from tests.tiny.far_device import FAR, far_device


def _vae() -> AutoencoderKLWan:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return new_vae()


@pytest.fixture(scope="module")
def vae() -> AutoencoderKLWan:
    return _vae().requires_grad_(False)


def _video(num_frames: int, size: tuple[int, int] = (32, 48)) -> Tensor:
    generator = torch.Generator().manual_seed(num_frames)
    return torch.rand(2, 3, num_frames, *size, generator=generator) * 2.0 - 1.0


@pytest.mark.parametrize("num_frames", [1, 5])
def test_framewise_equals_the_stock_forward(vae: AutoencoderKLWan, num_frames: int) -> None:
    stock = WanCausalConv3d.forward
    video = _video(num_frames)
    latents = encode_mean(vae, video)
    decoded = decode_unclamped(vae, latents)
    with framewise():
        assert WanCausalConv3d.forward is not stock
        torch.testing.assert_close(encode_mean(vae, video), latents, rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(decode_unclamped(vae, latents), decoded, rtol=1e-4, atol=1e-5)
    assert WanCausalConv3d.forward is stock


def test_framewise_ends_with_an_error_too() -> None:
    stock = WanCausalConv3d.forward
    with pytest.raises(KeyError), framewise():
        raise KeyError
    assert WanCausalConv3d.forward is stock


@pytest.mark.parametrize("num_frames", [1, 5, 9, 17])
def test_stock_calls_take_all_lengths(vae: AutoencoderKLWan, num_frames: int) -> None:
    video = _video(num_frames, (32, 32))
    latents = vae.encode(video).latent_dist.mode()
    assert latents.shape == (2, 16, (num_frames + 1) // 2, 4, 4)
    torch.testing.assert_close(latents, encode_mean(vae, video))
    assert vae.decode(latents).sample.shape == video.shape


@pytest.fixture(scope="module")
def loud_vae() -> AutoencoderKLWan:
    """One whose decoder reaches beyond [-1, 1]."""
    vae = _vae().requires_grad_(False)
    vae.decoder.conv_out.weight.mul_(4.0)
    return vae


@pytest.mark.parametrize("num_latents", [1, pytest.param(3, marks=pytest.mark.slow)])
def test_decode_unclamped_is_the_stock_decode_inside_the_range(
    loud_vae: AutoencoderKLWan, num_latents: int
) -> None:
    latents = torch.randn(1, 16, num_latents, 4, 4, generator=torch.Generator().manual_seed(1))
    free, stock = decode_unclamped(loud_vae, latents), loud_vae.decode(latents).sample
    inside = free.abs() <= 1.0
    assert 0.1 < inside.float().mean() < 0.9
    assert torch.equal(free[inside], stock[inside])
    assert torch.equal(free.clamp(-1.0, 1.0), stock)


def test_gradients_survive_beyond_the_range(loud_vae: AutoencoderKLWan) -> None:
    generator = torch.Generator().manual_seed(1)
    latents = torch.randn(1, 16, 1, 4, 4, generator=generator).requires_grad_()
    free = decode_unclamped(loud_vae, latents)
    (gradient,) = torch.autograd.grad(free[free.abs() > 1.0].sum(), latents)
    assert gradient.abs().sum() > 0


def test_the_posterior_is_a_point(vae: AutoencoderKLWan) -> None:
    posterior = vae.encode(_video(1)).latent_dist
    assert float(posterior.std.max()) < 0.01


def test_latent_statistics_are_measured(corpus: Path) -> None:
    vae = _vae()
    set_latent_statistics(vae, load_shard(corpus / "1x1_1"), num_samples=4)
    assert len(vae.config.latents_mean) == len(vae.config.latents_std) == 16
    assert all(value > 0.0 for value in vae.config.latents_std)
    assert vae.config.latents_std != [1.0] * 16


def test_pictures_go_where_the_vae_is(corpus: Path) -> None:
    near, shard = _vae(), load_shard(corpus / "1x1_1")
    images = shard.images[:1, :, :32, :32]
    set_latent_statistics(near, shard, num_samples=2)
    with far_device():
        far = _vae().to(FAR)
        set_latent_statistics(far, shard, num_samples=2)
        assert psnr_db(far, images) == pytest.approx(psnr_db(near, images), rel=1e-3)
    assert far.config.latents_std == pytest.approx(near.config.latents_std, rel=1e-3, abs=1e-4)


def test_psnr_reads_memory_maps(vae: AutoencoderKLWan, corpus: Path) -> None:
    images = load_shard(corpus / "1x1_1").images[:2, :, :32, :32]
    assert not images.flags.writeable
    assert np.isfinite(psnr_db(vae, images))
