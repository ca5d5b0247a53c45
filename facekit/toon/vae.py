"""Build the toon VAE: a small `AutoencoderKLWan` with just one step that looks across frames."""

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from diffusers import AutoencoderKLWan
from diffusers.models.autoencoders.autoencoder_kl_wan import WanCausalConv3d, unpatchify
from torch import Tensor

from facekit.faces.align import TEMPLATE_MARGIN, align_tensor, similarity_transform
from facekit.faces.protocols import IdentityEncoder
from facekit.faces.toon import CROP_SIZE_PX
from facekit.toon.corpus import Shard, load_shard
from facekit.toon.fitting import FitSettings, fit

__all__ = [
    "NOISE",
    "PATCH",
    "WINDOW_PX",
    "decode_unclamped",
    "encode_mean",
    "framewise",
    "new_vae",
    "psnr_db",
    "refine_vae",
    "set_latent_statistics",
    "train_vae",
]

WINDOW_PX = 64
"""Side of the windows around faces that `refine_vae` sees."""

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
        # The posterior is a point: means pass through, the log-variance is constant.
        vae.quant_conv.weight[:] = 0.0
        vae.quant_conv.weight[:16, :, 0, 0, 0] = torch.eye(32)[:16]
        vae.quant_conv.bias[:16] = 0.0
        vae.quant_conv.bias[16:] = -12.0
    vae.quant_conv.requires_grad_(False)
    return vae


@contextlib.contextmanager
def framewise() -> Iterator[None]:
    """Run the 3x3x3 convolutions as 3x3 ones over single frames.

    This is faster, and equal while their first two taps are zero.
    """
    original = WanCausalConv3d.forward

    def forward(self: WanCausalConv3d, x: Tensor, cache_x: Tensor | None = None) -> Tensor:
        if self.kernel_size != (3, 3, 3):
            result: Tensor = original(self, x, cache_x)
            return result
        batch, channels, frames, height, width = x.shape
        flat = x.transpose(1, 2).reshape(batch * frames, channels, height, width)
        out = F.conv2d(flat, self.weight[:, :, 2], self.bias, padding=1)
        return out.reshape(batch, frames, -1, height, width).transpose(1, 2)

    WanCausalConv3d.forward = forward
    try:
        yield
    finally:
        WanCausalConv3d.forward = original


def decode_unclamped(vae: AutoencoderKLWan, latents: Tensor) -> Tensor:
    """Decode latents (B, 16, T, h, w) without the clamp, so that gradients do not die."""
    vae.clear_cache()
    x = vae.post_quant_conv(latents)
    frames = []
    for index in range(x.shape[2]):
        vae._conv_idx = [0]
        frames.append(
            vae.decoder(
                x[:, :, index : index + 1],
                feat_cache=vae._feat_map,
                feat_idx=vae._conv_idx,
                first_chunk=index == 0,
            )
        )
    vae.clear_cache()
    video: Tensor = unpatchify(torch.cat(frames, 2), patch_size=PATCH)
    return video


def encode_mean(vae: AutoencoderKLWan, video: Tensor) -> Tensor:
    """Encode (B, 3, F, H, W) in [-1, 1] into means (B, 16, T, H/8, W/8), not normalised."""
    vae.clear_cache()
    parameters: Tensor = vae._encode(video)
    return parameters[:, :16]


