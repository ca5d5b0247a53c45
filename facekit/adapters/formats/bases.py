"""What layers a backbone has, without its weights: built on the meta device from its config."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch
from torch import nn

from facekit.adapters.formats.name_table import Names, NameTable, make_names
from facekit.adapters.formats.real_configs import ONLY_FROM_A_FOLDER, REAL_CONFIGS
from facekit.adapters.formats.tables import TABLES
from facekit.errors import UsageError, WeightsError, WeightsMissing
from facekit.resources import toon_backbone_dir

__all__ = ["LoraBase", "base_from_folder", "base_from_model", "base_names", "get_base"]

_FAMILIES = {
    "WanTransformer3DModel": "wan",
    "WanVACETransformer3DModel": "wan",
    "LTXVideoTransformer3DModel": "ltx",
    "LTX2VideoTransformer3DModel": "ltx2",
    "HunyuanVideoTransformer3DModel": "hunyuan_video",
    "HunyuanVideo15Transformer3DModel": "hunyuan15",
    "CogVideoXTransformer3DModel": "cogvideox",
    "UNetMotionModel": "animatediff",
    "UNet2DConditionModel": "animatediff",
}
_TOON = "toon"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class LoraBase:
    """The layers of a backbone that a LoRA can sit on."""

    name: str
    table: NameTable
    shapes: Mapping[str, tuple[int, int]]
    """Module path in diffusers to (out, in); the kernel of a convolution counts as input."""
    kernels: Mapping[str, tuple[int, ...]]
    """Module path of each convolution to its kernel."""
    names: Names
    has_experts: bool = False
    """Whether there are two transformers, of high and of low noise."""


def base_names() -> tuple[str, ...]:
    """The names of all bases, sorted."""
    return tuple(sorted((_TOON, *REAL_CONFIGS)))


@lru_cache(maxsize=16)
def get_base(name: str) -> LoraBase:
    """Find a base by name and build its list of layers.

    Raises:
        UsageError: Unknown; the message lists the known ones. Or its layers are known from its
            folder alone.
    """
    if name == _TOON:
        return base_from_folder(toon_backbone_dir(), name)
    if name in ONLY_FROM_A_FOLDER:
        raise UsageError(
            f"{name}: {ONLY_FROM_A_FOLDER[name]}, expected its folder in diffusers format; name it"
            " with --source"
        )
    if name not in REAL_CONFIGS:
        raise UsageError(
            f"--base is {name!r}, expected one of {', '.join(base_names())}; choose one, or name a"
            " folder with --source"
        )
    real = REAL_CONFIGS[name]
    model = _build_empty(real.model, real.config)
    return base_from_model(model, name, has_experts=real.has_experts)


def base_from_folder(folder: Path | str, name: str = "") -> LoraBase:
    """Read the config of a diffusers folder, a pipeline's or a transformer's; no weights.

    Raises:
        WeightsMissing: No config there.
        WeightsError: The config cannot be read, or is of a model without a table of names.
    """
    folder = Path(folder)
    places = [folder / part / "config.json" for part in ("transformer", "unet", "")]
    found = next((place for place in places if place.is_file()), None)
    if found is None:
        raise WeightsMissing(
            f"{folder}: no config.json of a transformer, expected a diffusers pipeline or its"
            " transformer; name a folder written by save_pretrained"
        )
    try:
        config = json.loads(found.read_text(encoding="utf-8"))
        model = config["_class_name"]
        if model not in _FAMILIES:
            raise KeyError(f"_class_name {model}")
        empty = _build_empty(model, config)
    except (ValueError, KeyError, TypeError) as error:
        raise WeightsError(
            f"{found}: is not a model whose layers are known ({error}), expected one of"
            f" {', '.join(_FAMILIES)}; name another folder"
        ) from error
    experts = (folder / "transformer_2" / "config.json").is_file()
    return base_from_model(empty, name or folder.name, has_experts=experts)


def base_from_model(model: Any, name: str, *, has_experts: bool = False) -> LoraBase:
    """List the layers of a model that exists; its weights are not looked at.

    Raises:
        UsageError: A model without a table of names.
    """
    family = _FAMILIES.get(type(model).__name__)
    if family is None:
        raise UsageError(
            f"{type(model).__name__} has no table of LoRA names, expected one of"
            f" {', '.join(_FAMILIES)}; pass the transformer of such a pipeline"
        )
    layers = {
        path: layer
        for path, layer in model.named_modules()
        if isinstance(layer, nn.Linear | nn.Conv2d | nn.Conv3d)
    }
    shapes = {
        path: (int(layer.weight.shape[0]), layer.weight[0].numel())
        for path, layer in layers.items()
    }
    kernels = {
        path: tuple(layer.weight.shape[2:])
        for path, layer in layers.items()
        if layer.weight.ndim > 2
    }
    table = TABLES[family]
    return LoraBase(
        name=name,
        table=table,
        shapes=shapes,
        kernels=kernels,
        names=make_names(table, shapes),
        has_experts=has_experts,
    )


def _build_empty(model: str, config: Mapping[str, Any]) -> Any:
    import diffusers

    kind = getattr(diffusers, model)
    with torch.device("meta"):
        return kind.from_config(dict(config))
