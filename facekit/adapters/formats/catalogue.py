"""Every spelling of a LoRA file, as data: prefix, names, endings, and where alpha stands."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias

from facekit.errors import UsageError

__all__ = [
    "DEFAULT_PREFIXES",
    "FORMATS",
    "PARTS",
    "Format",
    "Part",
    "get_format",
    "split_key",
]

Part: TypeAlias = Literal[
    "down", "up", "alpha", "magnitude", "w1", "w1_a", "w1_b", "w2", "w2_a", "w2_b"
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Format:
    """How one family of tools writes a LoRA."""

    name: str
    told: str
    """Who reads and writes it, in a few words."""
    prefix: str
    """Before every module; of diffusers without its component, which the family decides."""
    naming: Literal["diffusers", "original"]
    separator: Literal[".", "_"] = "."
    down: str
    up: str
    alpha: Literal["header", "config", "tensor", "folded"]
    """In the header, in a file beside it, as a tensor of each module, or multiplied into ``up``:
    not everybody who reads ``diffusion_model.`` reads its alpha."""
    magnitude: str = ""
    """Ending of DoRA's magnitudes; empty where the tool does not know them."""
    lokr: bool = False
    """Whether the tool knows LoKr."""
    pair_in_one_file: bool = False
    """Whether both experts stand in one file."""


FORMATS: Mapping[str, Format] = {
    each.name: each
    for each in (
        Format(
            name="diffusers",
            told="diffusers' load_lora_weights",
            prefix="",
            naming="diffusers",
            alpha="header",
            magnitude=".lora_magnitude_vector",
            lokr=True,
            down=".lora_A.weight",
            up=".lora_B.weight",
        ),
        Format(
            name="diffusers_pair",
            told="both experts of Wan 2.2 in one file, transformer. and transformer_2.",
            prefix="",
            naming="diffusers",
            alpha="header",
            magnitude=".lora_magnitude_vector",
            pair_in_one_file=True,
            down=".lora_A.weight",
            up=".lora_B.weight",
        ),
        Format(
            name="peft",
            told="PeftModel.from_pretrained, a folder with adapter_config.json",
            prefix="base_model.model.",
            naming="diffusers",
            alpha="config",
            magnitude=".lora_magnitude_vector",
            down=".lora_A.weight",
            up=".lora_B.weight",
        ),
        Format(
            name="comfyui",
            told="ComfyUI, diffusion-pipe, ai-toolkit, diffusers",
            prefix="diffusion_model.",
            naming="original",
            alpha="folded",
            magnitude=".dora_scale",
            lokr=True,
            down=".lora_A.weight",
            up=".lora_B.weight",
        ),
        Format(
            name="original",
            told="the model's own names, no prefix",
            prefix="",
            naming="original",
            alpha="folded",
            down=".lora_A.weight",
            up=".lora_B.weight",
        ),
        Format(
            name="kohya",
            told="musubi-tuner, sd-scripts, ComfyUI",
            prefix="lora_unet_",
            naming="original",
            separator="_",
            alpha="tensor",
            magnitude=".dora_scale",
            lokr=True,
            down=".lora_down.weight",
            up=".lora_up.weight",
        ),
        Format(
            name="wan_fun",
            told="VideoX-Fun, with two underscores",
            prefix="lora_unet__",
            naming="original",
            separator="_",
            alpha="tensor",
            down=".lora_down.weight",
            up=".lora_up.weight",
        ),
        Format(
            name="diffsynth",
            told="DiffSynth-Studio",
            prefix="",
            naming="original",
            alpha="folded",
            down=".lora_A.default.weight",
            up=".lora_B.default.weight",
        ),
    )
}
"""Name to format."""

DEFAULT_PREFIXES = (
    "model.diffusion_model.",
    "base_model.model.",
    "diffusion_model.",
    "transformer_2.",
    "transformer.",
    "unet.",
    "lora_unet__",
    "lora_unet_",
    "lycoris_",
    "",
)
"""What a module's name may begin with, longest first where one begins with another."""

PARTS: Mapping[str, Part] = {
    ".lora_A.default.weight": "down",
    ".lora_B.default.weight": "up",
    ".lora_A.weight": "down",
    ".lora_B.weight": "up",
    ".lora_down.weight": "down",
    ".lora_up.weight": "up",
    ".lora.down.weight": "down",
    ".lora.up.weight": "up",
    "_lora.down.weight": "down",
    "_lora.up.weight": "up",
    ".lora_linear_layer.down.weight": "down",
    ".lora_linear_layer.up.weight": "up",
    ".lora_A": "down",
    ".lora_B": "up",
    ".alpha": "alpha",
    ".dora_scale": "magnitude",
    ".lora_magnitude_vector.default.weight": "magnitude",
    ".lora_magnitude_vector.weight": "magnitude",
    ".lora_magnitude_vector": "magnitude",
    ".lokr_w1": "w1",
    ".lokr_w1_a": "w1_a",
    ".lokr_w1_b": "w1_b",
    ".lokr_w2": "w2",
    ".lokr_w2_a": "w2_a",
    ".lokr_w2_b": "w2_b",
}
"""What a key may end with, and what stands there; longer endings first where one ends in another.
"""


def get_format(name: str) -> Format:
    """Find a format by its name.

    Raises:
        UsageError: Unknown; the message lists the known ones.
    """
    if name not in FORMATS:
        known = ", ".join(FORMATS)
        raise UsageError(f"LoRA format {name!r} is unknown, expected one of {known}; choose one")
    return FORMATS[name]


def split_key(key: str) -> tuple[str, str, Part] | None:
    """Take a key apart into module, ending and what stands there; None when nothing fits."""
    for ending, part in PARTS.items():
        if key.endswith(ending) and len(key) > len(ending):
            return key.removesuffix(ending), ending, part
    return None
