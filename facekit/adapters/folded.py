"""Keys and values of a character, made once and kept."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor

__all__ = ["FoldedIdentity"]


@dataclass(frozen=True, slots=True, eq=False)
class FoldedIdentity:
    """Keys (after the key norm) and values of one or more characters at every site.

    They depend on neither time, prompt nor latent, so they are made once and kept.
    """

    keys: Mapping[str, Tensor]
    """Site to (B, K, inner width)."""
    values: Mapping[str, Tensor]
    """Site to (B, K, inner width)."""

    @property
    def sites(self) -> tuple[str, ...]:
        """The sites in order."""
        return tuple(self.keys)

    def to(
        self, device: torch.device | str | None = None, dtype: torch.dtype | None = None
    ) -> Self:
        """Move and cast every tensor."""
        return dataclasses.replace(
            self,
            keys={site: key.to(device, dtype) for site, key in self.keys.items()},
            values={site: value.to(device, dtype) for site, value in self.values.items()},
        )

    def detached(self) -> Self:
        """The same numbers without a gradient."""
        return dataclasses.replace(
            self,
            keys={site: key.detach() for site, key in self.keys.items()},
            values={site: value.detach() for site, value in self.values.items()},
        )
