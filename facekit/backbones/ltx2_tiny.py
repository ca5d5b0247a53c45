"""Small random LTX-2 pipelines of the real diffusers and transformers classes."""

from typing import TYPE_CHECKING, Any

import torch

from facekit.backbones.ltx_tiny import CHANNELS, set_statistics
from facekit.backbones.spec import BackboneSpec
from facekit.backbones.tiny_text import tiny_tokenizer, tiny_vocabulary_size

if TYPE_CHECKING:
    from diffusers import DiffusionPipeline

__all__ = ["TINY_LAYERS", "build_tiny"]

TINY_LAYERS = 4

_TEXT_DIM = 16
_TEXT_LAYERS = 2
_VIDEO_DIM = 24
_AUDIO_DIM = 16
_AUDIO_CHANNELS = 4


def build_tiny(spec: BackboneSpec) -> "DiffusionPipeline":
    """Build it; the same numbers on every call, whatever the state of the random generator."""
    from diffusers import (
        AutoencoderKLLTX2Audio,
        AutoencoderKLLTX2Video,
        FlowMatchEulerDiscreteScheduler,
        LTX2Pipeline,
    )
    from diffusers.pipelines.ltx2.vocoder import LTX2Vocoder

    gated = bool(spec.tiny_fingerprint["gated_attn"])
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        transformer = _transformer(gated)
        connectors = _connectors(gated)
        vae = AutoencoderKLLTX2Video(
            latent_channels=CHANNELS,
            block_out_channels=(8, 16, 32, 64),
            decoder_block_out_channels=(8, 16, 32),
            layers_per_block=(1,) * 5,
            decoder_layers_per_block=(1,) * 4,
            spatial_compression_ratio=32,
            temporal_compression_ratio=8,
        )
        set_statistics(vae)
        # 4 mel bins of 2 channels in the latents: 2 bins x 2 channels are the 4 of the network.
        audio_vae = AutoencoderKLLTX2Audio(
            base_channels=4,
            ch_mult=(1,),
            num_res_blocks=1,
            resolution=32,
            latent_channels=2,
            mel_bins=8,
            mid_block_add_attention=False,
        )
        vocoder = LTX2Vocoder(
            in_channels=audio_vae.config.output_channels * audio_vae.config.mel_bins,
            hidden_channels=8,
            upsample_kernel_sizes=[4, 4],
            upsample_factors=[2, 2],
            resnet_kernel_sizes=[3],
            resnet_dilations=[[1, 3, 5]],
            output_sampling_rate=16000,
        )
        text_encoder = _text_encoder()
    # The settings of the real scheduler.
    scheduler = FlowMatchEulerDiscreteScheduler(
        use_dynamic_shifting=True,
        base_shift=0.95,
        max_shift=2.05,
        base_image_seq_len=1024,
        max_image_seq_len=4096,
        shift_terminal=0.1,
    )
    return LTX2Pipeline(
        scheduler=scheduler,
        vae=vae.eval(),
        audio_vae=audio_vae.eval(),
        text_encoder=text_encoder.eval(),
        tokenizer=tiny_tokenizer(spec.max_sequence_length),
        connectors=connectors.eval(),
        transformer=transformer.eval(),
        vocoder=vocoder.eval(),
    )


def _transformer(gated: bool) -> Any:
    """Gates, modulated text and perturbed attention came together, with LTX-2.3."""
    from diffusers import LTX2VideoTransformer3DModel

    return LTX2VideoTransformer3DModel(
        in_channels=CHANNELS,
        out_channels=CHANNELS,
        num_attention_heads=2,
        attention_head_dim=_VIDEO_DIM // 2,
        cross_attention_dim=_VIDEO_DIM,
        audio_in_channels=_AUDIO_CHANNELS,
        audio_out_channels=_AUDIO_CHANNELS,
        audio_num_attention_heads=2,
        audio_attention_head_dim=_AUDIO_DIM // 2,
        audio_cross_attention_dim=_AUDIO_DIM,
        num_layers=TINY_LAYERS,
        caption_channels=_TEXT_DIM,
        rope_type="split",
        gated_attn=gated,
        cross_attn_mod=gated,
        audio_gated_attn=gated,
        audio_cross_attn_mod=gated,
        use_prompt_embeddings=not gated,
        perturbed_attn=gated,
    )


def _connectors(gated: bool) -> Any:
    from diffusers.pipelines.ltx2 import LTX2TextConnectors

    video, audio = (_VIDEO_DIM, _AUDIO_DIM) if gated else (_TEXT_DIM, _TEXT_DIM)
    return LTX2TextConnectors(
        caption_channels=_TEXT_DIM,
        text_proj_in_factor=_TEXT_LAYERS + 1,
        video_connector_num_attention_heads=2,
        video_connector_attention_head_dim=video // 2,
        video_connector_num_layers=1,
        video_connector_num_learnable_registers=8,
        video_gated_attn=gated,
        audio_connector_num_attention_heads=2,
        audio_connector_attention_head_dim=audio // 2,
        audio_connector_num_layers=1,
        audio_connector_num_learnable_registers=8,
        audio_gated_attn=gated,
        rope_type="split",
        per_modality_projections=gated,
        video_hidden_dim=_VIDEO_DIM,
        audio_hidden_dim=_AUDIO_DIM,
        proj_bias=gated,
    )


def _text_encoder() -> Any:
    from transformers import Gemma3Config, Gemma3ForConditionalGeneration

    words = tiny_vocabulary_size()
    return Gemma3ForConditionalGeneration(
        Gemma3Config(
            text_config={
                "vocab_size": words + 3,
                "hidden_size": _TEXT_DIM,
                "intermediate_size": 32,
                "num_hidden_layers": _TEXT_LAYERS,
                "num_attention_heads": 2,
                "num_key_value_heads": 1,
                "head_dim": 8,
                "pad_token_id": 0,
                "bos_token_id": 1,
                "eos_token_id": 1,
            },
            vision_config={
                "hidden_size": 8,
                "intermediate_size": 8,
                "num_hidden_layers": 1,
                "num_attention_heads": 1,
                "image_size": 8,
                "patch_size": 4,
            },
            mm_tokens_per_image=4,
            image_token_index=words,
            boi_token_index=words + 1,
            eoi_token_index=words + 2,
        )
    )
