"""A backbone as training sees it: noisy latents to a prediction, and latents to pixels.

Shapes: B samples, C channels, F frames, H height, W width.
"""

import warnings
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel

from facekit.backbones.family import Expert, Text
from facekit.backbones.noise import NoiseProcess
from facekit.backbones.spec import BackboneSpec
from facekit.toon.vae import framewise
from facekit.training.parking import Parking
from facekit.training.settings import Precision

__all__ = ["Denoiser", "attention_kernels", "autocast"]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Denoiser:
    """A stock pipeline, frozen but for what is trained."""

    pipe: Any
    spec: BackboneSpec
    expert: Expert = "low"
    """Which of two networks is trained, where they share the noise levels."""
    parking: Parking | None = None
    """Brings the parts that wait in main memory."""

    @property
    def network(self) -> Any:
        """The network that is adapted."""
        return self.spec.family.network(self.pipe, self.expert)

    @property
    def process(self) -> NoiseProcess:
        """How latents become noise, and what is predicted."""
        return self.spec.process

    @property
    def shift(self) -> float:
        """How far the scheduler moves noise levels towards noise; training draws them alike.

        Raises:
            UsageError: The scheduler of a flow-matching backbone has no such setting.
        """
        return self.spec.family.shift(self.pipe)

    @property
    def sigma_range(self) -> tuple[float, float]:
        """The noise levels that the network is asked at."""
        return self.spec.family.sigma_range(self.pipe, self.expert)

    def place(self, part: Any) -> torch.device:
        """Where a part of the pipeline computes; it may be waiting elsewhere now."""
        parking = self.parking
        here: torch.device = part.device
        return here if parking is None or not parking.moves else parking.device

    def predict(self, noisy_BCFHW: Tensor, sigma_B: Tensor, text: Text) -> Tensor:
        """Ask the backbone for what its process says it predicts."""
        return self.spec.family.predict(self.pipe, self.spec, noisy_BCFHW, sigma_B, text)

    def decode(self, latents_BCFHW: Tensor) -> Tensor:
        """Decode to pixels about -1..1, not clamped, so that gradients flow everywhere."""
        if self.parking is not None:
            self.parking.bring(self.pipe.vae)
        # A single frame has no past: of a causal kernel only the last tap sees anything.
        with framewise() if latents_BCFHW.shape[2] == 1 else nullcontext():
            return self.spec.family.decode_latents(self.pipe, latents_BCFHW)

    def encode_text(self, prompts: Sequence[str]) -> Text:
        """Encode prompts as sampling does."""
        if self.parking is not None:
            self.parking.bring(*self.parking.encoders)
        return self.spec.family.encode_text(self.pipe, self.spec, prompts)

    def encode_video(self, frames_BCFHW: Tensor) -> Tensor:
        """Encode pixels in -1..1 to latents as the network wants them."""
        if self.parking is not None:
            self.parking.bring(self.pipe.vae)
        return self.spec.family.encode_video(self.pipe, frames_BCFHW)


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
