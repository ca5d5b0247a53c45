"""Random LoRAs of every kind, and bases of a few small layers of the real diffusers classes."""

from collections.abc import Iterable
from functools import lru_cache
from typing import Any

import torch

from facekit.adapters.formats.bases import LoraBase, base_from_model
from facekit.adapters.formats.factors import Expert, Factors, LokrFactors, LoraFactors, LoraWeights

__all__ = ["TINY_CONFIGS", "random_lora", "tiny_base", "tiny_model"]

_WAN = {
    "attention_head_dim": 12,
    "num_attention_heads": 2,
    "in_channels": 4,
    "out_channels": 4,
    "text_dim": 16,
    "freq_dim": 16,
    "ffn_dim": 32,
    "num_layers": 3,
    "cross_attn_norm": True,
    "rope_max_seq_len": 32,
}
TINY_CONFIGS: dict[str, tuple[str, dict[str, Any]]] = {
    "wan": ("WanTransformer3DModel", _WAN),
    "wan_i2v": ("WanTransformer3DModel", {**_WAN, "added_kv_proj_dim": 24, "image_dim": 20}),
    "wan_vace": (
        "WanVACETransformer3DModel",
        {**_WAN, "vace_layers": [0, 2], "vace_in_channels": 8},
    ),
    "ltx": (
        "LTXVideoTransformer3DModel",
        {
            "in_channels": 8,
            "out_channels": 8,
            "num_attention_heads": 2,
            "attention_head_dim": 8,
            "cross_attention_dim": 16,
            "num_layers": 2,
            "caption_channels": 12,
        },
    ),
    "hunyuan_video": (
        "HunyuanVideoTransformer3DModel",
        {
            "in_channels": 4,
            "out_channels": 4,
            "num_attention_heads": 2,
            "attention_head_dim": 12,
            "num_layers": 2,
            "num_single_layers": 2,
            "num_refiner_layers": 1,
            "text_embed_dim": 16,
            "pooled_projection_dim": 8,
            "rope_axes_dim": (4, 4, 4),
        },
    ),
    "cogvideox": (
        "CogVideoXTransformer3DModel",
        {
            "num_attention_heads": 2,
            "attention_head_dim": 8,
            "in_channels": 4,
            "out_channels": 4,
            "time_embed_dim": 8,
            "text_embed_dim": 8,
            "num_layers": 2,
            "sample_width": 8,
            "sample_height": 8,
            "sample_frames": 5,
        },
    ),
    "animatediff": (
        "UNetMotionModel",
        {
            "in_channels": 4,
            "out_channels": 4,
            "block_out_channels": (8, 16),
            "down_block_types": ("CrossAttnDownBlockMotion", "DownBlockMotion"),
            "up_block_types": ("UpBlockMotion", "CrossAttnUpBlockMotion"),
            "layers_per_block": 1,
            "cross_attention_dim": 8,
            "num_attention_heads": 2,
            "motion_num_attention_heads": 2,
            "norm_num_groups": 4,
        },
    ),
}
"""Name to class and config."""


def tiny_model(name: str) -> Any:
    """Build the model; the same numbers on every call."""
    import diffusers

    kind, config = TINY_CONFIGS[name]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return getattr(diffusers, kind)(**config).eval()


@lru_cache(maxsize=16)
def tiny_base(name: str) -> LoraBase:
    """The layers of that model."""
    return base_from_model(tiny_model(name), f"tiny_{name}")


def random_lora(
    base: LoraBase,
    *,
    paths: Iterable[str] | None = None,
    kind: str = "lora",
    seed: int = 0,
    dtype: torch.dtype = torch.float32,
    expert: Expert = "none",
    alpha: float | None = None,
    rank: int | None = None,
) -> LoraWeights:
    """A LoRA whose ranks and alphas differ from module to module.

    Args:
        base: Where it sits.
        paths: On these modules; on all that have a name in the original when None.
        kind: ``lora``, ``dora`` or ``lokr``.
        seed: Decides all numbers.
        dtype: Of the tensors.
        expert: Which transformer.
        alpha: Of every module; random when None.
        rank: Of every module; random when None.
    """
    generator = torch.Generator().manual_seed(seed)
    chosen = paths if paths is not None else base.names.original_of or base.shapes
    modules: dict[str, Factors] = {}
    for path in sorted(chosen):
        rows, columns = base.shapes[path]
        drawn = int(torch.randint(1, 5, (), generator=generator))
        size = drawn if rank is None else rank
        value = float(torch.randint(1, 12, (), generator=generator)) if alpha is None else alpha

        def numbers(*shape: int) -> torch.Tensor:
            return torch.randn(*shape, generator=generator).to(dtype)

        if kind == "lokr":
            modules[path] = LokrFactors(
                w1=(numbers(2, 2),),
                w2=(numbers(rows // 2, size), numbers(size, columns // 2)),
                alpha=value,
            )
            continue
        magnitude = numbers(rows).abs() + 1 if kind == "dora" else None
        kernel = base.kernels.get(path, ())
        modules[path] = LoraFactors(
            down=numbers(size, columns).reshape(size, -1, *kernel),
            up=numbers(rows, size).reshape(rows, size, *(1 for _ in kernel)),
            alpha=value,
            magnitude=magnitude,
        )
    return LoraWeights(modules=modules, base=base.name, trigger="mira the woman", expert=expert)
