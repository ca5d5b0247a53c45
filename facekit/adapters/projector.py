"""Embeddings of a face become identity tokens.

Shapes: B batch, P photos, D embedding, K identity tokens, C token channels, M context tokens
made of one embedding, W width inside the projector, that of the tokens.
"""

from typing import Literal, TypeAlias

import torch
from torch import Tensor, nn
from torch.nn import functional

__all__ = ["PerceiverResampler", "Pool"]

Pool: TypeAlias = Literal["mean", "concat"]

_FF_MULT = 2


class _PerceiverBlock(nn.Module):
    """Latents read the context and each other, then a feed-forward layer."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm_context = nn.LayerNorm(width)
        self.norm_latents = nn.LayerNorm(width)
        self.to_q = nn.Linear(width, width, bias=False)
        self.to_kv = nn.Linear(width, 2 * width, bias=False)
        self.to_out = nn.Linear(width, width, bias=False)
        self.ff = nn.Sequential(
            nn.LayerNorm(width),
            nn.Linear(width, _FF_MULT * width),
            nn.GELU(),
            nn.Linear(_FF_MULT * width, width),
        )

    def forward(self, latents_BKW: Tensor, context_BMW: Tensor) -> Tensor:
        latents = self.norm_latents(latents_BKW)
        seen = torch.cat([self.norm_context(context_BMW), latents], dim=1)
        query = self._split(self.to_q(latents))
        key, value = (self._split(part) for part in self.to_kv(seen).chunk(2, dim=-1))
        read = functional.scaled_dot_product_attention(query, key, value)
        latents_BKW = latents_BKW + self.to_out(read.transpose(1, 2).flatten(2))
        updated: Tensor = latents_BKW + self.ff(latents_BKW)
        return updated

    def _split(self, x: Tensor) -> Tensor:
        return x.reshape(*x.shape[:2], self.heads, -1).transpose(1, 2)


class PerceiverResampler(nn.Module):
    """Turn the embeddings of one to a few photos into a fixed number of tokens per photo.

    An embedding is one vector, so it is first spread over a few context tokens that the latents
    can tell apart.

    Args:
        embedding_dim: Width of the face encoder.
        token_dim: Width of the tokens, what the branches' ``to_k`` and ``to_v`` read.
        num_tokens: Tokens per photo (``concat``) or per character (``mean``).
        depth: Number of perceiver blocks.
        heads: Attention heads; must divide ``token_dim``.
        pool: ``mean`` averages the embeddings first, ``concat`` lines up every photo's tokens.
        context_tokens: How many tokens one embedding is spread over.
        max_photos: ``concat`` keeps at most so many photos, those of the highest weight.

    Source: the resampler of IP-Adapter (arXiv 2308.06721) and Lynx (arXiv 2509.15496), re-built.
    """

    def __init__(
        self,
        embedding_dim: int,
        token_dim: int,
        *,
        num_tokens: int,
        depth: int,
        heads: int,
        pool: Pool,
        context_tokens: int,
        max_photos: int,
    ) -> None:
        super().__init__()
        width = token_dim
        if width % heads:
            raise ValueError(f"heads is {heads}, expected a divisor of the width {width}")
        if pool not in ("mean", "concat"):
            raise ValueError(f"pool is {pool!r}, expected 'mean' or 'concat'")
        self.embedding_dim = embedding_dim
        self.pool: Pool = pool
        self.max_photos = max_photos
        self.spread = nn.Sequential(
            nn.Linear(embedding_dim, width),
            nn.GELU(),
            nn.Linear(width, context_tokens * width),
            nn.Unflatten(-1, (context_tokens, width)),
        )
        self.latents = nn.Parameter(torch.randn(1, num_tokens, width) / width**0.5)
        self.blocks = nn.ModuleList(_PerceiverBlock(width, heads) for _ in range(depth))
        self.to_tokens = nn.Linear(width, token_dim)
        self.norm = nn.LayerNorm(token_dim)

    def forward(self, embeddings_BPD: Tensor, weights_BP: Tensor | None = None) -> Tensor:
        """Make tokens.

        Args:
            embeddings_BPD: Unit vectors, P photos per sample; (B, D) means one photo each.
            weights_BP: How much each photo counts, not negative; equal when None. ``mean``
                averages with them; ``concat`` only picks the photos by them when there are more
                than ``max_photos``.

        Returns:
            tokens_BKC, with K = num_tokens (``mean``) or photos * num_tokens (``concat``).
        """
        if embeddings_BPD.ndim == 2:
            embeddings_BPD = embeddings_BPD.unsqueeze(1)
        if embeddings_BPD.ndim != 3 or embeddings_BPD.shape[-1] != self.embedding_dim:
            raise ValueError(
                f"embeddings have shape {tuple(embeddings_BPD.shape)},"
                f" expected (batch, photos, {self.embedding_dim})"
            )
        if self.pool == "mean":
            embeddings_BPD = _weighted_mean(embeddings_BPD, weights_BP)
        else:
            embeddings_BPD = _best(embeddings_BPD, weights_BP, self.max_photos)
        batch, photos, dim = embeddings_BPD.shape
        # A unit vector of D numbers has entries of size D**-0.5; bring them to about one.
        context = self.spread(embeddings_BPD.reshape(batch * photos, dim) * dim**0.5)
        latents = self.latents.expand(batch * photos, -1, -1)
        for block in self.blocks:
            latents = block(latents, context)
        tokens: Tensor = self.norm(self.to_tokens(latents))
        return tokens.reshape(batch, photos * tokens.shape[1], -1)


def _weighted_mean(embeddings_BPD: Tensor, weights_BP: Tensor | None) -> Tensor:
    if weights_BP is not None:
        embeddings_BPD = embeddings_BPD * weights_BP.to(embeddings_BPD).unsqueeze(-1)
    return functional.normalize(embeddings_BPD.sum(dim=1, keepdim=True), dim=-1)


def _best(embeddings_BPD: Tensor, weights_BP: Tensor | None, count: int) -> Tensor:
    if embeddings_BPD.shape[1] <= count:
        return embeddings_BPD
    if weights_BP is None:
        return embeddings_BPD[:, :count]
    # Keep the given order, so that the same photos make the same tokens.
    chosen = weights_BP.topk(count, dim=1).indices.sort(dim=1).values.to(embeddings_BPD.device)
    index = chosen.unsqueeze(-1).expand(-1, -1, embeddings_BPD.shape[2])
    return embeddings_BPD.gather(1, index)
