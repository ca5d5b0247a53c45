"""AnimateDiff on SD 1.5: kohya's names are diffusers' with ``_`` for every dot.

Source: diffusers 0.42.1 (Apache-2.0), loaders/lora_conversion_utils.py, _convert_unet_lora_key,
and ComfyUI's table of UNet names (comfy/lora.py, model_lora_keys_unet). Both know the spatial
layers; nobody is known to read those of the motion modules under such names.
"""

from facekit.adapters.formats.name_table import NameTable

__all__ = ["ANIMATEDIFF"]

_USE_KOHYA = "ComfyUI reads a UNet's LoRA under kohya's names alone"

ANIMATEDIFF = NameTable(
    family="animatediff",
    component="unet",
    renames=tuple(
        (template, template)
        for blocks in ("down_blocks.#", "mid_block", "up_blocks.#")
        for template in (f"{blocks}.attentions.**", f"{blocks}.resnets.**")
    ),
    refused={
        "comfyui": _USE_KOHYA,
        "original": _USE_KOHYA,
        "wan_fun": "that spelling belongs to Wan",
        "diffsynth": "what DiffSynth calls its layers is not known here",
    },
    typical=r"(down_blocks[._]\d+|mid_block|up_blocks[._]\d+)[._](attentions|motion_modules)[._]\d+[._].+",
)
