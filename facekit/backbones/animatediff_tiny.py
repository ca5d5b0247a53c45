"""A small random AnimateDiff pipeline of the real classes, for tests and dry runs."""

from typing import TYPE_CHECKING, Any

import torch

from facekit.backbones.spec import BackboneSpec
from facekit.backbones.tiny_text import tiny_tokenizer

if TYPE_CHECKING:
    from diffusers import DiffusionPipeline

__all__ = ["TINY_TEXT_DIM", "build_tiny"]

TINY_TEXT_DIM = 16
"""Tells it from the real one."""

_WIDTHS = (8, 8, 16, 16)
"""Of the four resolutions, and of no other number: two of them differ, as in the real one."""


def build_tiny(spec: BackboneSpec, scheduler: Any) -> "DiffusionPipeline":
    """Build it; the same numbers on every call, whatever the state of the random generator."""
    from diffusers import AnimateDiffPipeline, AutoencoderKL, MotionAdapter, UNetMotionModel
    from transformers import CLIPTextConfig, CLIPTextModel

    tokenizer = tiny_tokenizer(spec.max_sequence_length)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        motion = MotionAdapter(
            block_out_channels=_WIDTHS, motion_num_attention_heads=2, motion_norm_num_groups=4
        )
        unet = UNetMotionModel(
            sample_size=8,
            block_out_channels=_WIDTHS,
            norm_num_groups=4,
            cross_attention_dim=TINY_TEXT_DIM,
            num_attention_heads=2,
            motion_num_attention_heads=2,
        )
        unet.load_motion_modules(motion)
        vae = AutoencoderKL(
            block_out_channels=(4,) * 4,
            down_block_types=("DownEncoderBlock2D",) * 4,
            up_block_types=("UpDecoderBlock2D",) * 4,
            norm_num_groups=2,
        )
        text_encoder = CLIPTextModel(
            CLIPTextConfig(
                vocab_size=len(tokenizer),
                hidden_size=TINY_TEXT_DIM,
                intermediate_size=16,
                num_hidden_layers=1,
                num_attention_heads=2,
                max_position_embeddings=spec.max_sequence_length,
                bos_token_id=None,
                eos_token_id=tokenizer.eos_token_id,
                pad_token_id=tokenizer.pad_token_id,
            )
        )
    return AnimateDiffPipeline(
        vae=vae.eval(),
        text_encoder=text_encoder.eval(),
        tokenizer=tokenizer,
        unet=unet.eval(),
        motion_adapter=motion.eval(),
        scheduler=scheduler,
    )
