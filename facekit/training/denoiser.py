"""A backbone as training sees it: noisy latents to velocity, and latents to pixels.

Shapes: B samples, C channels, F frames, H height, W width, L text tokens, T text channels.
"""

import inspect
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel

from facekit.backbones import wan
from facekit.errors import UsageError
from facekit.toon.vae import framewise
from facekit.training.settings import Precision

__all__ = ["Denoiser", "attention_kernels", "autocast"]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Denoiser:
    """A stock pipeline, frozen but for what is trained."""

    pipe: Any

    @property
    def transformer(self) -> Any:
        """The network that is adapted."""
        return self.pipe.transformer

    @property
    def shift(self) -> float:
        """How far the scheduler moves noise levels towards noise; training draws them alike.

        Raises:
            UsageError: The scheduler has no such setting.
        """
        scheduler = self.pipe.scheduler
        # Only what the class itself takes: a config keeps the keys of the scheduler it came from.
        taken = inspect.signature(type(scheduler)).parameters
        for key in ("shift", "flow_shift"):
            if key in taken and scheduler.config.get(key) is not None:
                return float(scheduler.config[key])
        raise UsageError(
            f"{type(scheduler).__name__} has neither shift nor flow_shift, expected the scheduler"
            " of a flow-matching backbone; load the backbone with its own scheduler"
        )

    def velocity(self, noisy_BCFHW: Tensor, sigma_B: Tensor, text_BLT: Tensor) -> Tensor:
        """Predict noise minus clean latents."""
        velocity: Tensor = self.transformer(
            hidden_states=noisy_BCFHW,
            timestep=wan.model_timestep(self.pipe, sigma_B, noisy_BCFHW),
            encoder_hidden_states=text_BLT,
            return_dict=False,
        )[0]
        return velocity

    def decode(self, latents_BCFHW: Tensor) -> Tensor:
        """Decode to pixels about -1..1, not clamped, so that gradients flow everywhere."""
        # A single frame has no past: of a causal kernel only the last tap sees anything.
        with framewise() if latents_BCFHW.shape[2] == 1 else nullcontext():
            return wan.decode_latents(self.pipe, latents_BCFHW, clamp=False)

    def encode_text(self, prompts: Any) -> Tensor:
        """Encode prompts as sampling does."""
        return wan.encode_text(self.pipe, prompts)

    def encode_video(self, frames_BCFHW: Tensor) -> Tensor:
        """Encode pixels in -1..1 to normalised latents."""
        return wan.encode_video(self.pipe, frames_BCFHW)


@contextmanager
def autocast(device: torch.device, precision: Precision) -> Iterator[None]:
    """Arithmetic of the backbone in the precision that was asked for."""
    with ExitStack() as stack:
        if precision == "bfloat16":
            stack.enter_context(torch.autocast(device.type, dtype=torch.bfloat16))
            stack.enter_context(warnings.catch_warnings())
            # The norms keep float32 weights on purpose.
            warnings.filterwarnings("ignore", "Mismatch dtype between input and weight")
        yield


@contextmanager
def attention_kernels(device: torch.device, precision: Precision) -> Iterator[None]:
    """Choose how attention is computed; ``backward`` belongs inside the block.

    Unlike the precision, recomputed activations do not remember it.
    """
    # The fused attention of CPUs is five times slower in bfloat16 than its parts.
    slow = device.type == "cpu" and precision == "bfloat16"
    with sdpa_kernel(SDPBackend.MATH) if slow else nullcontext():
        yield
