"""Decoupled cross-attention: what one site adds to the backbone, and the processor that adds it.

``y = base(x) + W_o (s * w(sigma) * m * Attn(Q, K_id, V_id))``. Q is the backbone's own normed
query, W_o its own output projection (no bias, no LoRA); there is no rotary embedding here.

Shapes: B batch, L latent tokens, K identity tokens, C inner channels, H heads, E = C / H.
"""

import inspect
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from torch import Tensor, nn
from torch.nn import functional

from facekit.backbones.sites import SiteKind
from facekit.errors import AdapterError

__all__ = [
    "IdentityProcessor",
    "SiteTerm",
    "WrappedProcessor",
    "identity_attention",
    "with_signature_of",
    "wrap_processor",
]


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
    query, key, value = (
        _heads(_for_batch(x.to(query_BLC.dtype), query_BLC.shape[0]), heads)
        for x in (query_BLC, term.key_BKC, term.value_BKC)
    )
    read = functional.scaled_dot_product_attention(query, key, value)
    read = read.transpose(1, 2).flatten(2)
    gain = term.gain_BL1
    if gain is None:
        return read
    # Where frames stand in the batch, the tokens of a frame are all there is.
    gain = gain.reshape(-1, read.shape[1], 1)
    return read * gain.repeat(read.shape[0] // gain.shape[0], 1, 1).to(read.dtype)


def _for_batch(x_BKC: Tensor, batch: int) -> Tensor:
    """One for all, or one for each in a row of equals: frames stand in the batch of some sites."""
    if x_BKC.shape[0] == 1:
        return x_BKC.expand(batch, -1, -1)
    return x_BKC.repeat_interleave(batch // x_BKC.shape[0], dim=0)


def _heads(x_BLC: Tensor, heads: int) -> Tensor:
    """(B, L, C) to (B, H, L, E)."""
    return x_BLC.view(*x_BLC.shape[:2], heads, -1).transpose(1, 2)


class WrappedProcessor:
    """Stands in the place of a processor that it calls.

    A plain object and not a module, so that the keys of the network's ``state_dict()`` stay.
    """

    def __init__(self, wrapped: Any) -> None:
        self.wrapped = wrapped

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


class IdentityProcessor(WrappedProcessor):
    """Calls the processor it wraps and adds the terms of its site."""

    def __init__(self, wrapped: Any, site: str, kind: SiteKind) -> None:
        super().__init__(wrapped)
        self.site = site
        self.kind = kind
        self.terms: tuple[SiteTerm, ...] = ()
        self._query: Tensor | None = None
        self._num_tokens = 0

    def hear(self, module: nn.Module, args: object, output: Tensor) -> None:
        """Remember the query; a forward hook of what the site's kind listens to."""
        if self.terms:
            self._query = self.kind.query(output, self._num_tokens)

    def __call__(self, attn: Any, hidden_states: Tensor, *args: Any, **kwargs: Any) -> Any:
        """Run the wrapped processor; add what the site's terms say."""
        terms = self.terms
        if not terms:
            return self.wrapped(attn, hidden_states, *args, **kwargs)
        self._num_tokens = hidden_states.shape[1]
        output = self.wrapped(attn, hidden_states, *args, **kwargs)
        if self.kind.listens_to(attn) is None:
            self._query = self.kind.ask(attn, hidden_states)
        query, self._query = self._query, None
        if query is None:
            raise AdapterError(
                f"{self.site}: {type(self.wrapped).__name__} did not use the query norm, expected"
                " a processor that does; attach before changing the processors"
            )
        read = identity_attention(query, terms[0], attn.heads)
        for term in terms[1:]:
            read = read + identity_attention(query, term, attn.heads)
        return self.kind.add(attn, hidden_states, output, read)


def wrap_processor(wrapped: Any, site: str, kind: SiteKind) -> IdentityProcessor:
    """Wrap a processor by one that adds what its site's terms say."""
    own: Any = type(wrapped)
    made: IdentityProcessor = with_signature_of(own, IdentityProcessor)(wrapped, site, kind)
    return made


@lru_cache(maxsize=32)
def with_signature_of(wrapped: Any, kind: Any) -> Any:
    """Make a class of processors that take the same arguments as those they wrap.

    ``Attention.forward`` drops every argument that its processor's ``__call__`` does not name.

    Args:
        wrapped: The class of the processor that is wrapped.
        kind: A ``WrappedProcessor``.
    """

    def __call__(self: Any, *args: Any, **kwargs: Any) -> Any:  # noqa: N807
        return kind.__call__(self, *args, **kwargs)

    __call__.__signature__ = inspect.signature(wrapped.__call__)  # type: ignore[attr-defined]
    return type(kind.__name__, (kind,), {"__call__": __call__})
