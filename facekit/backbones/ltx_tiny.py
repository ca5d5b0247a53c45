"""Small random LTX-Video pipelines of the real diffusers classes, for tests and dry runs."""

from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import torch

from facekit.backbones.spec import BackboneSpec
from facekit.backbones.tiny_text import tiny_tokenizer, tiny_vocabulary_size

if TYPE_CHECKING:
    from diffusers import DiffusionPipeline

__all__ = ["CHANNELS", "TINY_TEXT_DIMS", "build_tiny", "set_statistics"]

TINY_TEXT_DIMS = MappingProxyType({"ltx_video_2b": 16, "ltx_video_13b": 24})
"""The text width is what tells the tiny backbones from each other and from the real ones."""

CHANNELS = 4
"""Of the latents."""


def build_tiny(spec: BackboneSpec) -> "DiffusionPipeline":
    """Build it; the same numbers on every call, whatever the state of the random generator."""
    from diffusers import (
        AutoencoderKLLTXVideo,
        FlowMatchEulerDiscreteScheduler,
        LTXConditionPipeline,
        LTXVideoTransformer3DModel,
    )
    from transformers import T5Config, T5EncoderModel

    text_dim = TINY_TEXT_DIMS[spec.name]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        transformer = LTXVideoTransformer3DModel(
            in_channels=CHANNELS,
            out_channels=CHANNELS,
            num_attention_heads=2,
            attention_head_dim=12,
            cross_attention_dim=24,
            num_layers=4,
            caption_channels=text_dim,
        )
        # 32 pixels and 8 frames to a latent position, as the real one of 0.9.5 and later.
        vae = AutoencoderKLLTXVideo(
            latent_channels=CHANNELS,
            block_out_channels=(4, 8, 16, 32, 32),
            down_block_types=("LTXVideo095DownBlock3D",) * 4,
            decoder_block_out_channels=(8, 16, 32),
            layers_per_block=(1,) * 5,
            decoder_layers_per_block=(1,) * 4,
            spatio_temporal_scaling=(True,) * 4,
            decoder_spatio_temporal_scaling=(True,) * 3,
            decoder_inject_noise=(False,) * 4,
            downsample_type=("spatial", "temporal", "spatiotemporal", "spatiotemporal"),
            upsample_residual=(True,) * 3,
            upsample_factor=(2,) * 3,
            timestep_conditioning=True,
            spatial_compression_ratio=32,
            temporal_compression_ratio=8,
        )
        set_statistics(vae)
        text_encoder = T5EncoderModel(
            T5Config(
                vocab_size=tiny_vocabulary_size(),
                d_model=text_dim,
                d_kv=8,
                d_ff=32,
                num_layers=1,
                num_heads=2,
            )
        )
    return LTXConditionPipeline(
        scheduler=FlowMatchEulerDiscreteScheduler(use_dynamic_shifting=False),
        vae=vae.eval(),
        text_encoder=text_encoder.eval(),
        tokenizer=tiny_tokenizer(spec.max_sequence_length),
        transformer=transformer.eval(),
    )


def set_statistics(vae: Any) -> None:
    """Give an autoencoder a mean and a spread of its latents that are not 0 and 1."""
    vae.latents_mean.copy_(torch.tensor([0.1, -0.2, 0.0, 0.3]))
    vae.latents_std.copy_(torch.tensor([1.5, 0.8, 1.0, 1.2]))
