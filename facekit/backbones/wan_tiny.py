"""Small random Wan pipelines of the real diffusers classes, for tests and dry runs."""

from types import MappingProxyType
from typing import TYPE_CHECKING

import torch

from facekit.backbones.spec import BackboneSpec
from facekit.backbones.tiny_text import tiny_tokenizer, tiny_vocabulary_size

if TYPE_CHECKING:
    from diffusers import DiffusionPipeline

__all__ = ["TINY_TEXT_DIMS", "build_tiny"]

TINY_TEXT_DIMS = MappingProxyType({"toon": 32, "wan2_1_t2v_1_3b": 16})
"""The text width is what tells the tiny backbones from each other and from the real ones."""

_CHANNELS = 4


def build_tiny(spec: BackboneSpec) -> "DiffusionPipeline":
    """Build it; the same numbers on every call, whatever the state of the random generator."""
    from diffusers import (
        AutoencoderKLWan,
        FlowMatchEulerDiscreteScheduler,
        WanPipeline,
        WanTransformer3DModel,
    )
    from transformers import UMT5Config, UMT5EncoderModel

    toon = spec.name == "toon"
    text_dim = TINY_TEXT_DIMS[spec.name]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        transformer = WanTransformer3DModel(
            patch_size=(1, 2, 2),
            num_attention_heads=2,
            attention_head_dim=12,
            in_channels=_CHANNELS,
            out_channels=_CHANNELS,
            text_dim=text_dim,
            freq_dim=32,
            ffn_dim=32,
            num_layers=4,
            cross_attn_norm=True,
            qk_norm="rms_norm_across_heads",
            rope_max_seq_len=32,
        )
        vae = AutoencoderKLWan(
            base_dim=4,
            z_dim=_CHANNELS,
            dim_mult=[1, 1, 1, 1],
            num_res_blocks=1,
            temperal_downsample=[False, True, not toon],
            latents_mean=[0.1, -0.2, 0.0, 0.3],
            latents_std=[1.5, 0.8, 1.0, 1.2],
            scale_factor_temporal=2 if toon else 4,
        )
        text_encoder = UMT5EncoderModel(
            UMT5Config(
                vocab_size=tiny_vocabulary_size(),
                d_model=text_dim,
                d_kv=8,
                d_ff=32,
                num_layers=1,
                num_heads=2,
            )
        )
    return WanPipeline(
        tokenizer=tiny_tokenizer(spec.max_sequence_length),
        text_encoder=text_encoder.eval(),
        vae=vae.eval(),
        scheduler=FlowMatchEulerDiscreteScheduler(shift=3.0),
        transformer=transformer.eval(),
        expand_timesteps=toon,
    )
