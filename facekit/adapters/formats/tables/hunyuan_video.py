"""HunyuanVideo: query, key and value are one layer in the original, and more in single blocks.

Source: diffusers 0.42.1 (Apache-2.0), loaders/lora_conversion_utils.py,
_convert_hunyuan_video_lora_to_diffusers, for names and the order of rows. The last modulation
(``final_layer.adaLN_modulation``) is left out: its two halves change places.
"""

from facekit.adapters.formats.name_table import NameTable

__all__ = ["HUNYUAN_VIDEO"]

_REFINER = "context_embedder.token_refiner.refiner_blocks.#"
_THEIR_REFINER = "txt_in.individual_token_refiner.blocks.#"
_SINGLE = "single_transformer_blocks.#"

HUNYUAN_VIDEO = NameTable(
    family="hunyuan_video",
    fused=(
        (
            tuple(f"transformer_blocks.#.attn.to_{letter}" for letter in "qkv"),
            "double_blocks.#.img_attn_qkv",
        ),
        (
            tuple(f"transformer_blocks.#.attn.add_{letter}_proj" for letter in "qkv"),
            "double_blocks.#.txt_attn_qkv",
        ),
        (
            (*(f"{_SINGLE}.attn.to_{letter}" for letter in "qkv"), f"{_SINGLE}.proj_mlp"),
            "single_blocks.#.linear1",
        ),
        (
            tuple(f"{_REFINER}.attn.to_{letter}" for letter in "qkv"),
            f"{_THEIR_REFINER}.self_attn_qkv",
        ),
    ),
    renames=(
        ("transformer_blocks.#.attn.to_out.0", "double_blocks.#.img_attn_proj"),
        ("transformer_blocks.#.attn.to_add_out", "double_blocks.#.txt_attn_proj"),
        ("transformer_blocks.#.norm1.linear", "double_blocks.#.img_mod.linear"),
        ("transformer_blocks.#.norm1_context.linear", "double_blocks.#.txt_mod.linear"),
        ("transformer_blocks.#.ff.net.0.proj", "double_blocks.#.img_mlp.fc1"),
        ("transformer_blocks.#.ff.net.2", "double_blocks.#.img_mlp.fc2"),
        ("transformer_blocks.#.ff_context.net.0.proj", "double_blocks.#.txt_mlp.fc1"),
        ("transformer_blocks.#.ff_context.net.2", "double_blocks.#.txt_mlp.fc2"),
        (f"{_SINGLE}.proj_out", "single_blocks.#.linear2"),
        (f"{_SINGLE}.norm.linear", "single_blocks.#.modulation.linear"),
        (f"{_REFINER}.attn.to_out.0", f"{_THEIR_REFINER}.self_attn_proj"),
        (f"{_REFINER}.norm_out.linear", f"{_THEIR_REFINER}.adaLN_modulation.1"),
        (f"{_REFINER}.ff.net.0.proj", f"{_THEIR_REFINER}.mlp.fc1"),
        (f"{_REFINER}.ff.net.2", f"{_THEIR_REFINER}.mlp.fc2"),
        ("context_embedder.proj_in", "txt_in.input_embedder"),
        ("context_embedder.time_text_embed.timestep_embedder.linear_1", "txt_in.t_embedder.mlp.0"),
        ("context_embedder.time_text_embed.timestep_embedder.linear_2", "txt_in.t_embedder.mlp.2"),
        (
            "context_embedder.time_text_embed.text_embedder.linear_#",
            "txt_in.c_embedder.linear_#",
        ),
        ("x_embedder.proj", "img_in.proj"),
        ("time_text_embed.timestep_embedder.linear_1", "time_in.mlp.0"),
        ("time_text_embed.timestep_embedder.linear_2", "time_in.mlp.2"),
        ("time_text_embed.guidance_embedder.linear_1", "guidance_in.mlp.0"),
        ("time_text_embed.guidance_embedder.linear_2", "guidance_in.mlp.2"),
        ("time_text_embed.text_embedder.linear_1", "vector_in.in_layer"),
        ("time_text_embed.text_embedder.linear_2", "vector_in.out_layer"),
        ("proj_out", "final_layer.linear"),
    ),
    refused={
        "wan_fun": "that spelling belongs to Wan",
        "diffsynth": "what DiffSynth calls its layers is not known here",
    },
    typical=r"(double_blocks[._]\d+[._](img|txt)_(attn|mlp|mod)|single_blocks[._]\d+[._]linear[12]"
    r"|single_transformer_blocks[._]\d+[._](attn[._]to_[qkv]|proj_mlp)"
    r"|transformer_blocks[._]\d+[._](attn[._](to_|add_)|ff_context)"
    r"|txt_in[._]individual_token_refiner[._]|context_embedder[._]token_refiner[._]).*",
)
