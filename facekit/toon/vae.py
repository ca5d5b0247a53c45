"""Build the toon VAE: a small `AutoencoderKLWan` whose frames do not look at one another but for one temporal step."""

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from diffusers import AutoencoderKLWan
from diffusers.models.autoencoders.autoencoder_kl_wan import WanCausalConv3d, unpatchify
from torch import Tensor

from facekit.toon.corpus import Shard, load_shard
from facekit.toon.fitting import FitSettings, fit

PATCH = 4
"""Pixels along each side of what the outermost convolutions see as one position."""

NOISE = 0.04
"""Standard deviation of the noise that is added to a latent before it is decoded in training."""


def new_vae() -> AutoencoderKLWan:
    """Make the untrained VAE: 16 channels, 8 x 8 pixels and 2 frames to a latent position."""
    vae = AutoencoderKLWan(
        base_dim=48,
        decoder_base_dim=80,
        z_dim=16,
        dim_mult=[1, 1],
        num_res_blocks=1,
        temperal_downsample=[True],
        latents_mean=[0.0] * 16,
        latents_std=[1.0] * 16,
        is_residual=True,
        in_channels=48,
        out_channels=48,
        patch_size=PATCH,
        scale_factor_temporal=2,
        scale_factor_spatial=8,
    )
    with torch.no_grad():
        for module in vae.modules():
            if isinstance(module, WanCausalConv3d) and module.kernel_size == (3, 3, 3):
                module.weight[:, :, :2] = 0.0
        # The posterior is a point: its log-variance is constant.
        vae.quant_conv.weight[16:] = 0.0
        vae.quant_conv.bias[16:] = -12.0
    return vae


@contextlib.contextmanager
def framewise() -> Iterator[None]:
    """Run the 3x3x3 convolutions as 3x3 ones over single frames: equal while their first two taps are zero, and faster."""
    original = WanCausalConv3d.forward

    def forward(self: WanCausalConv3d, x: Tensor, cache_x: Tensor | None = None) -> Tensor:
        if self.kernel_size != (3, 3, 3):
            return original(self, x, cache_x)
        batch, channels, frames, height, width = x.shape
        flat = x.transpose(1, 2).reshape(batch * frames, channels, height, width)
        out = F.conv2d(flat, self.weight[:, :, 2], self.bias, padding=1)
        return out.reshape(batch, frames, -1, height, width).transpose(1, 2)

    WanCausalConv3d.forward = forward  # type: ignore[method-assign]
    try:
        yield
    finally:
        WanCausalConv3d.forward = original  # type: ignore[method-assign]


def decode_unclamped(vae: AutoencoderKLWan, latents: Tensor) -> Tensor:
    """Decode latents (B, 16, T, h, w) through the decoder without the clamp, so that gradients do not die."""
    vae.clear_cache()
    x = vae.post_quant_conv(latents)
    frames = []
    for index in range(x.shape[2]):
        vae._conv_idx = [0]
        frames.append(
            vae.decoder(x[:, :, index : index + 1], feat_cache=vae._feat_map, feat_idx=vae._conv_idx, first_chunk=index == 0)
        )
    vae.clear_cache()
    return unpatchify(torch.cat(frames, 2), patch_size=PATCH)


def encode_mean(vae: AutoencoderKLWan, video: Tensor) -> Tensor:
    """Encode (B, 3, F, H, W) in [-1, 1] into posterior means (B, 16, T, H/8, W/8), not normalised."""
    vae.clear_cache()
    return vae._encode(video)[:, :16]


