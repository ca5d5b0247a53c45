"""The toon VAE: a small `AutoencoderKLWan` with just one step that looks across frames.

Shapes: B clips, F frames, T latent frames, H and W height and width, h and w latent ones.
"""

import contextlib
from collections.abc import Iterator

import numpy as np
import torch
import torch.nn.functional as F
from diffusers import AutoencoderKLWan
from diffusers.models.autoencoders.autoencoder_kl_wan import WanCausalConv3d, unpatchify
from torch import Tensor

from facekit.toon.corpus import Shard, sample_images

__all__ = [
    "PATCH",
    "decode_unclamped",
    "encode_mean",
    "framewise",
    "new_vae",
    "psnr_db",
    "set_latent_statistics",
    "to_video",
]

PATCH = 4
"""Pixels along each side of what the outermost convolutions see as one position."""


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


def to_video(images_BFHW3: Tensor) -> Tensor:
    """Turn uint8 pictures into float32 (B, 3, F, H, W) in [-1, 1]."""
    return images_BFHW3.permute(0, 4, 1, 2, 3).float() / 127.5 - 1.0


def encode_mean(vae: AutoencoderKLWan, video: Tensor) -> Tensor:
    """Encode (B, 3, F, H, W) in [-1, 1] into means (B, 16, T, H/8, W/8), not normalised."""
    vae.clear_cache()
    parameters: Tensor = vae._encode(video)
    return parameters[:, :16]


@torch.no_grad()
def set_latent_statistics(vae: AutoencoderKLWan, shard: Shard, *, num_samples: int = 256) -> None:
    """Measure mean and deviation of each latent channel and write them into the configuration."""
    rng = np.random.default_rng(0)
    with framewise():
        latents = encode_mean(vae, _video_of(vae, sample_images(shard, rng, num_samples, 1)))
    vae.register_to_config(
        latents_mean=[round(float(v), 5) for v in latents.mean((0, 2, 3, 4))],
        latents_std=[round(float(v), 5) for v in latents.std((0, 2, 3, 4))],
    )


@torch.no_grad()
def psnr_db(vae: AutoencoderKLWan, images: np.ndarray) -> float:
    """Return the mean PSNR in decibels over clips uint8 (N, F, H, W, 3), clamped as is stock."""
    values = []
    for start in range(0, len(images), 16):
        video = _video_of(vae, images[start : start + 16])
        vae.clear_cache()
        decoded = vae.decode(vae.encode(video).latent_dist.mode()).sample
        error = ((decoded - video) / 2.0).square().mean((1, 2, 3, 4))
        values.extend((-10.0 * torch.log10(error)).cpu().tolist())
    return float(np.mean(values))


def _video_of(vae: AutoencoderKLWan, images: np.ndarray) -> Tensor:
    return to_video(torch.from_numpy(np.array(images)).to(vae.device))
