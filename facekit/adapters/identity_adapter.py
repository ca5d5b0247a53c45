"""The base identity adapter: a projector, and at every site the two matrices that read its tokens.

Shapes: B batch, P photos, D embedding, K identity tokens (registers included once folded),
C token channels.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Self, cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from facekit.adapters.folded import FoldedIdentity
from facekit.adapters.identity_config import IdentityAdapterConfig
from facekit.adapters.projector import PerceiverResampler
from facekit.adapters.tensor_file import differences, read_tensors, write_tensors
from facekit.backbones.sites import CROSS, NormKind, SiteKind, base_layer
from facekit.backbones.spec import BackboneSpec, site_module
from facekit.errors import AdapterMismatch
from facekit.recipe import IdentitySection

__all__ = [
    "FORMAT_VERSION",
    "FoldedIdentity",
    "IdentityAdapter",
    "IdentityAdapterConfig",
    "IdentityBranch",
]

FORMAT_VERSION = 1
_KIND = "facekit.identity_adapter"


class IdentityBranch(nn.Module):
    """Keys and values of one site.

    ``to_v`` starts at zero, so a new branch adds exactly nothing, and ``to_k`` starts as the
    text's where the shapes allow, so it asks sensible questions from the first step on.
    """

    norm_weight: Tensor
    norm_bias: Tensor

    def __init__(
        self,
        token_dim: int,
        inner_dim: int,
        num_registers: int,
        norm_eps: float,
        norm: NormKind = "rms",
        norm_dim: int = 0,
    ) -> None:
        super().__init__()
        self.to_k = nn.Linear(token_dim, inner_dim)
        self.to_v = nn.Linear(token_dim, inner_dim)
        self.registers = nn.Parameter(torch.randn(1, num_registers, token_dim) / token_dim**0.5)
        self.norm_eps = norm_eps
        self.norm = norm
        # The backbone's key norm as it was when the branch was built, kept with the branch.
        self.register_buffer("norm_weight", torch.ones(norm_dim or inner_dim))
        if norm == "layer":
            self.register_buffer("norm_bias", torch.zeros(norm_dim or inner_dim))
        nn.init.normal_(self.to_k.weight, std=token_dim**-0.5)
        nn.init.zeros_(self.to_k.bias)
        nn.init.zeros_(self.to_v.weight)
        nn.init.zeros_(self.to_v.bias)

    @torch.no_grad()
    def start_from(self, attention: nn.Module, kind: SiteKind = CROSS) -> None:
        """Copy the key projection (where it fits) and the key norm of the backbone's site.

        For a branch that is about to be trained: what is learned afterwards belongs to this norm,
        also when the backbone's own has moved on, so a trained branch never copies it again.
        """
        text = base_layer(kind.text_key(attention))
        if text.weight.shape == self.to_k.weight.shape and text.weight.is_floating_point():
            self.to_k.weight.copy_(text.weight)
            if text.bias is not None:
                self.to_k.bias.copy_(text.bias)
        norm = kind.key_norm(attention)
        if norm.weight is not None:
            self.norm_weight.copy_(norm.weight)
        if norm.bias is not None and self.norm == "layer":
            self.norm_bias.copy_(norm.bias)

    def forward(self, tokens_BKC: Tensor) -> tuple[Tensor, Tensor]:
        """Read tokens as keys (normed) and values, the registers appended."""
        registers = self.registers.expand(tokens_BKC.shape[0], -1, -1)
        read = torch.cat([tokens_BKC, registers.to(tokens_BKC.dtype)], dim=1)
        return self._normed(self.to_k(read)), self.to_v(read)

    def _normed(self, key_BKC: Tensor) -> Tensor:
        """Norm all channels, or those of each head."""
        if self.norm == "none":
            return key_BKC
        weight = self.norm_weight.to(key_BKC.dtype)
        heads = key_BKC.view(*key_BKC.shape[:2], -1, len(weight))
        if self.norm == "layer":
            bias = self.norm_bias.to(key_BKC.dtype)
            normed = functional.layer_norm(heads, weight.shape, weight, bias, self.norm_eps)
        else:
            normed = functional.rms_norm(heads, weight.shape, weight, self.norm_eps)
        return normed.flatten(-2)


class IdentityAdapter(nn.Module):
    """Embeddings of a face to tokens, and tokens to keys and values at every site.

    The names of its parameters are module paths of the backbone
    (``sites.blocks.0.attn2.to_k.weight``), never positions in a list.
    """

    def __init__(self, config: IdentityAdapterConfig) -> None:
        super().__init__()
        self.config = config
        self.projector = PerceiverResampler(
            config.embedding_dim,
            config.token_dim,
            num_tokens=config.num_tokens,
            depth=config.depth,
            heads=config.heads,
            pool=config.pool,
            context_tokens=config.context_tokens,
            max_photos=config.max_photos,
        )
        self.sites = nn.Module()
        for site, width in zip(config.sites, config.widths, strict=True):
            branch = IdentityBranch(
                config.token_dim,
                width,
                config.num_registers,
                config.norm_eps,
                config.norm,
                config.norm_dim,
            )
            _plant(self.sites, site, branch)
        if config.learned_null:
            null = torch.randn(1, config.num_tokens, config.token_dim)
            self.null: nn.Parameter | None = nn.Parameter(null)
        else:
            self.register_parameter("null", None)

    @classmethod
    def from_transformer(
        cls,
        transformer: nn.Module,
        spec: BackboneSpec,
        *,
        embedding_dim: int,
        token_dim: int | None = None,
        **options: Any,
    ) -> Self:
        """Build one that fits a backbone; it starts as an exact no-op.

        Args:
            transformer: The backbone's network; its keys and norms are copied, not shared.
            spec: Decides the sites.
            embedding_dim: Width of the face encoder.
            token_dim: Width of the tokens; that of the backbone when None, which lets ``to_k``
                start as the text's.
            options: Further fields of ``IdentityAdapterConfig``; what a recipe decides is as in a
                recipe that says nothing.
        """
        identity = IdentitySection()
        told: dict[str, Any] = {
            "backbone": spec.name,
            "num_tokens": identity.num_tokens,
            "pool": identity.pool,
            "max_photos": identity.max_photos,
        }
        sites = spec.sites(transformer)
        kinds = [spec.family.site_kind(transformer, site) for site in sites]
        attentions = [site_module(transformer, site) for site in sites]
        widths = tuple(kind.width(a) for kind, a in zip(kinds, attentions, strict=True))
        norm = kinds[0].key_norm(attentions[0])
        config = IdentityAdapterConfig(
            embedding_dim=embedding_dim,
            token_dim=token_dim or base_layer(kinds[0].text_key(attentions[0])).in_features,
            inner_dim=widths[0],
            inner_dims=widths if len(set(widths)) > 1 else (),
            sites=sites,
            norm=norm.kind,
            norm_dim=norm.dim if norm.dim != widths[0] else 0,
            norm_eps=norm.eps,
            **{**told, **options},
        )
        adapter = cls(config)
        branches = adapter.branches()
        for (_, branch), attention, kind in zip(branches, attentions, kinds, strict=True):
            branch.start_from(attention, kind)
        return adapter

    def branches(self) -> Iterator[tuple[str, IdentityBranch]]:
        """Every site with its branch, in the order of the config."""
        for site in self.config.sites:
            yield site, cast(IdentityBranch, self.sites.get_submodule(site))

    def tokens(self, embeddings_BPD: Tensor, weights_BP: Tensor | None = None) -> Tensor:
        """Project embeddings; shapes as in ``PerceiverResampler.forward``."""
        tokens: Tensor = self.projector(embeddings_BPD, weights_BP)
        return tokens

    def null_tokens(self, batch: int) -> Tensor:
        """The tokens of nobody; zeros when the adapter learned none."""
        if self.null is None:
            weight = self.projector.to_tokens.weight
            shape = (batch, self.config.num_tokens, self.config.token_dim)
            return torch.zeros(shape, dtype=weight.dtype, device=weight.device)
        return self.null.expand(batch, -1, -1)

    def fold(self, tokens_BKC: Tensor) -> FoldedIdentity:
        """Make the keys and values of every site; gradients flow through."""
        if tokens_BKC.ndim == 2:
            tokens_BKC = tokens_BKC.unsqueeze(0)
        if tokens_BKC.ndim != 3 or tokens_BKC.shape[-1] != self.config.token_dim:
            raise ValueError(
                f"tokens have shape {tuple(tokens_BKC.shape)},"
                f" expected (batch, tokens, {self.config.token_dim})"
            )
        keys, values = {}, {}
        for site, branch in self.branches():
            keys[site], values[site] = branch(tokens_BKC)
        return FoldedIdentity(keys, values)

    def forward(self, embeddings_BPD: Tensor, weights_BP: Tensor | None = None) -> FoldedIdentity:
        """Embeddings to keys and values."""
        return self.fold(self.tokens(embeddings_BPD, weights_BP))

    def save(self, path: Path | str, dtype: torch.dtype | None = None) -> None:
        """Write weights and config as safetensors, the whole file or nothing.

        Args:
            path: Where to.
            dtype: Cast on the way; as it is when None.
        """
        tensors = {name: tensor.to(dtype=dtype) for name, tensor in self.state_dict().items()}
        header = {
            "kind": _KIND,
            "format_version": str(FORMAT_VERSION),
            "config": self.config.to_json(),
        }
        write_tensors(path, tensors, header)

    @classmethod
    def load(cls, path: Path | str, device: torch.device | str = "cpu") -> Self:
        """Read what ``save`` wrote, in float32.

        Raises:
            AdapterDamaged: Truncated, altered, missing or not an identity adapter.
            AdapterMismatch: Its tensors are not the ones its config describes.
        """
        tensors, header = read_tensors(path, _KIND, FORMAT_VERSION)
        adapter = cls(IdentityAdapterConfig.from_json(header.get("config", "")))
        problems = differences(tensors, adapter.state_dict())
        if problems:
            raise AdapterMismatch(
                f"{path}: {problems}, expected the tensors its config describes; fetch it again"
            )
        adapter.load_state_dict({name: tensor.float() for name, tensor in tensors.items()})
        return adapter.to(device).eval()


def _plant(root: nn.Module, path: str, leaf: nn.Module) -> None:
    """Put a module at a dotted path, so that its parameters are named by the path."""
    *folders, name = path.split(".")
    for folder in folders:
        if not hasattr(root, folder):
            root.add_module(folder, nn.Module())
        root = cast(nn.Module, getattr(root, folder))
    root.add_module(name, leaf)
