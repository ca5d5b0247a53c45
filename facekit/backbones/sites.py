"""How identity joins an attention of diffusers: where the query is heard, and what is added to.

Shapes: B batch, L latent tokens, C inner channels, H heads, E = C / H.
"""

import re
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias, cast

import torch
from torch import Tensor, nn
from torch.nn import functional

__all__ = [
    "CROSS",
    "FRAMEWISE",
    "GATED_CROSS",
    "JOINT",
    "JOINT_AFTER_TEXT",
    "JOINT_UNPROJECTED",
    "KeyNorm",
    "LoraPlace",
    "NormKind",
    "SiteKind",
    "base_layer",
    "cross_attention_place",
    "project_out",
]

NormKind = Literal["rms", "layer", "none"]

LoraPlace: TypeAlias = Literal["latents", "text"]
"""Whose tokens a linear layer reads, one by one."""

_IN_BLOCK = re.compile(r"blocks\.\d+\.(attn1|attn2|ffn?)\.(.+)")
_OF_TEXT = ("to_k", "to_v", "add_k_proj", "add_v_proj")


@dataclass(frozen=True, slots=True, eq=False)
class KeyNorm:
    """The norm of an attention's keys, over all channels or over those of each head."""

    kind: NormKind
    dim: int
    """How many channels are normed together."""
    eps: float
    weight: Tensor | None
    bias: Tensor | None


def base_layer(layer: nn.Module) -> Any:
    """The layer itself, without the LoRA that peft may have wrapped around it."""
    unwrap = getattr(layer, "get_base_layer", None)
    return cast(nn.Module, unwrap()) if callable(unwrap) else layer


def project_out(read_BLC: Tensor, layer: nn.Module) -> Tensor:
    """Apply the weight of the backbone's output projection, without bias and without LoRA."""
    linear = base_layer(layer)
    # What moves or casts weights around a call (offload, layerwise casting) replaces forward.
    if type(linear) is nn.Linear and "forward" not in vars(linear):
        return functional.linear(read_BLC, linear.weight)
    # Quantised, stored in eight bits or away on another device: only the layer itself knows how
    # to multiply. Taking its bias away again still leaves exactly nothing where there is nothing.
    asked: Tensor = linear(torch.cat([read_BLC, torch.zeros_like(read_BLC[:, :1])], dim=1))
    return asked[:, :-1] - asked[:, -1:]


def cross_attention_place(path: str) -> LoraPlace | None:
    """Tell whose tokens a layer reads where ``attn2`` of every block is the attention to the text.

    Args:
        path: Of a module of the network, as in Wan and LTX.

    Returns:
        None for layers outside of the blocks, which read neither.
    """
    found = _IN_BLOCK.search(path)
    if found is None:
        return None
    return "text" if found[1] == "attn2" and found[2] in _OF_TEXT else "latents"


class SiteKind:
    """Cross-attention whose query norm sees (B, L, C), as in Wan and LTX; others differ in parts.

    What is added goes through the backbone's own output projection.
    """

    def listens_to(self, attention: Any) -> nn.Module | None:
        """The module whose output is the query before rotary embedding; None to compute it."""
        return cast(nn.Module, attention.norm_q)

    def query(self, heard: Tensor, num_tokens: int) -> Tensor:
        """Take the latent tokens' query from what was heard, shape (B, L, C)."""
        return heard

    def ask(self, attention: Any, hidden_states: Tensor) -> Tensor:
        """Compute the query where nothing can be heard, shape (B, L, C)."""
        raise NotImplementedError

    def add(self, attention: Any, hidden_states: Tensor, output: Any, read_BLC: Tensor) -> Any:
        """Add what was read to what the attention's processor gave."""
        return output + project_out(read_BLC, attention.to_out[0]).to(output.dtype)

    def text_key(self, attention: Any) -> nn.Module:
        """The projection of the text's keys, which the identity's start from."""
        return cast(nn.Module, attention.to_k)

    def key_norm(self, attention: Any) -> KeyNorm:
        """The norm that the identity's keys take over."""
        norm = attention.norm_k
        width = base_layer(attention.to_k).out_features
        if norm is None:
            return KeyNorm("none", width, 0.0, None, None)
        weight, bias = getattr(norm, "weight", None), getattr(norm, "bias", None)
        kind: NormKind = "layer" if isinstance(norm, nn.LayerNorm) else "rms"
        dim = width if weight is None else weight.shape[0]
        eps = getattr(norm, "eps", None) or torch.finfo(torch.float32).eps
        return KeyNorm(kind, dim, eps, weight, bias)

    def width(self, attention: Any) -> int:
        """Channels of keys and values: heads times head width."""
        return int(base_layer(attention.to_k).out_features)


class _GatedCross(SiteKind):
    """Cross-attention whose heads are scaled by gates, when it has them."""

    def add(self, attention: Any, hidden_states: Tensor, output: Any, read_BLC: Tensor) -> Any:
        gate = getattr(attention, "to_gate_logits", None)
        if gate is not None:
            # Source: LTX2AudioVideoAttnProcessor, diffusers 0.42.1 (Apache-2.0).
            gates_BLH = 2.0 * torch.sigmoid(gate(hidden_states))
            batch, length, width = read_BLC.shape
            heads = read_BLC.view(batch, length, attention.heads, -1) * gates_BLH.unsqueeze(-1)
            read_BLC = heads.view(batch, length, width).to(read_BLC.dtype)
        return super().add(attention, hidden_states, output, read_BLC)


class _Joint(SiteKind):
    """Joint attention with a projection for each stream; norms see (B, L, H, E) of the latents."""

    def query(self, heard: Tensor, num_tokens: int) -> Tensor:
        return heard[:, :num_tokens].flatten(2)

    def add(self, attention: Any, hidden_states: Tensor, output: Any, read_BLC: Tensor) -> Any:
        latents, text = output
        return super().add(attention, hidden_states, latents, read_BLC), text

    def text_key(self, attention: Any) -> nn.Module:
        added = getattr(attention, "add_k_proj", None)
        return cast(nn.Module, attention.to_k if added is None else added)


class _JointUnprojected(_Joint):
    """Joint attention whose block projects afterwards, so that what is read is added as it is."""

    def add(self, attention: Any, hidden_states: Tensor, output: Any, read_BLC: Tensor) -> Any:
        latents, text = output
        return latents + read_BLC.to(latents.dtype), text


class _JointAfterText(_Joint):
    """Joint attention with the text first; norms see (B, H, T + L, E), turned in place later."""

    def query(self, heard: Tensor, num_tokens: int) -> Tensor:
        return heard[:, :, -num_tokens:].transpose(1, 2).flatten(2).clone()


class _Framewise(SiteKind):
    """Cross-attention of a UNet, frame by frame: (B F, L, C), without a query norm."""

    def listens_to(self, attention: Any) -> nn.Module | None:
        return None

    def ask(self, attention: Any, hidden_states: Tensor) -> Tensor:
        query: Tensor = attention.to_q(hidden_states)
        return query


CROSS = SiteKind()
GATED_CROSS = _GatedCross()
JOINT = _Joint()
JOINT_UNPROJECTED = _JointUnprojected()
JOINT_AFTER_TEXT = _JointAfterText()
FRAMEWISE = _Framewise()
