"""Small random Wan pipelines of the real diffusers classes, for tests and dry runs."""

from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import torch

from facekit.backbones.spec import BackboneSpec
from facekit.backbones.tiny_text import tiny_tokenizer, tiny_vocabulary_size

if TYPE_CHECKING:
    from diffusers import DiffusionPipeline

__all__ = ["TINY_TEXT_DIMS", "build_tiny"]

TINY_TEXT_DIMS = MappingProxyType(
    {
        "toon": 32,
        "wan2_1_t2v_1_3b": 16,
        "wan2_1_t2v_14b": 20,
        "wan2_2_t2v_a14b": 24,
        "wan2_2_ti2v_5b": 28,
        "wan2_1_i2v_14b": 36,
        "wan2_2_i2v_a14b": 40,
        "wan2_1_vace_1_3b": 44,
        "wan2_1_vace_14b": 48,
    }
)
"""The text width is what tells the tiny backbones from each other and from the real ones."""

_TIME_PER_TOKEN = ("toon", "wan2_2_ti2v_5b")

_CHANNELS = 4
_FRAMES_TO_A_LATENT = 4
_IMAGE_DIM = 8


def build_tiny(spec: BackboneSpec) -> "DiffusionPipeline":
    """Build it; the same numbers on every call, whatever the state of the random generator."""
    import diffusers
    from transformers import UMT5Config, UMT5EncoderModel

    family = spec.family
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        parts: dict[str, Any] = {"transformer": _transformer(spec)}
        vae = _vae(spec)
        text_encoder = UMT5EncoderModel(
            UMT5Config(
                vocab_size=tiny_vocabulary_size(),
                d_model=TINY_TEXT_DIMS[spec.name],
                d_kv=8,
                d_ff=32,
                num_layers=1,
                num_heads=2,
            )
        )
        if spec.num_experts == 2:
            # The values of the repositories.
            parts["boundary_ratio"] = 0.9 if family.name == "wan_image" else 0.875
            parts["transformer_2"] = _transformer(spec)
        if parts["transformer"].config.get("image_dim"):
            parts |= _image_parts()
    if family.name != "wan_vace":
        parts["expand_timesteps"] = spec.name in _TIME_PER_TOKEN
    pipe: DiffusionPipeline = getattr(diffusers, family.pipeline_class)(
        tokenizer=tiny_tokenizer(spec.max_sequence_length),
        text_encoder=text_encoder.eval(),
        vae=vae.eval(),
        scheduler=diffusers.FlowMatchEulerDiscreteScheduler(shift=3.0),
        **parts,
    )
    return pipe


def _transformer(spec: BackboneSpec) -> Any:
    import diffusers

    family = spec.family
    config: dict[str, Any] = {
        "patch_size": (1, 2, 2),
        "num_attention_heads": 2,
        "attention_head_dim": 12,
        "in_channels": _CHANNELS,
        "out_channels": _CHANNELS,
        "text_dim": TINY_TEXT_DIMS[spec.name],
        "freq_dim": 32,
        "ffn_dim": 32,
        "num_layers": 4,
        "cross_attn_norm": True,
        "qk_norm": "rms_norm_across_heads",
        "rope_max_seq_len": 32,
    }
    if family.name == "wan_image":
        config["in_channels"] = 2 * _CHANNELS + _FRAMES_TO_A_LATENT
        if spec.num_experts == 1:
            config |= {"image_dim": _IMAGE_DIM, "added_kv_proj_dim": 24}
    if family.name == "wan_vace":
        config["vace_layers"] = [0, 2]
        # Kept and drawn parts of the video, and its mask, one channel for every pixel of a latent.
        config["vace_in_channels"] = 2 * _CHANNELS + 8 * 8
    transformer = getattr(diffusers, family.network_class)(**config)
    return transformer.eval()


def _vae(spec: BackboneSpec) -> Any:
    from diffusers import AutoencoderKLWan

    toon = spec.name == "toon"
    config: dict[str, Any] = {
        "base_dim": 4,
        "z_dim": _CHANNELS,
        "dim_mult": [1, 1, 1, 1],
        "num_res_blocks": 1,
        "temperal_downsample": [False, True, not toon],
        "latents_mean": [0.1, -0.2, 0.0, 0.3],
        "latents_std": [1.5, 0.8, 1.0, 1.2],
        "scale_factor_temporal": 2 if toon else _FRAMES_TO_A_LATENT,
    }
    if spec.spatial_multiple == 32:
        # Wan 2.2's own: residual, and two by two pixels for one from the start.
        config |= {
            "decoder_base_dim": 4,
            "is_residual": True,
            "in_channels": 12,
            "out_channels": 12,
            "patch_size": 2,
            "scale_factor_spatial": 16,
        }
    return AutoencoderKLWan(**config)


def _image_parts() -> dict[str, Any]:
    from transformers import CLIPImageProcessor, CLIPVisionConfig, CLIPVisionModel

    encoder = CLIPVisionModel(
        CLIPVisionConfig(
            hidden_size=_IMAGE_DIM,
            intermediate_size=16,
            num_hidden_layers=2,
            num_attention_heads=2,
            image_size=8,
            patch_size=4,
        )
    )
    square = {"height": 8, "width": 8}
    processor = CLIPImageProcessor(size={"shortest_edge": 8}, crop_size=square)
    return {"image_encoder": encoder.eval(), "image_processor": processor}
