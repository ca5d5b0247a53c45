"""Train the toon VAE: on whole pictures first, then on windows around faces.

Shapes: B clips, F frames, T latent frames, H and W height and width, h and w latent ones.
"""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from diffusers import AutoencoderKLWan
from torch import Tensor

from facekit.faces.align import TEMPLATE_MARGIN, align_tensor, similarity_transform
from facekit.faces.protocols import IdentityEncoder
from facekit.faces.toon import CROP_SIZE_PX
from facekit.toon.corpus import Shard, load_shard, sample_images
from facekit.toon.fitting import CPU, Batch, FitSettings, fit
from facekit.toon.vae import decode_unclamped, encode_mean, framewise, new_vae, to_video

__all__ = ["NOISE", "WINDOW_PX", "refine_vae", "train_vae"]

WINDOW_PX = 64
"""Side of the windows around faces that `refine_vae` sees."""

NOISE = 0.04
"""Standard deviation of the noise that is added to a latent before it is decoded in training."""

_KINDS = ("picture", "clip")


def train_vae(
    corpus: Path,
    checkpoint_path: Path,
    *,
    steps: int,
    seed: int = 0,
    device: torch.device = CPU,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
) -> AutoencoderKLWan:
    """Fit the VAE on pictures of all aspects and on five-frame pieces of clips; resumable.

    Args:
        corpus: Folder with the shards.
        checkpoint_path: Where training state is kept.
        steps: Optimiser steps; each sees 16 pictures and 3 pieces of clips.
        seed: Seed of initialisation and sampling.
        device: Where it is fitted, and where the VAE is on return.
        on_progress: Called with (done, total).
    """
    torch.manual_seed(seed)
    vae = new_vae()
    shards = _open(corpus)

    def batch_of(step: int) -> dict[str, np.ndarray]:
        rng = np.random.default_rng([seed, step, 0xAE])
        batch: dict[str, np.ndarray] = {}
        for kind, shard, count, frames in _pick(shards, rng, num_pictures=16):
            images = sample_images(shard, rng, count, frames)
            batch |= {f"{kind}_images": images, f"{kind}_noise": _noise(images.shape, rng)}
        return batch

    def losses_of(step: int, batch: Batch) -> dict[str, Tensor]:
        losses = {}
        for kind in _KINDS:
            video = to_video(batch[f"{kind}_images"])
            latents, difference = _reconstruct(vae, video, batch[f"{kind}_noise"])
            losses[f"{kind}_mse"] = 10.0 * (difference**2).mean() + 0.5 * difference.abs().mean()
            losses[f"{kind}_size"] = 0.01 * ((latents**2).mean() - 1.0).clamp(min=0.0)
        return losses

    settings = FitSettings(
        steps=steps, lr=2e-3, warmup=200, ema=0.998, final=0.01, weight_decay=0.0
    )
    fit(
        vae,
        batch_of,
        losses_of,
        settings,
        checkpoint_path,
        device=device,
        on_progress=on_progress,
    )
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
    device: torch.device = CPU,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
) -> None:
    """Go on with a trained VAE on windows around faces, for their identity's sake; resumable.

    Args:
        vae: A VAE of `train_vae`; changed in place.
        corpus: Folder with the shards.
        checkpoint_path: Where training state is kept.
        faces: Encoder, on `device`, whose embedding of a face must stay what it was; never the one
            that reports.
        steps: Optimiser steps.
        freeze_encoder: Fit the decoder alone, so that latents others were trained on stay valid.
        seed: Seed of the sampling.
        device: Where it is fitted, and where the VAE is on return.
        on_progress: Called with (done, total).
    """
    vae.encoder.requires_grad_(not freeze_encoder)
    shards = _open(corpus)

    def batch_of(step: int) -> dict[str, np.ndarray]:
        rng = np.random.default_rng([seed, step, 0xAF])
        batch: dict[str, np.ndarray] = {}
        for kind, shard, count, frames in _pick(shards, rng, num_pictures=20):
            images, weights, transforms = _windows(shard, rng, count, frames)
            batch |= {
                f"{kind}_images": images,
                f"{kind}_weights": weights,
                f"{kind}_transforms": transforms,
                f"{kind}_noise": _noise(images.shape, rng),
            }
        return batch

    def losses_of(step: int, batch: Batch) -> dict[str, Tensor]:
        losses = {}
        for kind in _KINDS:
            video = to_video(batch[f"{kind}_images"])
            latents, difference = _reconstruct(vae, video, batch[f"{kind}_noise"])
            error = 10.0 * difference.square().mean(1) + 0.5 * difference.abs().mean(1)
            losses[f"{kind}_mse"] = (error * batch[f"{kind}_weights"]).mean()
            losses[f"{kind}_size"] = 0.01 * ((latents**2).mean() - 1.0).clamp(min=0.0)
            transforms = batch[f"{kind}_transforms"]
            with torch.autocast(device.type, dtype=torch.bfloat16):
                before, after = (
                    faces.embed(align_tensor(x[:, :, 0], transforms, faces.crop_size_px))
                    for x in (video, video + difference)
                )
            losses[f"{kind}_identity"] = 0.15 * (1.0 - (before.detach() * after).sum(-1)).mean()
        return losses

    settings = FitSettings(
        steps=steps, lr=1.5e-3, warmup=50, ema=0.995, final=0.01, weight_decay=0.0
    )
    fit(
        vae,
        batch_of,
        losses_of,
        settings,
        checkpoint_path,
        device=device,
        on_progress=on_progress,
    )


def _open(corpus: Path) -> tuple[list[Shard], list[Shard]]:
    """Open the pictures and the clips, square, wide and tall."""
    aspects = ("1x1", "16x9", "9x16")
    return [load_shard(corpus / f"{a}_1") for a in aspects], [
        load_shard(corpus / f"{a}_9") for a in aspects
    ]


def _pick(
    shards: tuple[list[Shard], list[Shard]], rng: np.random.Generator, *, num_pictures: int
) -> tuple[tuple[str, Shard, int, int], ...]:
    """Choose an aspect; return kind, shard, count and frames of its pictures and its clips."""
    aspect = int(rng.choice(3, p=(0.8, 0.1, 0.1)))
    return tuple(
        (kind, of_kind[aspect], count, frames)
        for kind, of_kind, count, frames in zip(
            _KINDS, shards, (num_pictures, 3), (1, 5), strict=True
        )
    )


def _noise(shape: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
    """Draw float32 noise for the latents (B, 16, T, h, w) of pictures (B, F, H, W, 3)."""
    batch, frames, height, width, _ = shape
    latents = (batch, 16, (frames + 1) // 2, height // 8, width // 8)
    return rng.standard_normal(latents, np.float32)


def _reconstruct(vae: AutoencoderKLWan, video: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
    """Return float32 latents and the difference of the decoded video, noise added in between."""
    with framewise(), torch.autocast(video.device.type, dtype=torch.bfloat16):
        latents = encode_mean(vae, video)
        noisy = latents + NOISE * noise
        return latents.float(), decode_unclamped(vae, noisy).float() - video


def _windows(
    shard: Shard, rng: np.random.Generator, count: int, frames: int, side: int = WINDOW_PX
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Cut square windows around first figures.

    Returns:
        Windows uint8 (B, F, side, side, 3); float32 weights (B, F, side, side) that are higher on
        the face, with mean about one; and float32 (B, 2, 3) transforms from the window of frame 0
        to the aligned crop.
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
    return (
        np.stack(videos),
        np.stack(weights).astype(np.float32),
        np.stack(transforms).astype(np.float32),
    )
