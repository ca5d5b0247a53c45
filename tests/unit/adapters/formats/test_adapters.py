"""Anything a LoRA comes in: single files, pairs of experts, PEFT folders, characters."""

from pathlib import Path

import pytest

from facekit.adapters.formats.adapters import other_expert, read_adapter
from facekit.adapters.formats.arithmetic import relative_error
from facekit.adapters.formats.catalogue import get_format
from facekit.adapters.formats.factors import LoraWeights
from facekit.adapters.formats.writing import write_lora
from facekit.errors import AdapterMismatch, UsageError
from tests.tiny.loras import random_lora, tiny_base, tiny_model

BASE = tiny_base("wan")


def same(one: LoraWeights, two: LoraWeights) -> bool:
    assert set(one.modules) == set(two.modules)
    return all(relative_error(one.modules[p], two.modules[p]) <= 1e-6 for p in one.modules)


@pytest.mark.parametrize("form", ["diffusers", "comfyui", "kohya", "peft", "diffsynth"])
def test_a_pair_of_files_is_one_adapter_whichever_is_named(form: str, tmp_path: Path) -> None:
    pair = [random_lora(BASE, seed=1, expert="high"), random_lora(BASE, seed=2, expert="low")]
    name = "x" if form == "peft" else "x.safetensors"
    for path in write_lora(pair, tmp_path / name, get_format(form), BASE):
        read = read_adapter(path, base=BASE)
        assert [each.expert for each in read.weights] == ["high", "low"]
        assert all(same(a, b) for a, b in zip(read.weights, pair, strict=True))
        assert len(read.paths) == 2
        assert any("read as one adapter" in note for note in read.file.notes)


def test_one_file_of_a_pair_alone_is_one_expert(tmp_path: Path) -> None:
    write_lora(
        [random_lora(BASE, expert="low")],
        tmp_path / "x_low_noise.safetensors",
        get_format("comfyui"),
        BASE,
    )
    (weights,) = read_adapter(tmp_path / "x_low_noise.safetensors", base=BASE).weights
    assert weights.expert == "low"
    assert other_expert(tmp_path / "x_low_noise.safetensors") is None


def test_a_name_says_which_expert_where_the_header_does_not(tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    for expert in ("high", "low"):
        (path,) = write_lora(
            [random_lora(BASE, seed=len(expert))],
            tmp_path / "a.safetensors",
            get_format("comfyui"),
            BASE,
        )
        save_file(load_file(path), tmp_path / f"mira_{expert}_noise.safetensors")
    read = read_adapter(tmp_path / "mira_high_noise.safetensors", base=BASE)
    assert [each.expert for each in read.weights] == ["high", "low"]


def test_two_files_of_one_expert_are_refused(tmp_path: Path) -> None:
    for name in ("x_high_noise", "x_low_noise"):
        write_lora(
            [random_lora(BASE, expert="high")],
            tmp_path / f"{name}.safetensors",
            get_format("comfyui"),
            BASE,
        )
    with pytest.raises(AdapterMismatch, match="not the two experts"):
        read_adapter(tmp_path / "x_high_noise.safetensors", base=BASE)


def test_a_folder_says_what_layers_there_are(tmp_path: Path) -> None:
    tiny_model("wan").save_config(tmp_path / "backbone" / "transformer")
    (path,) = write_lora([random_lora(BASE)], tmp_path / "x.safetensors", get_format("kohya"), BASE)
    assert read_adapter(path, source=tmp_path / "backbone").base.name == "backbone"
    with pytest.raises(UsageError, match="expected one of"):
        read_adapter(path, base="wan9")