def train_vae(
    corpus: Path,
    checkpoint_path: Path,
    *,
    steps: int,
    seed: int = 0,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
) -> AutoencoderKLWan:
    """Fit the VAE on pictures of all aspects and on five-frame pieces of clips; resumable.

    Args:
        corpus: Folder with the shards.
        checkpoint_path: Where training state is kept.
        steps: Optimiser steps; each sees 16 pictures and 3 pieces of clips.
        seed: Seed of initialisation and sampling.
        on_progress: Called with (done, total).
    """
    torch.manual_seed(seed)
    vae = new_vae()
    shards = _open(corpus)

    def losses_of(step: int) -> dict[str, Tensor]:
        rng = np.random.default_rng([seed, step, 0xAE])
        losses = {}
        for name, shard, count, frames in _pick(shards, rng, num_pictures=16):
            video = _batch(shard, rng, count, frames)
            latents, difference = _reconstruct(vae, video, rng)
            losses[f"{name}_mse"] = 10.0 * (difference**2).mean() + 0.5 * difference.abs().mean()
            losses[f"{name}_size"] = 0.01 * ((latents**2).mean() - 1.0).clamp(min=0.0)
        return losses

    settings = FitSettings(
        steps=steps, lr=2e-3, warmup=200, ema=0.998, final=0.01, weight_decay=0.0
    )
    fit(vae, losses_of, settings, checkpoint_path, on_progress=on_progress)
    return vae


def refine_vae(
    vae: AutoencoderKLWan,
    corpus: Path,
    checkpoint_path: Path,
    faces: IdentityEncoder,
    *,
    steps: int,
    freeze_encoder: bool = False,
    seed: int = 1,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
) -> None:
    """Go on with a trained VAE on windows around faces, for their identity's sake; resumable.

    Args:
        vae: A VAE of `train_vae`; changed in place.
        corpus: Folder with the shards.
        checkpoint_path: Where training state is kept.
        faces: Encoder whose embedding of a face must stay what it was; never the one that reports.
        steps: Optimiser steps.
        freeze_encoder: Fit the decoder alone, so that latents others were trained on stay valid.
        seed: Seed of the sampling.
        on_progress: Called with (done, total).
    """
    vae.encoder.requires_grad_(not freeze_encoder)
    shards = _open(corpus)

    def losses_of(step: int) -> dict[str, Tensor]:
        rng = np.random.default_rng([seed, step, 0xAF])
        losses = {}
        for name, shard, count, frames in _pick(shards, rng, num_pictures=20):
            video, weight, transforms = _windows(shard, rng, count, frames)
            latents, difference = _reconstruct(vae, video, rng)
            error = 10.0 * difference.square().mean(1) + 0.5 * difference.abs().mean(1)
            losses[f"{name}_mse"] = (error * weight).mean()
            losses[f"{name}_size"] = 0.01 * ((latents**2).mean() - 1.0).clamp(min=0.0)
            with torch.autocast("cpu", dtype=torch.bfloat16):
                before, after = (
                    faces.embed(align_tensor(x[:, :, 0], transforms, faces.crop_size_px))
                    for x in (video, video + difference)
                )
            losses[f"{name}_identity"] = 0.15 * (1.0 - (before.detach() * after).sum(-1)).mean()
        return losses

    settings = FitSettings(
        steps=steps, lr=1.5e-3, warmup=50, ema=0.995, final=0.01, weight_decay=0.0
    )
    fit(vae, losses_of, settings, checkpoint_path, on_progress=on_progress)


def _open(corpus: Path) -> tuple[list[Shard], list[Shard]]:
    """Open the pictures and the clips, square, wide and tall."""
    aspects = ("1x1", "16x9", "9x16")
    return [load_shard(corpus / f"{a}_1") for a in aspects], [
        load_shard(corpus / f"{a}_9") for a in aspects
    ]


def _pick(
    shards: tuple[list[Shard], list[Shard]], rng: np.random.Generator, *, num_pictures: int
) -> tuple[tuple[str, Shard, int, int], ...]:
    """Choose an aspect; return name, shard, count and frames of its pictures and its clips."""
    aspect = int(rng.choice(3, p=(0.8, 0.1, 0.1)))
    pictures, clips = shards
    return ("picture", pictures[aspect], num_pictures, 1), ("clip", clips[aspect], 3, 5)


def _reconstruct(
    vae: AutoencoderKLWan, video: Tensor, rng: np.random.Generator
) -> tuple[Tensor, Tensor]:
    """Return float32 latents and the difference of the decoded video, noise added in between."""
    with framewise(), torch.autocast("cpu", dtype=torch.bfloat16):
        latents = encode_mean(vae, video)
        noisy = latents + NOISE * torch.from_numpy(rng.standard_normal(latents.shape, np.float32))
        return latents.float(), decode_unclamped(vae, noisy).float() - video


