"""What every site adds in one call of the transformer.

Shapes: B batch, L latent tokens, K identity tokens, C inner channels.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from torch import Tensor

from facekit.adapters.attention import SiteTerm
from facekit.adapters.conditioning import Conditioning
from facekit.adapters.folded import FoldedIdentity
from facekit.errors import AdapterError

__all__ = ["Pass", "Terms", "make_terms", "read_pass"]

Terms: TypeAlias = dict[str, tuple[SiteTerm, ...]]


@dataclass(frozen=True, slots=True, eq=False)
class Pass:
    """One call of the transformer, as far as the terms depend on it."""

    latents: Tensor
    grid: tuple[int, int, int]
    """Latent tokens: frames, height, width."""
    sigma_B: Tensor
    """Noise level per sample, 0..1; of the noisiest token where tokens differ."""

    @property
    def key(self) -> tuple[object, ...]:
        """Equal for passes that only differ in noise level and numbers."""
        return (self.latents.shape[0], self.grid, self.latents.device, self.latents.dtype)


def read_pass(
    transformer: Any, args: tuple[Any, ...], kwargs: dict[str, Any], num_train_timesteps: int
) -> Pass:
    """Read the arguments of the transformer's ``forward``."""
    latents = kwargs["hidden_states"] if "hidden_states" in kwargs else args[0]
    timestep = kwargs["timestep"] if "timestep" in kwargs else args[1]
    patch = transformer.config.patch_size
    patch = (1, patch, patch) if isinstance(patch, int) else patch
    frames, height, width = (int(n) // p for n, p in zip(latents.shape[2:], patch, strict=True))
    noisiest_B = timestep.reshape(timestep.shape[0], -1).amax(dim=1).float()
    sigma_B = noisiest_B.to(latents.device) / num_train_timesteps
    return Pass(latents, (frames, height, width), sigma_B)


def make_terms(
    identities: Sequence[Conditioning],
    sites: Sequence[str],
    this: Pass,
    fold: Callable[[Tensor], FoldedIdentity],
    strength: float,
    with_identity: bool,
) -> Terms:
    """Make what every site adds.

    Args:
        identities: Who is in the picture.
        sites: Where.
        this: The call.
        fold: Makes keys and values of tokens.
        strength: Multiplies everybody's.
        with_identity: False for the pass that sees nobody.

    Raises:
        AdapterError: An identity whose batch is neither 1 nor that of the latents.
    """
    terms: Terms = dict.fromkeys(sites, ())
    for conditioning in identities:
        source = conditioning.identity if with_identity else conditioning.null
        if source is None or conditioning.is_off:
            continue
        folded = fold(source) if isinstance(source, Tensor) else source
        per_sample = conditioning.gain_per_sample(strength, this.sigma_B)
        per_token = conditioning.gain_per_token(this.grid, this.latents)
        for site in sites:
            key, value = (
                part[site].to(this.latents.device) for part in (folded.keys, folded.values)
            )
            _check_batch(key, this.latents.shape[0])
            # A factor of the whole sample goes into the values, which are few.
            if isinstance(per_sample, Tensor):
                value = value * per_sample.to(value.dtype)
            elif per_sample != 1:
                value = value * per_sample
            terms[site] += (SiteTerm(key, value, per_token),)
    return terms


def _check_batch(key_BKC: Tensor, batch: int) -> None:
    if key_BKC.shape[0] not in (1, batch):
        raise AdapterError(
            f"the identity holds {key_BKC.shape[0]} samples, expected 1 or the {batch} of the"
            " latents; pass one identity per sample or one for all"
        )
