"""What the real models look like, for estimates where their weights are not on this machine.

Only what differs from the defaults of the classes of diffusers. A test builds each network and
compares it with its spec's fingerprint and with the number of parameters in its name.

Source: convert_wan_to_diffusers.py, convert_ltx_to_diffusers.py, convert_ltx2_to_diffusers.py,
convert_hunyuan_video_to_diffusers.py, convert_hunyuan_video1_5_to_diffusers.py and
convert_cogvideox_to_diffusers.py of github.com/huggingface/diffusers (scripts/), and public copies
of the repositories' config.json. Parameters of text encoders: counted on their classes.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

__all__ = ["SHAPES", "Shapes"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Shapes:
    """One real model without its weights."""

    network: Mapping[str, Any] = field(default_factory=dict, hash=False)
    """Arguments of the network's class."""
    vae: Mapping[str, Any] = field(default_factory=dict, hash=False)
    """Arguments of the autoencoder's class."""
    text: Mapping[str, tuple[int, ...]] = field(hash=False)
    """What the network is told of a prompt: its keyword, and its shape without the prompts."""
    text_parameters: int
    """Of all encoders that prompts and empty pictures pass through."""
    text_width: int
    """The widest layer of the largest of them, which decides what encoding needs beside it."""


# Counted with the configs of google/umt5-xxl, google/t5-v1_1-xxl, openai/clip-vit-large-patch14 and
# laion/CLIP-ViT-H-14 (its vision half), the llama half of llava-llama-3-8b, Qwen2.5-VL-7B (its text
# half), google/byt5-small with the glyphs' vocabulary, and google/gemma-3-12b.
_UMT5 = 5_680_910_336
_T5 = 4_762_310_656
_CLIP = 123_060_480
_CLIP_VISION = 630_766_080
_LLAMA = 7_505_186_816
_QWEN = 7_070_619_136
_GLYPHS = 219_314_944
_GEMMA = 12_202_563_392
_T5_WIDTH = 10240


def _of(**values: Any) -> Mapping[str, Any]:
    return MappingProxyType(values)


