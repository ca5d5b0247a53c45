"""HunyuanVideo-1.5: written with the names of diffusers, whose pipeline reads no LoRA so far."""

from facekit.adapters.formats.name_table import NameTable

__all__ = ["HUNYUAN15"]

_UNKNOWN = "the original names of its layers are not known for sure here"

HUNYUAN15 = NameTable(
    family="hunyuan15",
    refused=dict.fromkeys(("comfyui", "original", "kohya", "wan_fun", "diffsynth"), _UNKNOWN),
    typical=r"transformer_blocks[._]\d+[._]attn[._](to_|add_).*",
)
