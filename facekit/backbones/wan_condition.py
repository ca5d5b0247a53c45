"""What Wan models that follow a picture or a video are given where there is none.

Shapes: B batch, C channels, F frames, H height, W width.
"""

from abc import abstractmethod
from typing import Any
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn

from facekit.backbones.wan import WanFamily

__all__ = ["WanConditionFamily"]


class WanConditionFamily(WanFamily):
    """Makes an empty condition once for every size, as the stock pipeline makes a given one."""

    def __init__(self) -> None:
        self._kept: WeakKeyDictionary[nn.Module, dict[tuple[int, ...], Tensor]] = (
            WeakKeyDictionary()
        )

    @abstractmethod
    def make_empty(
        self, pipe: Any, num_frames: int, height: int, width: int, device: torch.device
    ) -> Tensor:
        """Make the condition of nothing for a clip of so many pixels, shape (1, C, F, H, W)."""

    @torch.no_grad()
    def empty_condition(self, pipe: Any, noisy: Tensor) -> Tensor:
        """The condition of nothing for noisy latents, with as many samples."""
        kept = self._kept.setdefault(pipe.vae, {})
        sizes = tuple(noisy.shape[2:])
        if sizes not in kept:
            scale = pipe.vae_scale_factor_spatial
            num_frames = (sizes[0] - 1) * pipe.vae_scale_factor_temporal + 1
            # Kept for good, so not in the precision that a training run happens to compute with.
            with torch.autocast(noisy.device.type, enabled=False):
                kept[sizes] = self.make_empty(
                    pipe, num_frames, sizes[1] * scale, sizes[2] * scale, noisy.device
                )
        one = kept[sizes].to(noisy)
        return one.expand(noisy.shape[0], *one.shape[1:])
