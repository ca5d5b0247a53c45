"""What the tools that read a format are known to leave out without an error, or to trip over.

Source: diffusers 0.42.1, loaders/lora_conversion_utils.py and loaders/lora_pipeline.py; ComfyUI,
comfy/lora.py; tried in tests/parity/test_lora_traps.py where diffusers is the reader.
"""

from collections.abc import Sequence

from facekit.adapters.formats.bases import LoraBase
from facekit.adapters.formats.catalogue import Format
from facekit.adapters.formats.factors import LokrFactors, LoraFactors, LoraWeights

__all__ = ["reader_notes"]

_WAN_LINEARS = (
    *(f"attn{number}.{name}" for number in (1, 2) for name in ("to_q", "to_k", "to_v", "to_out.0")),
    "ffn.net.0.proj",
    "ffn.net.2",
)


def reader_notes(weights: Sequence[LoraWeights], to: Format, base: LoraBase) -> tuple[str, ...]:
    """Say who will not hear all of a file that is about to be written."""
    notes = []
    for each in weights:
        notes += _notes(each, to, base)
    if to.name == "diffusers" and any(each.expert == "low" for each in weights):
        notes.append(
            "the file of low noise is for load_lora_weights(..., load_into_transformer_2=True)"
        )
    if to.pair_in_one_file:
        notes.append(
            "diffusers' load_lora_weights takes the transformer. half of one file and says nothing"
            " of the other; convert to diffusers for two files that it reads"
        )
    return tuple(dict.fromkeys(notes))


def _notes(weights: LoraWeights, to: Format, base: LoraBase) -> list[str]:
    notes = []
    family, modules = base.table.family, weights.modules
    is_dora = any(
        isinstance(each, LoraFactors) and each.magnitude is not None for each in modules.values()
    )
    is_lokr = any(isinstance(each, LokrFactors) for each in modules.values())
    if to.magnitude == ".dora_scale" and is_dora and base.table.component == "transformer":
        notes.append("diffusers 0.42 drops DoRA's magnitudes from such files with a warning")
    if is_lokr and family == "wan" and to.name in ("comfyui", "kohya"):
        notes.append("diffusers 0.42 cannot read LoKr from such files; convert to diffusers for it")
    if family == "wan" and to.name == "kohya" and not is_lokr and not _is_complete(weights, base):
        notes.append(
            "diffusers 0.42 cannot read kohya's names where some layers are left out or stand"
            " outside the blocks; ComfyUI and musubi-tuner can"
        )
    if family == "wan" and to.name == "comfyui" and any("vace" in path for path in modules):
        notes.append("diffusers 0.42 cannot read the VACE blocks from such files")
    if base.table.component == "unet" and to.name == "kohya" and not _is_uniform(weights):
        notes.append(
            "diffusers 0.42 applies one alpha to all of a UNet's modules in such files, and these"
            " differ; convert to diffusers for it"
        )
    if family == "hunyuan_video" and to.name == "kohya":
        notes.append("ComfyUI does not know img_mlp and txt_mlp under kohya's names")
    return notes


def _is_complete(weights: LoraWeights, base: LoraBase) -> bool:
    numbers = {path.split(".")[1] for path in weights.modules if path.startswith("blocks.")}
    wanted = {f"blocks.{number}.{name}" for number in numbers for name in _WAN_LINEARS}
    optional = {
        path for path in weights.modules if path.endswith(("attn2.add_k_proj", "attn2.add_v_proj"))
    }
    if optional:
        optional |= {
            f"blocks.{number}.attn2.add_{letter}_proj" for number in numbers for letter in "kv"
        }
    from_first = {str(number) for number in range(len(numbers))} == numbers
    return from_first and set(weights.modules) == wanted | (optional & set(base.shapes))


def _is_uniform(weights: LoraWeights) -> bool:
    alphas = {each.alpha for each in weights.modules.values()}
    return len(alphas) <= 1
