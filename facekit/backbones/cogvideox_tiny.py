"""Small random CogVideoX pipelines of the real classes, for tests and dry runs."""

from types import MappingProxyType
from typing import TYPE_CHECKING

import torch

from facekit.backbones.noise import DiffusionNoise
from facekit.backbones.spec import BackboneSpec
from facekit.backbones.tiny_text import tiny_tokenizer, tiny_vocabulary_size

if TYPE_CHECKING:
    from diffusers import DiffusionPipeline

__all__ = ["TINY_TEXT_DIMS", "build_tiny"]

TINY_TEXT_DIMS = MappingProxyType({"cogvideox_2b": 16, "cogvideox_5b": 32})
"""The text width is what tells the tiny models from each other and from the real ones."""

_CHANNELS = 4


def build_tiny(spec: BackboneSpec) -> "DiffusionPipeline":
    """Build it; the same numbers on every call, whatever the state of the random generator."""
    from diffusers import (
        AutoencoderKLCogVideoX,
        CogVideoXDDIMScheduler,
        CogVideoXPipeline,
        CogVideoXTransformer3DModel,
    )
    from transformers import T5Config, T5EncoderModel

    text_dim = TINY_TEXT_DIMS[spec.name]
    is_large = spec.name == "cogvideox_5b"
    process = spec.process
    assert isinstance(process, DiffusionNoise)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        transformer = CogVideoXTransformer3DModel(
            num_attention_heads=2,
            attention_head_dim=16,
            in_channels=_CHANNELS,
            out_channels=_CHANNELS,
            time_embed_dim=8,
            text_embed_dim=text_dim,
            num_layers=4,
            sample_width=4,
            sample_height=4,
            sample_frames=9,
            max_text_seq_length=spec.max_sequence_length,
            use_rotary_positional_embeddings=is_large,
        )
        vae = AutoencoderKLCogVideoX(
            block_out_channels=(4, 4, 4, 4),
            latent_channels=_CHANNELS,
            layers_per_block=1,
            norm_num_groups=2,
            scaling_factor=0.7 if is_large else 1.15258426,
        )
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
    return CogVideoXPipeline(
        tokenizer=tiny_tokenizer(spec.max_sequence_length),
        text_encoder=text_encoder.eval(),
        vae=vae.eval(),
        transformer=transformer.eval(),
        scheduler=CogVideoXDDIMScheduler(
            beta_start=process.beta_start,
            beta_end=process.beta_end,
            beta_schedule=process.beta_schedule,
            prediction_type=process.prediction,
            rescale_betas_zero_snr=process.zero_terminal,
            snr_shift_scale=process.snr_shift,
            clip_sample=False,
            timestep_spacing="trailing",
        ),
    )