def _windows(
    shard: Shard, rng: np.random.Generator, count: int, frames: int, side: int = WINDOW_PX
) -> tuple[Tensor, Tensor, Tensor]:
    """Cut square windows around first figures.

    Returns:
        Video (B, 3, F, side, side) in [-1, 1]; weights (B, F, side, side) that are higher on the
        face, with mean about one; and float32 (B, 2, 3) transforms from the window of frame 0 to
        the aligned crop.
    """
    start = int(rng.integers(0, shard.images.shape[1] - frames + 1))
    height, width = shard.images.shape[2:4]
    videos: list[np.ndarray] = []
    weights, transforms = [], []
    while len(videos) < count:
        index = int(rng.integers(len(shard.images)))
        face = np.asarray(shard.faces[index, start, 0])
        if not np.isfinite(face).all():
            continue
        center = (face[:2] + face[2:4]) / 2.0 + rng.normal(0.0, 5.0, 2)
        x, y = (
            int(np.clip(center[axis] - side / 2, 0, (width, height)[axis] - side))
            for axis in (0, 1)
        )
        points = (face[4:].reshape(5, 2) - (x, y)).astype(np.float32)
        videos.append(shard.images[index, start : start + frames, y : y + side, x : x + side])
        # Small faces count for as much as large ones.
        half = (face[2:4] - face[:2]) / 2.0
        middle = (face[:2] + face[2:4]) / 2.0 - (x, y)
        ys, xs = np.mgrid[:side, :side]
        inside = (((xs - middle[0]) / half[0]) ** 2 + ((ys - middle[1]) / half[1]) ** 2) < 1.2
        weight = 0.5 + inside * (0.5 * side * side / max(100.0, float(inside.sum())))
        weights.append(np.broadcast_to(np.minimum(weight, 8.0), (frames, side, side)))
        transforms.append(similarity_transform(points, CROP_SIZE_PX, TEMPLATE_MARGIN))
    video = torch.from_numpy(np.stack(videos)).permute(0, 4, 1, 2, 3).float() / 127.5 - 1.0
    return (
        video,
        torch.from_numpy(np.stack(weights)).float(),
        torch.from_numpy(np.stack(transforms)).float(),
    )


@torch.no_grad()
def set_latent_statistics(vae: AutoencoderKLWan, shard: Shard, *, num_samples: int = 256) -> None:
    """Measure mean and deviation of each latent channel and write them into the configuration."""
    rng = np.random.default_rng(0)
    with framewise():
        latents = encode_mean(vae, _batch(shard, rng, num_samples, 1))
    vae.register_to_config(
        latents_mean=[round(float(v), 5) for v in latents.mean((0, 2, 3, 4))],
        latents_std=[round(float(v), 5) for v in latents.std((0, 2, 3, 4))],
    )


@torch.no_grad()
def psnr_db(vae: AutoencoderKLWan, images: np.ndarray) -> float:
    """Return the mean PSNR in decibels over clips uint8 (N, F, H, W, 3), clamped as is stock."""
    values = []
    for start in range(0, len(images), 16):
        video = _to_video(images[start : start + 16])
        vae.clear_cache()
        decoded = vae.decode(vae.encode(video).latent_dist.mode()).sample
        error = ((decoded - video) / 2.0).square().mean((1, 2, 3, 4))
        values.extend((-10.0 * torch.log10(error)).tolist())
    return float(np.mean(values))


def _to_video(images: np.ndarray) -> Tensor:
    return torch.from_numpy(np.array(images)).permute(0, 4, 1, 2, 3).float() / 127.5 - 1.0


def _batch(shard: Shard, rng: np.random.Generator, count: int, frames: int) -> Tensor:
    picks = np.sort(rng.integers(0, len(shard.images), count))
    start = int(rng.integers(0, shard.images.shape[1] - frames + 1))
    return _to_video(shard.images[picks, start : start + frames])
