"""A small random HunyuanVideo-1.5 pipeline of the real classes, for tests and dry runs."""

from typing import TYPE_CHECKING

import torch

from facekit.backbones.spec import BackboneSpec
from facekit.backbones.tiny_text import tiny_tokenizer, tiny_vocabulary_size

if TYPE_CHECKING:
    from diffusers import DiffusionPipeline

__all__ = ["TINY_TEXT_DIM", "build_tiny", "shorten"]

TINY_TEXT_DIM = 16
"""The text width is what tells it from the real one."""

_CHANNELS = 4
_GLYPH_DIM = 8


def build_tiny(spec: BackboneSpec) -> "DiffusionPipeline":
    """Build it; the same numbers on every call, whatever the state of the random generator."""
    from diffusers import (
        AutoencoderKLHunyuanVideo15,
        ClassifierFreeGuidance,
        FlowMatchEulerDiscreteScheduler,
        HunyuanVideo15Pipeline,
        HunyuanVideo15Transformer3DModel,
    )
    from transformers import ByT5Tokenizer, T5Config, T5EncoderModel
    from transformers.models.qwen2_5_vl import Qwen2_5_VLTextConfig, Qwen2_5_VLTextModel

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        transformer = HunyuanVideo15Transformer3DModel(
            in_channels=2 * _CHANNELS + 1,
            out_channels=_CHANNELS,
            num_attention_heads=2,
            attention_head_dim=16,
            num_layers=4,
            num_refiner_layers=1,
            mlp_ratio=2.0,
            text_embed_dim=TINY_TEXT_DIM,
            text_embed_2_dim=_GLYPH_DIM,
            image_embed_dim=8,
            rope_axes_dim=(4, 6, 6),
            task_type="t2v",
        )
        vae = AutoencoderKLHunyuanVideo15(
            latent_channels=_CHANNELS, block_out_channels=(8, 8, 8, 8, 8), layers_per_block=1
        )
        # The pipeline reads the states of the third layer from the end.
        text_encoder = Qwen2_5_VLTextModel(
            Qwen2_5_VLTextConfig(
                vocab_size=tiny_vocabulary_size(),
                hidden_size=TINY_TEXT_DIM,
                intermediate_size=16,
                num_hidden_layers=3,
                num_attention_heads=2,
                num_key_value_heads=2,
                rope_parameters={
                    "mrope_section": [1, 1, 2],
                    "rope_type": "default",
                    "rope_theta": 1e6,
                },
                pad_token_id=0,
                bos_token_id=1,
                eos_token_id=1,
            )
        )
        text_encoder_2 = T5EncoderModel(
            T5Config(vocab_size=384, d_model=_GLYPH_DIM, d_kv=4, d_ff=16, num_layers=1, num_heads=2)
        )
    tokenizer = tiny_tokenizer(2048)
    pipe = HunyuanVideo15Pipeline(
        text_encoder=text_encoder.eval(),
        tokenizer=tokenizer,
        transformer=transformer.eval(),
        vae=vae.eval(),
        scheduler=FlowMatchEulerDiscreteScheduler(shift=5.0),
        text_encoder_2=text_encoder_2.eval(),
        tokenizer_2=ByT5Tokenizer(),
        guider=ClassifierFreeGuidance(guidance_scale=6.0),
    )
    # The pipeline cuts so many tokens of its template off.
    tokenizer.chat_template = (
        "{{ '</s> ' * " + str(pipe.prompt_template_encode_start_idx) + " }}"
        "{{ messages[1]['content'] }} </s>"
    )
    return shorten(pipe)


def shorten(pipe: "DiffusionPipeline") -> "DiffusionPipeline":
    """Pad texts to few tokens: the lengths of a pipeline are not saved with it."""
    settings = {
        "tokenizer_max_length": 12,
        "tokenizer_2_max_length": 6,
        "vision_num_semantic_tokens": 3,
    }
    for name, value in settings.items():
        setattr(pipe, name, value)
    return pipe
