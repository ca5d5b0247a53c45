"""The toon backbone in training: text encoder, transformer and base identity adapter as one module.

Shapes: B batch, S text positions.
"""

from typing import Any

import torch
from diffusers import WanTransformer3DModel
from diffusers.models.transformers.transformer_wan import WanAttnProcessor
from torch import Tensor, nn

from facekit.adapters.identity_adapter import IdentityAdapter
from facekit.backbones.wan import TOON
from facekit.toon.text import MAX_TOKENS, TEXT_DIM, new_text_encoder, new_tokenizer
from facekit.training.truth_heads import TruthHeads

__all__ = ["PaddingProcessor", "ToonModel", "padding_bias"]

_TOKEN_DIM = 192


class PaddingProcessor(WanAttnProcessor):
    """Text cross-attention that weighs padding as if there were more of it.

    Stock pipelines pad prompts to 512 with zero vectors, all alike; attending to n of them equals
    attending to one with log(n) added to its logit. Training with a few and a bias makes the
    backbone indifferent to how long the padding is.
    """

    def __init__(self) -> None:
        """Start without a bias: exactly the stock processor."""
        super().__init__()
        self.bias_B11S: Tensor | None = None

    def __call__(  # noqa: D102
        self,
        attn: Any,
        hidden_states: Tensor,
        encoder_hidden_states: Tensor | None = None,
        *args: Any,
        **kwargs: Any,
    ) -> Tensor:
        result: Tensor = super().__call__(
            attn, hidden_states, encoder_hidden_states, self.bias_B11S
        )
        return result


class ToonModel(nn.Module):
    """What is trained together; the heads are dropped later."""

    def __init__(
        self, encoder_name: str, encoder_digest: str, embedding_dim: int, seed: int
    ) -> None:
        """Build everything with random weights from one seed."""
        super().__init__()
        torch.manual_seed(seed)
        self.tokenizer = new_tokenizer()
        self.text_encoder = new_text_encoder(len(self.tokenizer))
        self.transformer = WanTransformer3DModel(
            patch_size=(1, 2, 2),
            num_attention_heads=4,
            attention_head_dim=64,
            in_channels=16,
            out_channels=16,
            text_dim=TEXT_DIM,
            freq_dim=256,
            ffn_dim=896,
            num_layers=6,
            cross_attn_norm=True,
            qk_norm="rms_norm_across_heads",
            rope_max_seq_len=64,
        )
        self.adapter = IdentityAdapter.from_transformer(
            self.transformer,
            TOON,
            embedding_dim=embedding_dim,
            token_dim=_TOKEN_DIM,
            encoder=encoder_name,
            encoder_digest=encoder_digest,
        )
        self.heads = TruthHeads(256, embedding_dim)

    def encode_ids(self, token_ids_BS: Tensor) -> tuple[Tensor, Tensor]:
        """Return text states and numbers of words; zeros pad the states, as in stock pipelines."""
        mask = (token_ids_BS != 0).long()
        states = self.text_encoder(token_ids_BS, mask).last_hidden_state
        return states * mask[..., None], mask.sum(1)


def padding_bias(lengths_B: Tensor, pad_to_B: Tensor) -> Tensor:
    """Return what `PaddingProcessor` adds to logits, so that `MAX_TOKENS` weigh as `pad_to_B`.

    Args:
        lengths_B: Number of words of each prompt.
        pad_to_B: Length that its padding is to weigh as.

    Returns:
        Float32 (B, 1, 1, MAX_TOKENS), zero on words.
    """
    padding = (MAX_TOKENS - lengths_B).clamp(min=1)
    extra = ((pad_to_B - lengths_B).float() / padding).clamp(min=1.0).log()
    is_padding = torch.arange(MAX_TOKENS, device=lengths_B.device)[None] >= lengths_B[:, None]
    return (extra[:, None] * is_padding)[:, None, None]
