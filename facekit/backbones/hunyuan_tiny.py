"""A small random HunyuanVideo pipeline of the real classes, for tests and dry runs."""

from typing import TYPE_CHECKING

import torch

from facekit.backbones.spec import BackboneSpec
from facekit.backbones.tiny_text import tiny_tokenizer, tiny_vocabulary_size

if TYPE_CHECKING:
    from diffusers import DiffusionPipeline

__all__ = ["TINY_TEXT_DIM", "build_tiny"]

TINY_TEXT_DIM = 16
"""The text width is what tells it from the real one."""

_CHANNELS = 4


def build_tiny(spec: BackboneSpec) -> "DiffusionPipeline":
    """Build it; the same numbers on every call, whatever the state of the random generator."""
    from diffusers import (
        AutoencoderKLHunyuanVideo,
        FlowMatchEulerDiscreteScheduler,
        HunyuanVideoPipeline,
        HunyuanVideoTransformer3DModel,
    )
    from transformers import CLIPTextConfig, CLIPTextModel, LlamaConfig, LlamaModel

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        transformer = HunyuanVideoTransformer3DModel(
            in_channels=_CHANNELS,
            out_channels=_CHANNELS,
            num_attention_heads=2,
            attention_head_dim=16,
            num_layers=3,
            num_single_layers=5,
            num_refiner_layers=1,
            mlp_ratio=2.0,
            text_embed_dim=TINY_TEXT_DIM,
            pooled_projection_dim=8,
            rope_axes_dim=(4, 6, 6),
        )
        vae = AutoencoderKLHunyuanVideo(
            latent_channels=_CHANNELS,
            block_out_channels=(4, 4, 4, 4),
            layers_per_block=1,
            norm_num_groups=2,
        )
        # The pipeline reads the states of the third layer from the end.
        text_encoder = LlamaModel(
            LlamaConfig(
                vocab_size=tiny_vocabulary_size(),
                hidden_size=TINY_TEXT_DIM,
                intermediate_size=16,
                num_hidden_layers=3,
                num_attention_heads=2,
                num_key_value_heads=2,
                pad_token_id=0,
                bos_token_id=1,
                eos_token_id=1,
            )
        )
        text_encoder_2 = CLIPTextModel(
            CLIPTextConfig(
                vocab_size=tiny_vocabulary_size(),
                hidden_size=8,
                intermediate_size=16,
                projection_dim=8,
                num_hidden_layers=1,
                num_attention_heads=2,
                pad_token_id=0,
                bos_token_id=1,
                eos_token_id=1,
            )
        )
    return HunyuanVideoPipeline(
        text_encoder=text_encoder.eval(),
        tokenizer=tiny_tokenizer(512),
        transformer=transformer.eval(),
        vae=vae.eval(),
        scheduler=FlowMatchEulerDiscreteScheduler(shift=7.0),
        text_encoder_2=text_encoder_2.eval(),
        tokenizer_2=tiny_tokenizer(77),
    )