_WAN_TEXT = _of(encoder_hidden_states=(512, 4096))
_WAN_SMALL = _of(num_attention_heads=12, ffn_dim=8960, num_layers=30)
_WAN_VAE_2_2 = _of(
    base_dim=160,
    decoder_base_dim=256,
    z_dim=48,
    in_channels=12,
    out_channels=12,
    patch_size=2,
    scale_factor_spatial=16,
    is_residual=True,
    latents_mean=[0.0] * 48,  # of no weight here: sizes alone are asked for
    latents_std=[1.0] * 48,
)
_LTX_VAE = _of(
    block_out_channels=(128, 256, 512, 1024, 2048),
    down_block_types=("LTXVideo095DownBlock3D",) * 4,
    decoder_block_out_channels=(256, 512, 1024),
    layers_per_block=(4, 6, 6, 2, 2),
    decoder_layers_per_block=(5, 5, 5, 5),
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
_LTX2_VAE = _of(decoder_causal=False, spatial_compression_ratio=32, temporal_compression_ratio=8)
_LTX_TEXT = _of(encoder_hidden_states=(256, 4096), encoder_attention_mask=(256,))


def _wan(network: Mapping[str, Any], vae: Mapping[str, Any] = MappingProxyType({})) -> Shapes:
    return Shapes(
        network=network, vae=vae, text=_WAN_TEXT, text_parameters=_UMT5, text_width=_T5_WIDTH
    )


def _t5(network: Mapping[str, Any], vae: Mapping[str, Any], text: Mapping[str, Any]) -> Shapes:
    return Shapes(network=network, vae=vae, text=text, text_parameters=_T5, text_width=_T5_WIDTH)


def _ltx2(audio_width: int, video_width: int, **network: Any) -> Shapes:
    """The connectors between Gemma and the network, 1 % of it, count as nothing."""
    return Shapes(
        network=_of(rope_type="split", **network),
        vae=_LTX2_VAE,
        text=_of(
            encoder_hidden_states=(1024, video_width),
            audio_encoder_hidden_states=(1024, audio_width),
            encoder_attention_mask=(1024,),
            audio_encoder_attention_mask=(1024,),
        ),
        text_parameters=_GEMMA,
        text_width=15360,
    )


SHAPES: Mapping[str, Shapes] = MappingProxyType(
    {
        # Its network and its autoencoder ship, and are read from there.
        "toon": Shapes(
            text=_of(encoder_hidden_states=(48, 128)), text_parameters=339_000, text_width=256
        ),
        "wan2_1_t2v_1_3b": _wan(_WAN_SMALL),
        "wan2_1_t2v_14b": _wan({}),
        "wan2_2_t2v_a14b": _wan({}),
        "wan2_2_ti2v_5b": _wan(
            _of(
                num_attention_heads=24,
                ffn_dim=14336,
                num_layers=30,
                in_channels=48,
                out_channels=48,
            ),
            _WAN_VAE_2_2,
        ),
        "wan2_1_i2v_14b": Shapes(
            network=_of(in_channels=36, image_dim=1280, added_kv_proj_dim=5120),
            text=_of(**_WAN_TEXT, encoder_hidden_states_image=(257, 1280)),
            text_parameters=_UMT5 + _CLIP_VISION,
            text_width=_T5_WIDTH,
        ),
        "wan2_2_i2v_a14b": _wan(_of(in_channels=36)),
        "wan2_1_vace_1_3b": _wan(_of(**_WAN_SMALL, vace_layers=list(range(0, 30, 2)))),
        "wan2_1_vace_14b": _wan({}),
        "ltx_video_2b": _t5({}, _LTX_VAE, _LTX_TEXT),
        "ltx_video_13b": _t5(
            _of(attention_head_dim=128, cross_attention_dim=4096, num_layers=48),
            _LTX_VAE,
            _LTX_TEXT,
        ),
        "ltx_2": _ltx2(3840, 3840),
        "ltx_2_3": _ltx2(
            2048,
            4096,
            gated_attn=True,
            cross_attn_mod=True,
            audio_gated_attn=True,
            audio_cross_attn_mod=True,
            use_prompt_embeddings=False,
            perturbed_attn=True,
        ),
        "hunyuanvideo": Shapes(
            text=_of(
                encoder_hidden_states=(256, 4096),
                encoder_attention_mask=(256,),
                pooled_projections=(768,),
            ),
            text_parameters=_LLAMA + _CLIP,
            text_width=14336,
        ),
        "hunyuanvideo_1_5": Shapes(
            network=_of(task_type="t2v"),
            text=_of(
                encoder_hidden_states=(1000, 3584),
                encoder_attention_mask=(1000,),
                encoder_hidden_states_2=(256, 1472),
                encoder_attention_mask_2=(256,),
            ),
            text_parameters=_QWEN + _GLYPHS,
            text_width=18944,
        ),
        "cogvideox_2b": _t5({}, {}, _of(encoder_hidden_states=(226, 4096))),
        "cogvideox_5b": _t5(
            _of(num_attention_heads=48, num_layers=42, use_rotary_positional_embeddings=True),
            _of(scaling_factor=0.7),
            _of(encoder_hidden_states=(226, 4096)),
        ),
        "animatediff_sd15": Shapes(
            network=_of(cross_attention_dim=768),
            vae=_of(
                block_out_channels=(128, 256, 512, 512),
                down_block_types=("DownEncoderBlock2D",) * 4,
                up_block_types=("UpDecoderBlock2D",) * 4,
                layers_per_block=2,
            ),
            text=_of(encoder_hidden_states=(77, 768)),
            text_parameters=_CLIP,
            text_width=3072,
        ),
    }
)
"""By the names of the specs. A backbone that is not here is estimated from its own folder alone."""
