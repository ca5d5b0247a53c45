"""Looking at adapters and comparing them."""

import json
from pathlib import Path

import pytest
from safetensors.torch import load_file, save_file

from facekit.adapters.formats.bases import get_base
from facekit.adapters.formats.catalogue import FORMATS, get_format
from facekit.adapters.formats.factors import LoraWeights
from facekit.adapters.formats.writing import write_lora
from facekit.errors import AdapterMismatch, UsageError
from facekit.workflows.adapters import inspect_adapter, list_formats, verify_adapter
from tests.tiny.loras import random_lora

BASE = get_base("toon")
ATTENTION = [path for path in BASE.shapes if "attn" in path]


def written(folder: Path, form: str, name: str = "x", **options: object) -> Path:
    weights = random_lora(BASE, paths=ATTENTION, seed=int(str(options.get("seed", 0))))
    place = folder / (name if form == "peft" else f"{name}.safetensors")
    return write_lora([weights], place, get_format(form), BASE)[0]


@pytest.mark.parametrize("form", ["diffusers", "peft", "comfyui", "original", "kohya", "wan_fun"])
def test_every_format_is_told_with_its_base(form: str, tmp_path: Path) -> None:
    facts = inspect_adapter(written(tmp_path, form)).to_json()
    assert (facts["format"], facts["base"]) == (form, "toon")
    assert facts["trigger"] == "mira the woman"
    json.dumps(facts)


def test_a_base_that_no_header_names_is_found_out(tmp_path: Path) -> None:
    bare = tmp_path / "bare.safetensors"
    save_file(load_file(written(tmp_path, "kohya")), bare)
    inspection = inspect_adapter(bare)
    assert "base: toon" in inspection.describe()
    assert "modules: 48 LoRA, rank 1, 2, 3, 4" in inspection.describe()


@pytest.mark.parametrize("form", ["diffusers", "peft", "comfyui", "kohya", "diffsynth"])
def test_the_same_lora_in_another_format_is_the_same(form: str, tmp_path: Path) -> None:
    one = written(tmp_path, "kohya", "one")
    found = verify_adapter(one, written(tmp_path, form, "two"))
    assert found.exit_code == 0
    assert found.max_error is not None
    assert found.max_error <= 1e-6
    assert "fine" in found.describe()


def test_another_lora_is_not_the_same(tmp_path: Path) -> None:
    found = verify_adapter(written(tmp_path, "kohya", "a"), written(tmp_path, "kohya", "b", seed=1))
    assert found.exit_code == 7
    assert "differ: 48 modules" in found.describe()
    json.dumps(found.to_json(), allow_nan=False)


def test_modules_that_one_lacks_are_listed(tmp_path: Path) -> None:
    whole = random_lora(BASE, paths=ATTENTION)
    part = LoraWeights(modules={p: x for p, x in whole.modules.items() if "attn2" in p})
    paths = [
        write_lora([each], tmp_path / f"{name}.safetensors", get_format("kohya"), BASE)[0]
        for name, each in (("whole", whole), ("part", part))
    ]
    assert "missing: 24 modules" in verify_adapter(paths[1], paths[0]).describe()
    assert "unexpected: 24 modules" in verify_adapter(*paths).describe()
    assert verify_adapter(*paths).exit_code == 7


def test_modules_without_effect_are_told(tmp_path: Path) -> None:
    tensors = load_file(written(tmp_path, "comfyui"))
    name = "diffusion_model.blocks.0.self_attn.q.lora_B.weight"
    tensors[name] = tensors[name] * 0
    save_file(tensors, tmp_path / "y.safetensors")
    found = verify_adapter(tmp_path / "y.safetensors")
    assert found.exit_code == 7
    assert found.idle == ("blocks.0.attn1.to_q",)
    assert verify_adapter(written(tmp_path, "comfyui")).exit_code == 0


def test_the_wrong_base_is_refused(tmp_path: Path) -> None:
    with pytest.raises(AdapterMismatch, match="have another shape"):
        verify_adapter(written(tmp_path, "kohya"), base="wan2_1_t2v_1_3b")
    with pytest.raises(UsageError, match="no such file"):
        verify_adapter(written(tmp_path, "kohya"), tmp_path / "none.safetensors")


def test_all_formats_are_listed() -> None:
    assert all(name in list_formats().describe() for name in FORMATS)
    json.dumps(list_formats().to_json())
