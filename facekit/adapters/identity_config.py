"""What an identity adapter is made of and made for."""

import dataclasses
import json
from dataclasses import dataclass
from typing import Self

from facekit.adapters.projector import Pool
from facekit.backbones.sites import NormKind
from facekit.errors import AdapterDamaged

__all__ = ["IdentityAdapterConfig"]


@dataclass(frozen=True, slots=True, kw_only=True)
class IdentityAdapterConfig:
    """What is needed to build an adapter again, and what it was made for."""

    embedding_dim: int
    """Width of the face encoder."""
    token_dim: int
    """Width of the identity tokens."""
    inner_dim: int
    """Width of keys and values at the sites: heads times head width of the backbone."""
    sites: tuple[str, ...]
    """Module paths of the cross-attentions that listen, such as ``blocks.0.attn2``."""
    num_tokens: int
    pool: Pool
    max_photos: int
    num_registers: int = 4
    """Learned tokens per site, beside the character's: a sink for places without a face."""
    depth: int = 2
    heads: int = 4
    """Attention heads of the projector (those of the backbone are its own affair)."""
    context_tokens: int = 4
    learned_null: bool = False
    """Whether nobody is a learned set of tokens; without it nobody is the branch switched off."""
    norm_eps: float = 1e-6
    """Epsilon of the backbone's key norm."""
    norm: NormKind = "rms"
    """What the backbone's key norm is."""
    norm_dim: int = 0
    """How many channels are normed together; 0 for all of a site."""
    inner_dims: tuple[int, ...] = ()
    """Widths of the sites, in order, where they differ; ``inner_dim`` is then the first."""
    backbone: str = ""
    """Name of the backbone spec it was made for."""
    backbone_digest: str = ""
    """sha256 of that backbone's weights; empty when unknown."""
    encoder: str = ""
    """Name of the face encoder whose embeddings it reads."""
    encoder_digest: str = ""
    """sha256 of that encoder's weights; empty when unknown."""

    @property
    def widths(self) -> tuple[int, ...]:
        """The width of keys and values at every site."""
        return self.inner_dims or (self.inner_dim,) * len(self.sites)

    def to_json(self) -> str:
        """Write as one line of JSON, the same for equal configs."""
        return json.dumps(dataclasses.asdict(self), sort_keys=True)

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Read what ``to_json`` wrote.

        Raises:
            AdapterDamaged: It is not such a config, or one of a newer version.
        """
        try:
            fields = json.loads(text)
            for name in ("sites", "inner_dims"):
                fields[name] = tuple(fields.get(name, ()))
            return cls(**fields)
        except (ValueError, TypeError, KeyError) as error:
            raise AdapterDamaged(
                f"the adapter's config cannot be read ({error}), expected the one this version"
                " writes; fetch the file again or upgrade facekit"
            ) from error
