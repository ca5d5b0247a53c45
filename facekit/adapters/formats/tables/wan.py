"""Wan 2.1 and 2.2, with the image inputs of I2V and the second stream of VACE.

Source: diffusers 0.42.1 (Apache-2.0), loaders/single_file_utils.py,
convert_wan_transformer_to_diffusers, for the names; they are compared with it in
tests/unit/adapters/formats/test_tables.py.
"""

from facekit.adapters.formats.name_table import NameTable

__all__ = ["WAN"]

_IN_A_BLOCK = (
    *(
        (f"attn{number}.{ours}", f"{theirs}_attn.{letter}")
        for number, theirs in ((1, "self"), (2, "cross"))
        for ours, letter in (("to_q", "q"), ("to_k", "k"), ("to_v", "v"), ("to_out.0", "o"))
    ),
    ("attn2.add_k_proj", "cross_attn.k_img"),
    ("attn2.add_v_proj", "cross_attn.v_img"),
    ("ffn.net.0.proj", "ffn.0"),
    ("ffn.net.2", "ffn.2"),
    # The two norms have each other's names; the one before cross-attention has weights.
    ("norm2", "norm3"),
    ("norm3", "norm2"),
)

WAN = NameTable(
    family="wan",
    renames=(
        *(
            (f"{blocks}.#.{ours}", f"{blocks}.#.{theirs}")
            for blocks in ("blocks", "vace_blocks")
            for ours, theirs in _IN_A_BLOCK
        ),
        ("vace_blocks.#.proj_in", "vace_blocks.#.before_proj"),
        ("vace_blocks.#.proj_out", "vace_blocks.#.after_proj"),
        ("condition_embedder.text_embedder.linear_1", "text_embedding.0"),
        ("condition_embedder.text_embedder.linear_2", "text_embedding.2"),
        ("condition_embedder.time_embedder.linear_1", "time_embedding.0"),
        ("condition_embedder.time_embedder.linear_2", "time_embedding.2"),
        ("condition_embedder.time_proj", "time_projection.1"),
        ("condition_embedder.image_embedder.ff.net.0.proj", "img_emb.proj.1"),
        ("condition_embedder.image_embedder.ff.net.2", "img_emb.proj.3"),
        ("proj_out", "head.head"),
        ("patch_embedding", "patch_embedding"),
        ("vace_patch_embedding", "vace_patch_embedding"),
    ),
    typical=r"(vace_)?blocks[._]\d+[._]"
    r"(self_attn[._][qkvo]|cross_attn[._]([qkvo]|[kv]_img)|ffn[._][02]"
    r"|attn[12][._](to_[qkv]|to_out[._]0|add_[kv]_proj)|ffn[._]net[._](0[._]proj|2))",
)
