"""The backbone is told from names and shapes; what fits none is told with the nearest."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from facekit.adapters.formats.bases import get_base
from facekit.adapters.formats.catalogue import get_format
from facekit.adapters.formats.infer import fitting_bases
from facekit.adapters.formats.tensors import RawFile, read_raw
from facekit.adapters.formats.writing import spell
from facekit.errors import AdapterMismatch
from tests.tiny.loras import random_lora, tiny_base


def raw(base_name: str, form: str, path: str = "x.safetensors", few: int = 6) -> RawFile:
    base = get_base(base_name)
    chosen = sorted(path for path in base.shapes if "attn" in path)[:few]
    tensors, _ = spell(random_lora(base, paths=chosen), get_format(form), base)
    return RawFile(path=Path(path), tensors=tensors, header={}, config=None)


@pytest.mark.parametrize("form", ["diffusers", "comfyui", "kohya", "diffsynth"])
def test_wan_is_told_by_its_shapes(form: str) -> None:
    names = [base.name for base in fitting_bases(raw("wan2_1_t2v_1_3b", form))]
    assert names[0] == "wan2_1_t2v_1_3b"
    assert set(names) <= {"wan2_1_t2v_1_3b", "wan2_1_vace_1_3b"}
    assert [b.name for b in fitting_bases(raw("wan2_2_ti2v_5b", form))] == ["wan2_2_ti2v_5b"]


def test_the_image_inputs_tell_the_image_model() -> None:
    base = get_base("wan2_1_i2v_14b")
    paths = ["blocks.0.attn2.add_k_proj", "blocks.0.attn2.add_v_proj"]
    tensors, _ = spell(random_lora(base, paths=paths), get_format("kohya"), base)
    file = RawFile(path=Path("x"), tensors=tensors, header={}, config=None)
    assert [each.name for each in fitting_bases(file)] == ["wan2_1_i2v_14b"]


def test_several_that_have_the_same_layers_are_all_named_those_with_experts_where_it_is_said() -> (
    None
):
    plain = [base.name for base in fitting_bases(raw("wan2_1_t2v_14b", "comfyui"))]
    assert plain[0] == "wan2_1_t2v_14b"
    assert "wan2_2_t2v_a14b" in plain
    one = fitting_bases(raw("wan2_1_t2v_14b", "comfyui", "mira_high_noise.safetensors"))
    assert one[0].name == "wan2_2_t2v_a14b"


@pytest.mark.parametrize(
    ("name", "form"),
    [
        ("toon", "kohya"),
        ("ltx_video_2b", "comfyui"),
        ("hunyuanvideo", "comfyui"),
        ("hunyuanvideo", "diffusers"),
        ("cogvideox_2b", "diffusers"),
        ("cogvideox_5b", "peft"),
    ],
)
def test_the_other_families_are_told_as_well(name: str, form: str) -> None:
    assert fitting_bases(raw(name, form))[0].name == name


def test_a_model_of_another_size_is_told_with_the_nearest(tmp_path: Path) -> None:
    base = tiny_base("wan")
    tensors, _ = spell(random_lora(base), get_format("kohya"), base)
    save_file(tensors, tmp_path / "x.safetensors")
    with pytest.raises(AdapterMismatch, match=r"fits no backbone.*nearest is .*--source$"):
        fitting_bases(read_raw(tmp_path / "x.safetensors"))


def test_keys_that_could_be_left_out_are_told_with_how(tmp_path: Path) -> None:
    tensors, _ = spell(random_lora(get_base("toon")), get_format("kohya"), get_base("toon"))
    save_file(
        {
            **tensors,
            "lora_te_x.lora_up.weight": torch.ones(2, 1),
            "lora_te_x.lora_down.weight": torch.ones(1, 2),
        },
        tmp_path / "x.safetensors",
    )
    with pytest.raises(AdapterMismatch, match=r"2 keys are unexpected.*--base toon --partial$"):
        fitting_bases(read_raw(tmp_path / "x.safetensors"))


def test_nothing_is_called_near_that_shares_no_layer(tmp_path: Path) -> None:
    """SDXL in its original names: layers called as in other families, none of which is theirs."""
    layer = "lora_unet_input_blocks_4_1_transformer_blocks_0_attn1_to_q"
    tensors = {
        f"{layer}.lora_down.weight": torch.ones(4, 640),
        f"{layer}.lora_up.weight": torch.ones(640, 4),
    }
    save_file(tensors, tmp_path / "x.safetensors")
    with pytest.raises(AdapterMismatch, match="are not those of a LoRA for any of"):
        fitting_bases(read_raw(tmp_path / "x.safetensors"))


def test_something_else_is_told(tmp_path: Path) -> None:
    save_file({"text_model.weight": torch.ones(2)}, tmp_path / "x.safetensors")
    with pytest.raises(AdapterMismatch, match=r"text_model\.weight.*name its backbone"):
        fitting_bases(read_raw(tmp_path / "x.safetensors"))
