"""How a model's latents become noise, and what it predicts on the way back.

A noise level is always told as sigma: 0 is clean, 1 is noise, and in between it is the share of
noise of the straight path with the same signal-to-noise ratio. So a window of noise levels means
the same for every backbone.

Shapes: B batch; latents are (B, C, F, H, W).
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import lru_cache
from typing import ClassVar, Literal

import torch
from torch import Tensor

__all__ = ["NUM_TRAIN_TIMESTEPS", "DiffusionNoise", "FlowNoise", "NoiseProcess"]

NUM_TRAIN_TIMESTEPS = 1000
"""Timesteps run from 0 to this, in every family."""


def _per_sample(values_B: Tensor, like: Tensor) -> Tensor:
    return values_B.to(like).reshape(-1, *(1,) * (like.ndim - 1))


class NoiseProcess(ABC):
    """Between clean latents and noise."""

    kind: ClassVar[str]
    """One word for it."""

    @abstractmethod
    def add_noise(self, latents: Tensor, noise: Tensor, sigma_B: Tensor) -> Tensor:
        """Mix clean latents and noise."""

    @abstractmethod
    def target(self, latents: Tensor, noise: Tensor, sigma_B: Tensor) -> Tensor:
        """What the model should predict."""

    @abstractmethod
    def predict_clean(self, noisy: Tensor, prediction: Tensor, sigma_B: Tensor) -> Tensor:
        """Estimate the clean latents from one prediction."""

    @abstractmethod
    def timestep(self, sigma_B: Tensor) -> Tensor:
        """What the model is told of the noise level, float32, shape (B,)."""

    @abstractmethod
    def sigma(self, timestep_B: Tensor) -> Tensor:
        """The noise level that a timestep stands for, float32, shape (B,)."""


@dataclass(frozen=True, slots=True)
class FlowNoise(NoiseProcess):
    """The straight path ``x_t = (1 - sigma) x + sigma noise``, and velocities along it.

    Source: rectified flow, arXiv 2209.03003.
    """

    kind: ClassVar[str] = "flow"

    def add_noise(self, latents: Tensor, noise: Tensor, sigma_B: Tensor) -> Tensor:
        """``(1 - sigma) x + sigma noise``."""
        sigma = _per_sample(sigma_B, latents)
        return (1 - sigma) * latents + sigma * noise

    def target(self, latents: Tensor, noise: Tensor, sigma_B: Tensor) -> Tensor:
        """``noise - x``."""
        return noise - latents

    def predict_clean(self, noisy: Tensor, prediction: Tensor, sigma_B: Tensor) -> Tensor:
        """``x_t - sigma v``."""
        return noisy - _per_sample(sigma_B, noisy) * prediction

    def timestep(self, sigma_B: Tensor) -> Tensor:
        """Sigma times the number of timesteps."""
        return sigma_B.to(torch.float32) * NUM_TRAIN_TIMESTEPS

    def sigma(self, timestep_B: Tensor) -> Tensor:
        """The timestep over the number of timesteps."""
        return timestep_B.float() / NUM_TRAIN_TIMESTEPS


@dataclass(frozen=True, slots=True)
class DiffusionNoise(NoiseProcess):
    """The variance-preserving process of discrete timesteps.

    ``x_t = sqrt(a) x + sqrt(1 - a) noise`` with a the cumulated product of ``1 - beta``; the model
    predicts the noise, or ``v = sqrt(a) noise - sqrt(1 - a) x``.

    Source: arXiv 2006.11239 (noise), arXiv 2202.00512 (v); zero terminal signal: arXiv 2305.08891;
    the shift of the signal-to-noise ratio: diffusers' CogVideoXDPMScheduler.
    tests/unit/backbones/test_noise.py compares with the schedulers of diffusers.
    """

    kind: ClassVar[str] = "diffusion"
    prediction: Literal["epsilon", "v_prediction"]
    beta_schedule: Literal["linear", "scaled_linear"]
    beta_start: float
    beta_end: float
    zero_terminal: bool = False
    """Whether the last timestep is noise alone."""
    snr_shift: float = 1.0

    def add_noise(self, latents: Tensor, noise: Tensor, sigma_B: Tensor) -> Tensor:
        """``sqrt(a) x + sqrt(1 - a) noise`` at the nearest timestep."""
        signal, spread = self._scales(sigma_B, latents)
        return signal * latents + spread * noise

    def target(self, latents: Tensor, noise: Tensor, sigma_B: Tensor) -> Tensor:
        """The noise, or ``sqrt(a) noise - sqrt(1 - a) x``."""
        if self.prediction == "epsilon":
            return noise
        signal, spread = self._scales(sigma_B, latents)
        return signal * noise - spread * latents

    def predict_clean(self, noisy: Tensor, prediction: Tensor, sigma_B: Tensor) -> Tensor:
        """Solve for x; with predicted noise there is nothing to solve for at the last timestep."""
        signal, spread = self._scales(sigma_B, noisy)
        if self.prediction == "epsilon":
            return (noisy - spread * prediction) / signal.clamp_min(1e-4)
        return signal * noisy - spread * prediction

    def timestep(self, sigma_B: Tensor) -> Tensor:
        """The nearest timestep, a whole number."""
        return self._index(sigma_B).float()

    def sigma(self, timestep_B: Tensor) -> Tensor:
        """The share of noise at a timestep, which is rounded."""
        table = self._table().to(timestep_B.device)
        index = timestep_B.float().round().long().clamp(0, NUM_TRAIN_TIMESTEPS - 1)
        return _share(table)[index]

    def _index(self, sigma_B: Tensor) -> Tensor:
        shares = _share(self._table()).to(sigma_B.device)
        return (shares[None] - sigma_B.float()[:, None]).abs().argmin(dim=1)

    def _scales(self, sigma_B: Tensor, like: Tensor) -> tuple[Tensor, Tensor]:
        kept_B = self._table().to(sigma_B.device)[self._index(sigma_B)]
        return _per_sample(kept_B.sqrt(), like), _per_sample((1 - kept_B).sqrt(), like)

    def _table(self) -> Tensor:
        return _cumulated(
            self.beta_schedule, self.beta_start, self.beta_end, self.zero_terminal, self.snr_shift
        )


def _share(kept: Tensor) -> Tensor:
    """The sigma of the straight path with the same ratio of signal to noise."""
    signal, spread = kept.sqrt(), (1 - kept).sqrt()
    return spread / (signal + spread)


@lru_cache(maxsize=8)
def _cumulated(
    schedule: str, start: float, end: float, zero_terminal: bool, snr_shift: float
) -> Tensor:
    """The share of the signal's power at every timestep, float32."""
    steps = NUM_TRAIN_TIMESTEPS
    if schedule == "scaled_linear":
        betas = torch.linspace(start**0.5, end**0.5, steps, dtype=torch.float64) ** 2
    else:
        betas = torch.linspace(start, end, steps, dtype=torch.float64)
    kept = torch.cumprod(1 - betas, dim=0)
    kept = kept / (snr_shift + (1 - snr_shift) * kept)
    if zero_terminal:
        root = kept.sqrt()
        root = (root - root[-1]) * (root[0] / (root[0] - root[-1]))
        kept = root**2
    return kept.float()
