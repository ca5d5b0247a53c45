"""The neutral form of a LoRA: factors by module path of the diffusers model.

Nothing in here changes a tensor that it is given.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias

import torch
from torch import Tensor

__all__ = ["EXPERTS", "Expert", "Factors", "LokrFactors", "LoraFactors", "LoraWeights"]

Expert: TypeAlias = Literal["none", "high", "low"]
"""Which of two transformers: of high noise, of low noise, or there is only one."""

EXPERTS: Mapping[Expert, str] = {
    "none": "transformer",
    "high": "transformer",
    "low": "transformer_2",
}
"""What the transformer of an expert is called in a diffusers pipeline."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class LoraFactors:
    """``delta W = alpha / rank * up @ down``."""

    down: Tensor
    """(rank, in), of a convolution (rank, in, kernel...)."""
    up: Tensor
    """(out, rank), of a convolution (out, rank, 1...)."""
    alpha: float
    magnitude: Tensor | None = None
    """Of DoRA, (out): the norm that each row of W + delta W gets; None for a plain LoRA."""

    @property
    def rank(self) -> int:
        """The number of rows of ``down``."""
        return int(self.down.shape[0])

    @property
    def scale(self) -> float:
        """What the product is multiplied by."""
        return self.alpha / self.rank

    @property
    def shape(self) -> tuple[int, int]:
        """(out, in) of the layer; the kernel of a convolution counts as input."""
        return int(self.up.shape[0]), self.down[0].numel()

    def tensors(self) -> tuple[Tensor, ...]:
        """Everything stored."""
        return (self.down, self.up, *([] if self.magnitude is None else [self.magnitude]))

    def delta(self) -> Tensor:
        """Delta W as (out, in) in float64; of DoRA, that of its two factors."""
        return self.scale * (self.up.double().flatten(1) @ self.down.double().flatten(1))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class LokrFactors:
    """``delta W = scale * kron(w1, w2)``.

    Source: LyCORIS, LokrModule (Apache-2.0), for where alpha counts; ``_bake_lokr_alpha_`` of
    diffusers 0.42.1 has the same rule, and tests/unit/adapters/formats/test_reading.py compares.
    """

    w1: tuple[Tensor, ...]
    """The left matrix, or two whose product it is."""
    w2: tuple[Tensor, ...]
    """The right matrix, or two whose product it is."""
    alpha: float
    """Counts only where one of the matrices is a product."""

    @property
    def rank(self) -> int | None:
        """The inner size of the product; None when both matrices are whole."""
        for parts in (self.w2, self.w1):
            if len(parts) == 2:
                return int(parts[1].shape[0])
        return None

    @property
    def scale(self) -> float:
        """What the Kronecker product is multiplied by."""
        return 1.0 if self.rank is None else self.alpha / self.rank

    @property
    def shape(self) -> tuple[int, int]:
        """(out, in) of the layer."""
        (a, b), (c, d) = ((parts[0].shape[0], parts[-1].shape[1]) for parts in (self.w1, self.w2))
        return int(a * c), int(b * d)

    def tensors(self) -> tuple[Tensor, ...]:
        """Everything stored."""
        return (*self.w1, *self.w2)

    def delta(self) -> Tensor:
        """Delta W as (out, in) in float64."""
        left, right = (_product(parts) for parts in (self.w1, self.w2))
        return self.scale * torch.kron(left, right)


Factors: TypeAlias = LoraFactors | LokrFactors


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class LoraWeights:
    """The LoRA of one transformer."""

    modules: Mapping[str, Factors]
    """Module path in the diffusers model to what is added there."""
    base: str = ""
    """Name of the backbone; empty when the file does not say."""
    trigger: str = ""
    """The words that call it in a prompt; empty when the file does not say."""
    expert: Expert = "none"


def _product(parts: tuple[Tensor, ...]) -> Tensor:
    first = parts[0].double()
    return first if len(parts) == 1 else first @ parts[1].double()
