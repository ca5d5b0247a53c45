"""What every site adds in one call of the network.

Shapes: B batch, L latent tokens, K identity tokens, C inner channels.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import torch
from torch import Tensor

from facekit.adapters.attention import SiteTerm
from facekit.adapters.conditioning import Conditioning, Strength
from facekit.adapters.folded import FoldedIdentity
from facekit.backbones.family import Call, PassKind
from facekit.errors import AdapterError

__all__ = ["Pass", "Terms", "make_terms"]

Terms: TypeAlias = dict[str, tuple[SiteTerm, ...]]


@dataclass(frozen=True, slots=True, eq=False)
class Pass:
    """One call of the network: who it is for, and how noisy."""

    call: Call
    sigma_B: Tensor
    """Noise level per sample, 0..1; of the noisiest token where tokens differ."""
    kind: PassKind

    @property
    def key(self) -> tuple[object, ...]:
        """Equal for passes that only differ in noise level and numbers."""
        call = self.call
        return (self.kind, call.batch, call.grid, call.device, call.dtype)


def make_terms(
    identities: Sequence[Conditioning],
    sites: Sequence[str],
    this: Pass,
    fold: Callable[[Tensor], FoldedIdentity],
    strength: Strength,
    grid_of: Callable[[str], tuple[int, int, int]],
) -> Terms:
    """Make what every site adds.

    Args:
        identities: Who is in the picture.
        sites: Where.
        this: The call.
        fold: Makes keys and values of tokens.
        strength: Multiplies everybody's.
        grid_of: The latent tokens that a site sees.

    Raises:
        AdapterError: An identity whose batch is neither 1 nor that of the latents.
    """
    terms: Terms = dict.fromkeys(sites, ())
    for conditioning in identities:
        if conditioning.is_off:
            continue
        for source, half_B in _sources(conditioning, this):
            folded = fold(source) if isinstance(source, Tensor) else source
            per_sample = conditioning.gain_per_sample(strength, this.sigma_B)
            if half_B is not None:
                per_sample = half_B.reshape(-1, 1, 1) * per_sample
            gains: dict[tuple[int, int, int], Tensor | None] = {}
            for site in sites:
                grid = grid_of(site)
                if grid not in gains:
                    gains[grid] = conditioning.gain_per_token(
                        grid, this.call.device, this.call.dtype, strength
                    )
                key, value = (
                    _check_batch(part[site].to(this.call.device), this)
                    for part in (folded.keys, folded.values)
                )
                # A factor of the whole sample goes into the values, which are few.
                if isinstance(per_sample, Tensor):
                    value = value * per_sample.to(value.dtype)
                elif per_sample != 1:
                    value = value * per_sample
                terms[site] += (SiteTerm(key, value, gains[grid]),)
    return terms


def _sources(
    conditioning: Conditioning, this: Pass
) -> Iterator[tuple[FoldedIdentity | Tensor, Tensor | None]]:
    """Who is heard, and a factor for each sample where the batch holds both halves."""
    if this.kind != "both":
        source = conditioning.identity if this.kind == "conditional" else conditioning.null
        if source is not None:
            yield source, None
        return
    place_B = torch.arange(this.call.batch, device=this.call.device)
    second_B = (place_B >= this.call.batch // 2).to(this.sigma_B)
    yield conditioning.identity, second_B
    if conditioning.null is not None:
        yield conditioning.null, 1 - second_B


def _check_batch(part_BKC: Tensor, this: Pass) -> Tensor:
    """One identity for all samples or one for each; for both halves of a batch the same."""
    batch = this.call.batch
    if this.kind == "both" and part_BKC.shape[0] == batch // 2 > 1:
        return part_BKC.repeat(2, 1, 1)
    if part_BKC.shape[0] not in (1, batch):
        raise AdapterError(
            f"the identity holds {part_BKC.shape[0]} samples, expected 1 or the {batch} of the"
            " latents; pass one identity per sample or one for all"
        )
    return part_BKC
