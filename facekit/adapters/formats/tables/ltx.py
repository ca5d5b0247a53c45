"""LTX-Video: the original names differ from diffusers' outside the blocks only.

Source: diffusers 0.42.1 (Apache-2.0), loaders/single_file_utils.py,
convert_ltx_transformer_checkpoint_to_diffusers.
"""

from facekit.adapters.formats.name_table import NameTable

__all__ = ["LTX"]

LTX = NameTable(
    family="ltx",
    renames=(
        ("transformer_blocks.#.**", "transformer_blocks.#.**"),
        ("proj_in", "patchify_proj"),
        ("time_embed.**", "adaln_single.**"),
        ("caption_projection.**", "caption_projection.**"),
        ("proj_out", "proj_out"),
    ),
    refused={
        "wan_fun": "that spelling belongs to Wan",
        "diffsynth": "what DiffSynth calls its layers is not known here",
    },
    typical=r"transformer_blocks[._]\d+[._]"
    r"(attn[12][._](to_[qkv]|to_out[._]0)|ff[._]net[._](0[._]proj|2))",
)
