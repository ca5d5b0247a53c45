"""The straight path between clean latents and noise, and how the Wan family is told the time.

Shapes: B batch, C channels, F frames, H height, W width, L tokens.
"""

from typing import Any

import torch
from torch import Tensor

__all__ = ["NUM_TRAIN_TIMESTEPS", "add_noise", "model_timestep", "predict_clean", "velocity"]

NUM_TRAIN_TIMESTEPS = 1000
"""The family's timestep is sigma times this."""


def _per_sample(sigma_B: Tensor, like: Tensor) -> Tensor:
    return sigma_B.to(like).reshape(-1, *(1,) * (like.ndim - 1))


def add_noise(latents: Tensor, noise: Tensor, sigma_B: Tensor) -> Tensor:
    """Mix clean latents and noise along the straight path: ``(1 - sigma) x + sigma noise``."""
    sigma = _per_sample(sigma_B, latents)
    return (1 - sigma) * latents + sigma * noise


def velocity(latents: Tensor, noise: Tensor) -> Tensor:
    """What the model predicts: ``noise - x``."""
    return noise - latents


def predict_clean(noisy: Tensor, predicted_velocity: Tensor, sigma_B: Tensor) -> Tensor:
    """Estimate the clean latents from one prediction: ``x_t - sigma v``."""
    return noisy - _per_sample(sigma_B, noisy) * predicted_velocity


def model_timestep(pipe: Any, sigma_B: Tensor, latents: Tensor) -> Tensor:
    """Make the ``timestep`` argument of the transformer: sigma * NUM_TRAIN_TIMESTEPS.

    Args:
        pipe: Decides by its ``expand_timesteps`` whether every token has its own.
        sigma_B: Noise level per sample, 0..1.
        latents: (B, C, F', H', W'), for the number of tokens.

    Returns:
        (B, L) with ``expand_timesteps``, (B,) without.
    """
    timestep = sigma_B.to(latents.device, torch.float32) * NUM_TRAIN_TIMESTEPS
    if not pipe.config.expand_timesteps:
        return timestep
    patch = pipe.transformer.config.patch_size
    frames, height, width = (n // p for n, p in zip(latents.shape[2:], patch, strict=True))
    return timestep.view(-1, 1).expand(-1, frames * height * width).clone()
