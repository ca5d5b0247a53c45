"""Decoupled cross-attention: what one site adds to the backbone, and the processor that adds it.

``y = base(x) + W_o (s * w(sigma) * m * Attn(Q, K_id, V_id))``. Q is the backbone's own normed
query, W_o its own output projection (no bias, no LoRA); there is no rotary embedding here.

Shapes: B batch, L latent tokens, K identity tokens, C inner channels, H heads, E = C / H.
"""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from facekit.backbones.spec import base_layer
from facekit.errors import AdapterError

__all__ = ["IdentityProcessor", "SiteTerm", "identity_attention", "project_out"]


@dataclass(frozen=True, slots=True, eq=False)
class SiteTerm:
    """One character at one site, for one pass."""

    key_BKC: Tensor
    """After the key norm; the batch may be 1."""
    value_BKC: Tensor
    """Already times every factor that is the same for all latent tokens."""
    gain_BL1: Tensor | None
    """The factor per latent token (region mask, strength over frames); the batch may be 1."""


def identity_attention(query_BLC: Tensor, term: SiteTerm, heads: int) -> Tensor:
    """Attend to one character's tokens.

    Returns:
        (B, L, C), before the output projection.

    Source: decoupled cross-attention of IP-Adapter (arXiv 2308.06721, equation 5);
    tests/parity/test_identity_attention.py.
    """
    batch = query_BLC.shape[0]
    query, key, value = (
        _heads(x.to(query_BLC.dtype).expand(batch, -1, -1), heads)
        for x in (query_BLC, term.key_BKC, term.value_BKC)
    )
    read = functional.scaled_dot_product_attention(query, key, value)
    read = read.transpose(1, 2).flatten(2)
    return read if term.gain_BL1 is None else read * term.gain_BL1.to(read.dtype)


def _heads(x_BLC: Tensor, heads: int) -> Tensor:
    """(B, L, C) to (B, H, L, E)."""
    return x_BLC.view(*x_BLC.shape[:2], heads, -1).transpose(1, 2)


def project_out(read_BLC: Tensor, layer: nn.Module) -> Tensor:
    """Apply the weight of the backbone's output projection, without bias and without LoRA."""
    linear = base_layer(layer)
    weight = linear.weight
    if type(linear) is nn.Linear and weight.element_size() > 1:
        return functional.linear(read_BLC, weight)
    # Quantised or stored in eight bits: only the layer itself knows how to multiply. Taking its
    # bias away again still leaves exactly nothing where there is nothing to add.
    projected: Tensor = linear(read_BLC) - linear(torch.zeros_like(read_BLC[:1, :1]))
    return projected


class IdentityProcessor:
    """Calls the processor it wraps and adds the terms of its site.

    A plain object and not a module, so that the keys of ``transformer.state_dict()`` stay.
    """

    def __init__(self, wrapped: Any, site: str) -> None:
        self.wrapped = wrapped
        self.site = site
        self.terms: tuple[SiteTerm, ...] = ()
        self._query: Tensor | None = None

    # diffusers sets these two on processors; they belong to the wrapped one.
    @property
    def _attention_backend(self) -> Any:
        return self.wrapped._attention_backend

    @_attention_backend.setter
    def _attention_backend(self, backend: Any) -> None:
        self.wrapped._attention_backend = backend

    @property
    def _parallel_config(self) -> Any:
        return self.wrapped._parallel_config

    @_parallel_config.setter
    def _parallel_config(self, config: Any) -> None:
        self.wrapped._parallel_config = config

    def capture(self, module: nn.Module, args: object, output: Tensor) -> None:
        """Remember the normed query; a forward hook of the site's ``norm_q``."""
        if self.terms:
            self._query = output

    def __call__(self, attn: Any, hidden_states: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        """Run the wrapped processor; add what the site's terms say."""
        terms = self.terms
        output: Tensor = self.wrapped(attn, hidden_states, *args, **kwargs)
        if not terms:
            return output
        query, self._query = self._query, None
        if query is None:
            raise AdapterError(
                f"{self.site}: {type(self.wrapped).__name__} did not use the query norm, expected"
                " a processor that does; attach before changing the processors"
            )
        read = identity_attention(query, terms[0], attn.heads)
        for term in terms[1:]:
            read = read + identity_attention(query, term, attn.heads)
        return output + project_out(read, attn.to_out[0]).to(output.dtype)
