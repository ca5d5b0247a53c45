"""LTX-2 and LTX-2.3: written with the names of diffusers."""

from facekit.adapters.formats.name_table import NameTable

__all__ = ["LTX2"]

_UNKNOWN = "the original names of its layers are not known for sure here"

LTX2 = NameTable(
    family="ltx2",
    refused=dict.fromkeys(("comfyui", "original", "kohya", "wan_fun", "diffsynth"), _UNKNOWN),
    typical=r"transformer_blocks[._]\d+[._](audio_)?attn[12][._](to_[qkv]|to_out[._]0)",
)
