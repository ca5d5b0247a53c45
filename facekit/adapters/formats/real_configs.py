"""The configs of the real backbones, as far as they decide the layers.

Source: transformer/config.json of each repository on the Hugging Face Hub, the one named beside
it, and the defaults of the class in diffusers 0.42.1 where it names nothing.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

__all__ = ["ONLY_FROM_A_FOLDER", "REAL_CONFIGS", "RealConfig"]


@dataclass(frozen=True, slots=True, kw_only=True)
class RealConfig:
    """One backbone of real size."""

    model: str
    """Class in diffusers."""
    config: Mapping[str, Any] = field(hash=False)
    has_experts: bool = False


def _wan(
    size: Mapping[str, Any],
    changes: Mapping[str, Any] | None = None,
    *,
    model: str = "WanTransformer3DModel",
    experts: bool = False,
) -> RealConfig:
    return RealConfig(
        model=model,
        config={
            "attention_head_dim": 128,
            "text_dim": 4096,
            "freq_dim": 256,
            "cross_attn_norm": True,
            "qk_norm": "rms_norm_across_heads",
            "in_channels": 16,
            "out_channels": 16,
            **size,
            **(changes or {}),
        },
        has_experts=experts,
    )


def _vace(size: Mapping[str, Any], layers: range) -> RealConfig:
    changes = {"vace_in_channels": 96, "vace_layers": list(layers)}
    return _wan(size, changes, model="WanVACETransformer3DModel")


_1_3B = {"num_attention_heads": 12, "ffn_dim": 8960, "num_layers": 30}
_5B = {"num_attention_heads": 24, "ffn_dim": 14336, "num_layers": 30}
_14B = {"num_attention_heads": 40, "ffn_dim": 13824, "num_layers": 40}
_WITH_IMAGE = {"in_channels": 36, "image_dim": 1280, "added_kv_proj_dim": 5120}

REAL_CONFIGS: Mapping[str, RealConfig] = {
    # Wan-AI/Wan2.1-T2V-1.3B-Diffusers, Wan2.1-T2V-14B-Diffusers, Wan2.1-I2V-14B-720P-Diffusers
    "wan2_1_t2v_1_3b": _wan(_1_3B),
    "wan2_1_t2v_14b": _wan(_14B),
    "wan2_1_i2v_14b": _wan(_14B, _WITH_IMAGE),
    # Wan-AI/Wan2.1-VACE-1.3B-diffusers, Wan2.1-VACE-14B-diffusers
    "wan2_1_vace_1_3b": _vace(_1_3B, range(0, 30, 2)),
    "wan2_1_vace_14b": _vace(_14B, range(0, 40, 5)),
    # Wan-AI/Wan2.2-T2V-A14B-Diffusers, Wan2.2-I2V-A14B-Diffusers, Wan2.2-TI2V-5B-Diffusers
    "wan2_2_t2v_a14b": _wan(_14B, experts=True),
    "wan2_2_i2v_a14b": _wan(_14B, {"in_channels": 36}, experts=True),
    "wan2_2_ti2v_5b": _wan(_5B, {"in_channels": 48, "out_channels": 48}),
    # Lightricks/LTX-Video: the first model, of 2B; those up to 0.9.8 have the same layers
    "ltx_video_2b": RealConfig(model="LTXVideoTransformer3DModel", config={}),
    # Lightricks/LTX-Video-0.9.7-dev, of 13B
    "ltx_video_13b": RealConfig(
        model="LTXVideoTransformer3DModel",
        config={
            "num_attention_heads": 32,
            "attention_head_dim": 128,
            "cross_attention_dim": 4096,
            "num_layers": 48,
        },
    ),
    # hunyuanvideo-community/HunyuanVideo
    "hunyuanvideo": RealConfig(model="HunyuanVideoTransformer3DModel", config={}),
    # zai-org/CogVideoX-2b, CogVideoX-5b
    "cogvideox_2b": RealConfig(model="CogVideoXTransformer3DModel", config={}),
    "cogvideox_5b": RealConfig(
        model="CogVideoXTransformer3DModel",
        config={
            "num_attention_heads": 48,
            "num_layers": 42,
            "use_rotary_positional_embeddings": True,
        },
    ),
    # stable-diffusion-v1-5/stable-diffusion-v1-5 with guoyww/animatediff-motion-adapter-v1-5-2
    "animatediff_sd15": RealConfig(
        model="UNetMotionModel",
        config={
            "cross_attention_dim": 768,
            "num_attention_heads": 8,
            "motion_num_attention_heads": 8,
        },
    ),
}
"""The name of a backbone's spec to config."""

_NO_CONFIG = "the config of the real model, which decides its layers, is not written down here"

ONLY_FROM_A_FOLDER: Mapping[str, str] = dict.fromkeys(
    ("hunyuanvideo_1_5", "ltx_2", "ltx_2_3"), _NO_CONFIG
)
"""The other specs: name to why it is in no list here."""
