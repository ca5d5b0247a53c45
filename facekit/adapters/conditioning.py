"""Who appears, where, when and how strongly: one character's part in a denoising pass.

Shapes: B batch, L latent tokens, F latent frames, K identity tokens, C channels.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import torch
from torch import Tensor
from torch.nn import functional

from facekit.adapters.folded import FoldedIdentity

__all__ = ["Conditioning", "SigmaWindow", "Strength", "as_conditionings", "is_zero", "pool_mask"]

Strength: TypeAlias = float | Sequence[float]
"""A number, or keyframes spread evenly over the clip from its first to its last frame."""

SigmaWindow: TypeAlias = tuple[float, float] | Callable[[Tensor], Tensor]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Conditioning:
    """One character in the picture."""

    identity: FoldedIdentity | Tensor
    """Folded keys and values, or tokens_BKC that the adapter folds anew in every pass, with
    gradients. The batch is 1 or that of the latents."""
    strength: Strength = 1.0
    mask_LHW: Tensor | None = None
    """Where the character is, 0..1, on the latent token grid: (height, width), (frames, height,
    width) or (batch, frames, height, width). Another resolution is pooled to the grid."""
    window: SigmaWindow | None = None
    """Noise levels at which it acts: (lowest, highest sigma), or a function from sigma_B to a
    weight per sample; everywhere when None or (0, 1)."""
    present_B: Tensor | None = None
    """A factor per sample, 0 to leave the identity out of it."""
    null: FoldedIdentity | Tensor | None = None
    """What stands for nobody in the unconditional pass; nothing at all when None."""

    @property
    def is_constant(self) -> bool:
        """Whether what it adds does not depend on the noise level and needs no gradient."""
        parts = [self.identity, self.null]
        if self._has_window or any(isinstance(part, Tensor) for part in parts):
            return False
        tensors = [
            tensor
            for part in parts
            if isinstance(part, FoldedIdentity)
            for tensor in (*part.keys.values(), *part.values.values())
        ]
        return not any(tensor.requires_grad for tensor in tensors)

    def gain_per_sample(self, factor: Strength, sigma_B: Tensor) -> float | Tensor:
        """Everything that is the same for all tokens of a sample: a number or (B, 1, 1)."""
        gain: float | Tensor = 1.0
        for strength in (factor, self.strength):
            if not isinstance(strength, Sequence):
                gain = gain * float(strength)
        for weight_B in (self._window_weight(sigma_B), self.present_B):
            if weight_B is not None:
                gain = gain * weight_B.to(sigma_B).reshape(-1, 1, 1)
        return gain

    def gain_per_token(
        self,
        grid: tuple[int, int, int],
        device: torch.device,
        dtype: torch.dtype,
        factor: Strength = 1.0,
    ) -> Tensor | None:
        """Everything that differs between tokens: (1 or B, L, 1), or None."""
        gain = None
        for strength in (factor, self.strength):
            if isinstance(strength, Sequence):
                over_frames = _over_frames(strength, grid, device)
                gain = over_frames if gain is None else gain * over_frames
        if self.mask_LHW is not None:
            mask = pool_mask(self.mask_LHW, grid, device)
            gain = mask if gain is None else gain * mask
        return None if gain is None else gain.reshape(gain.shape[0], -1, 1).to(dtype)

    @property
    def is_off(self) -> bool:
        """Whether the strength is zero throughout."""
        return is_zero(self.strength)

    @property
    def _has_window(self) -> bool:
        return self.window is not None and self.window != (0.0, 1.0)

    def _window_weight(self, sigma_B: Tensor) -> Tensor | None:
        if self.window is None or not self._has_window:
            return None
        if isinstance(self.window, tuple):
            low, high = self.window
            return (sigma_B >= low) & (sigma_B <= high)
        return self.window(sigma_B)


def pool_mask(mask_LHW: Tensor, grid: tuple[int, int, int], device: torch.device) -> Tensor:
    """Lay a mask on the latent tokens.

    Args:
        mask_LHW: As in ``Conditioning``.
        grid: Latent tokens: frames, height, width.
        device: Where the result is wanted.

    Returns:
        float32, (1 or B, frames, height, width).
    """
    mask = mask_LHW.to(device, torch.float32)
    mask = mask.reshape((1,) * (4 - mask.ndim) + tuple(mask.shape))
    return mask if tuple(mask.shape[1:]) == grid else functional.adaptive_avg_pool3d(mask, grid)


def is_zero(strength: Strength) -> bool:
    """Whether it is nothing throughout."""
    return not any(strength) if isinstance(strength, Sequence) else strength == 0


def as_conditionings(
    identities: "Conditioning | FoldedIdentity | Tensor | Sequence[Conditioning]",
) -> tuple[Conditioning, ...]:
    """Accept one character, its folded identity or bare tokens, or several characters."""
    if isinstance(identities, Conditioning):
        return (identities,)
    if isinstance(identities, FoldedIdentity | Tensor):
        return (Conditioning(identity=identities),)
    return tuple(identities)


def _over_frames(keys: Sequence[float], grid: tuple[int, int, int], device: torch.device) -> Tensor:
    """Keyframes on the latent tokens, (1, F, H, W)."""
    given = torch.tensor(keys, dtype=torch.float32, device=device).view(1, 1, -1)
    each = functional.interpolate(given, size=grid[0], mode="linear", align_corners=True)
    return each.view(1, -1, 1, 1).expand(1, *grid)