def train_vae(
    corpus: Path,
    checkpoint_path: Path,
    *,
    steps: int,
    seed: int = 0,
    encoder_from: AutoencoderKLWan | None = None,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
) -> AutoencoderKLWan:
    """Fit the VAE on pictures of all aspects and on five-frame pieces of clips; resumable.

    Args:
        corpus: Folder with the shards.
        checkpoint_path: Where training state is kept.
        steps: Optimiser steps; each sees 16 pictures and 3 pieces of clips.
        seed: Seed of initialisation and sampling.
        encoder_from: A trained VAE to go on from with its encoder frozen, so that latents which others have been
            trained on stay valid while the decoder improves.
        on_progress: Called with (done, total).
    """
    torch.manual_seed(seed)
    vae = new_vae()
    _freeze_unused(vae)
    if encoder_from is not None:
        vae.load_state_dict(encoder_from.state_dict())
        vae.encoder.requires_grad_(False)
    pictures = [load_shard(corpus / name) for name in ("1x1_1", "16x9_1", "9x16_1")]
    clips = [load_shard(corpus / name) for name in ("1x1_9", "16x9_9", "9x16_9")]

    def losses_of(step: int) -> dict[str, Tensor]:
        rng = np.random.default_rng([seed, step, 0xAE])
        losses = {}
        aspect = int(rng.choice(3, p=(0.8, 0.1, 0.1)))
        for name, shard, count, frames in (("picture", pictures[aspect], 16, 1), ("clip", clips[aspect], 3, 5)):
            video = _batch(shard, rng, count, frames)
            with framewise(), torch.autocast("cpu", dtype=torch.bfloat16):
                latents = encode_mean(vae, video)
                noisy = latents + NOISE * torch.from_numpy(rng.standard_normal(latents.shape, np.float32))
                difference = decode_unclamped(vae, noisy).float() - video
            size = (latents.float() ** 2).mean()
            losses[f"{name}_mse"] = 10.0 * (difference**2).mean() + 0.5 * difference.abs().mean()
            losses[f"{name}_size"] = 0.01 * (size - 1.0).clamp(min=0.0)
        return losses

    rate = 2e-3 if encoder_from is None else 1.2e-3
    settings = FitSettings(steps=steps, lr=rate, warmup=200, ema=0.998, final=0.01, weight_decay=0.0)
    fit(vae, losses_of, settings, checkpoint_path, on_progress=on_progress)
    return vae


@torch.no_grad()
def set_latent_statistics(vae: AutoencoderKLWan, shard: Shard, *, num_samples: int = 256) -> None:
    """Measure mean and standard deviation of each latent channel and write them into the VAE's configuration."""
    rng = np.random.default_rng(0)
    with framewise():
        latents = encode_mean(vae, _batch(shard, rng, num_samples, 1))
    vae.register_to_config(
        latents_mean=[round(float(v), 5) for v in latents.mean((0, 2, 3, 4))],
        latents_std=[round(float(v), 5) for v in latents.std((0, 2, 3, 4))],
    )


@torch.no_grad()
def psnr_db(vae: AutoencoderKLWan, images: np.ndarray) -> float:
    """Return the mean PSNR in decibels over clips uint8 (N, F, H, W, 3), decoded with the stock clamp."""
    values = []
    for start in range(0, len(images), 16):
        video = _to_video(images[start : start + 16])
        vae.clear_cache()
        decoded = vae.decode(vae.encode(video).latent_dist.mode()).sample
        error = ((decoded - video) / 2.0).square().mean((1, 2, 3, 4))
        values.extend((-10.0 * torch.log10(error)).tolist())
    return float(np.mean(values))


def _freeze_unused(vae: AutoencoderKLWan) -> None:
    vae.quant_conv.requires_grad_(False)
    with torch.no_grad():
        vae.quant_conv.weight[:16, :, 0, 0, 0] = torch.eye(32)[:16]
        vae.quant_conv.bias[:16] = 0.0


def _to_video(images: np.ndarray) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(images)).permute(0, 4, 1, 2, 3).float() / 127.5 - 1.0


def _batch(shard: Shard, rng: np.random.Generator, count: int, frames: int) -> Tensor:
    picks = np.sort(rng.integers(0, len(shard.images), count))
    start = int(rng.integers(0, shard.images.shape[1] - frames + 1))
    return _to_video(shard.images[picks, start : start + frames])
