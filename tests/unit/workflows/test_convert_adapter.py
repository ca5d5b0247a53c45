"""From one tool to another, with what is lost said."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from facekit.adapters.character_file import CharacterFile, CharacterHeader
from facekit.adapters.folded import FoldedIdentity
from facekit.adapters.formats.adapters import read_adapter
from facekit.adapters.formats.bases import get_base
from facekit.adapters.formats.catalogue import get_format
from facekit.adapters.formats.writing import write_lora
from facekit.adapters.lora import LoraSettings
from facekit.errors import AdapterError, AdapterMismatch, OutputExists, UsageError
from facekit.types import NoProgress
from facekit.workflows import bake_adapter
from facekit.workflows.adapters import verify_adapter
from facekit.workflows.convert_adapter import plan_convert, run_convert
from tests.tiny.loras import random_lora

BASE = get_base("toon")
ATTENTION = [path for path in BASE.shapes if "attn" in path]
SITES = tuple(f"blocks.{index}.attn2" for index in (0, 2, 4))


def lora(folder: Path, form: str = "kohya", kind: str = "lora") -> Path:
    paths = [path for path in ATTENTION if "attn1" in path]
    weights = random_lora(BASE, paths=paths, kind=kind)
    return write_lora([weights], folder / "in.safetensors", get_format(form), BASE)[0]


def character(folder: Path, *, with_lora: bool) -> Path:
    generator = torch.Generator().manual_seed(0)

    def numbers() -> torch.Tensor:
        return torch.randn(1, 4, 256, generator=generator)

    settings = LoraSettings(rank=2, alpha=4.0, targets=("attn1.to_q",)) if with_lora else None
    tensors = {}
    for index in range(6 if with_lora else 0):
        tensors[f"blocks.{index}.attn1.to_q.lora_A.weight"] = torch.randn(
            2, 256, generator=generator
        )
        tensors[f"blocks.{index}.attn1.to_q.lora_B.weight"] = torch.randn(
            256, 2, generator=generator
        )
    header = CharacterHeader(
        name="mira",
        level="L2",
        backbone="toon",
        trigger="mira, a woman",
        sites=SITES,
        lora=settings,
    )
    identity = FoldedIdentity(
        keys={site: numbers() for site in SITES}, values={site: numbers() for site in SITES}
    )
    file = CharacterFile(header=header, identity=identity, lora=tensors)
    file.save(folder / "adapter.safetensors")
    return folder / "adapter.safetensors"


def convert(path: Path, out: Path, **options: Any) -> Any:
    return run_convert(plan_convert(path, out, **options), NoProgress())


@pytest.mark.parametrize("to", ["diffusers", "peft", "comfyui", "original", "wan_fun", "diffsynth"])
def test_a_lora_goes_there_and_is_read_back(to: str, tmp_path: Path) -> None:
    source = lora(tmp_path)
    out = tmp_path / ("out" if to == "peft" else "out.safetensors")
    done = convert(source, out, to=to)
    assert done.max_error <= 1e-6
    assert verify_adapter(out, source).exit_code == 0
    json.dumps(done.to_json())
    assert str(out) in done.describe()


def test_a_character_gives_its_lora_and_says_that_the_branch_stays(tmp_path: Path) -> None:
    source = character(tmp_path, with_lora=True)
    plan = plan_convert(source, tmp_path / "out.safetensors", to="comfyui")
    assert any("identity branch (3 sites) is not carried" in note for note in plan.notes)
    run_convert(plan, NoProgress())
    read = read_adapter(tmp_path / "out.safetensors")
    assert read.weights[0].trigger == "mira, a woman"
    assert verify_adapter(tmp_path / "out.safetensors", source).exit_code == 0


def test_a_character_without_a_lora_has_nothing_to_give_but_what_is_baked(tmp_path: Path) -> None:
    source = character(tmp_path, with_lora=False)
    with pytest.raises(AdapterError, match=r"no LoRA.*approximate it with --bake 1"):
        plan_convert(source, tmp_path / "out.safetensors", to="comfyui")


def test_the_branch_is_baked_with_its_residual_in_the_header(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from safetensors import safe_open

    monkeypatch.setattr(bake_adapter, "_MOODS", ("happy",))  # fewer clips

    out = tmp_path / "out.safetensors"
    done = convert(character(tmp_path, with_lora=True), out, to="comfyui", bake=1.0)
    assert done.baked is not None
    with safe_open(out, framework="pt") as file:
        said = json.loads(file.metadata()["facekit.lora"])["baked"]
    assert said["missed_of_prediction"] == done.baked.velocity_residual
    assert 0 < done.baked.velocity_residual < 1
    assert "misses" in done.describe()
    assert "blocks.4.attn2.to_out.0" in read_adapter(out).weights[0].modules


def test_lokr_is_carried_where_it_is_known_and_approximated_on_request(tmp_path: Path) -> None:
    source = lora(tmp_path, kind="lokr")
    assert convert(source, tmp_path / "a.safetensors", to="diffusers").max_error <= 1e-6
    with pytest.raises(AdapterMismatch, match="--as-lora RANK"):
        plan_convert(source, tmp_path / "b.safetensors", to="diffsynth")
    done = convert(source, tmp_path / "b.safetensors", to="diffsynth", as_lora=4)
    assert len(done.plan.losses) == 24
    assert 0 < max(done.plan.losses.values()) < 1
    assert "approximated: 24 modules" in done.describe()


def test_options_that_would_do_nothing_are_refused(tmp_path: Path) -> None:
    source, out = lora(tmp_path), tmp_path / "out.safetensors"
    for options, told in (
        ({"bake": 1.0}, "has no identity branch"),
        ({"as_lora": 4}, "holds no LoKr"),
    ):
        with pytest.raises(UsageError, match=told):
            plan_convert(source, out, to="comfyui", **options)
    with pytest.raises(UsageError, match="strength above 0"):
        plan_convert(character(tmp_path, with_lora=True), out, to="comfyui", bake=-1.0)


def test_nothing_is_replaced_unasked_and_never_what_is_read(tmp_path: Path) -> None:
    source, out = lora(tmp_path), tmp_path / "out.safetensors"
    convert(source, out, to="comfyui")
    with pytest.raises(OutputExists):
        plan_convert(source, out, to="comfyui")
    convert(source, out, to="diffusers", force=True)
    with pytest.raises(UsageError, match="is what is read"):
        plan_convert(source, source, to="comfyui", force=True)


def test_names_that_do_not_suit_the_format_are_refused(tmp_path: Path) -> None:
    source = lora(tmp_path)
    with pytest.raises(UsageError, match="add the ending"):
        plan_convert(source, tmp_path / "out", to="comfyui")
    with pytest.raises(UsageError, match="leave the ending away"):
        plan_convert(source, tmp_path / "out.safetensors", to="peft")


def test_the_plan_is_for_people_and_programs(tmp_path: Path) -> None:
    plan = plan_convert(lora(tmp_path), tmp_path / "out.safetensors", to="diffusers")
    assert "from:" in plan.describe()
    assert json.loads(json.dumps(plan.to_json()))["to_format"] == "diffusers"
    assert not (tmp_path / "out.safetensors").exists()
