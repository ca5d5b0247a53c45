"""CogVideoX: every tool that is known here uses the names of diffusers."""

from facekit.adapters.formats.name_table import NameTable

__all__ = ["COGVIDEOX"]

_UNKNOWN = "the original names of its layers are not known for sure here"

COGVIDEOX = NameTable(
    family="cogvideox",
    refused=dict.fromkeys(("comfyui", "original", "kohya", "wan_fun", "diffsynth"), _UNKNOWN),
    typical=r"transformer_blocks[._]\d+[._]attn1[._](to_[qkv]|to_out[._]0)",
)
