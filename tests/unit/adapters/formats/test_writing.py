"""What a tool does not know is not written; what it knows is spelled as it spells it."""

import json
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file

from facekit.adapters.formats.catalogue import FORMATS, get_format
from facekit.adapters.formats.factors import LoraWeights
from facekit.adapters.formats.reading import read_lora
from facekit.adapters.formats.writing import output_paths, spell, write_lora
from facekit.errors import AdapterError, AdapterMismatch, UsageError
from tests.tiny.loras import random_lora, tiny_base

QUERY = "blocks.0.attn1.to_q"

SPELLED = {
    "diffusers": {"transformer.blocks.0.attn1.to_q.lora_A.weight"},
    "peft": {"base_model.model.blocks.0.attn1.to_q.lora_A.weight"},
    "comfyui": {"diffusion_model.blocks.0.self_attn.q.lora_A.weight"},
    "original": {"blocks.0.self_attn.q.lora_A.weight"},
    "kohya": {
        "lora_unet_blocks_0_self_attn_q.lora_down.weight",
        "lora_unet_blocks_0_self_attn_q.alpha",
    },
    "wan_fun": {"lora_unet__blocks_0_self_attn_q.lora_down.weight"},
    "diffsynth": {"blocks.0.self_attn.q.lora_A.default.weight"},
}


@pytest.mark.parametrize("name", SPELLED)
def test_each_format_spells_keys_as_its_tool_does(name: str) -> None:
    base = tiny_base("wan")
    tensors, _ = spell(random_lora(base, paths=[QUERY], alpha=3.0), get_format(name), base)
    assert SPELLED[name] <= set(tensors)
    assert len(tensors) == (3 if name in ("kohya", "wan_fun") else 2)


def test_what_is_read_back_is_told_as_the_format_it_was_written_in(tmp_path: Path) -> None:
    base = tiny_base("wan")
    for name in SPELLED:
        path = tmp_path / (name if name == "peft" else f"{name}.safetensors")
        write_lora([random_lora(base, paths=[QUERY])], path, get_format(name), base)
        assert read_lora(path, base).spelling.format == name


def test_the_header_of_diffusers_never_loses_alpha(tmp_path: Path) -> None:
    base = tiny_base("wan")
    weights = random_lora(base)
    (path,) = write_lora([weights], tmp_path / "x.safetensors", get_format("diffusers"), base)
    with safe_open(path, framework="pt") as file:
        header = file.metadata()
    settings = json.loads(header["lora_adapter_metadata"])
    assert settings["transformer.lora_alpha"] > 0
    assert settings["transformer.alpha_pattern"]
    assert json.loads(header["facekit.lora"])["base"] == base.name
    assert header["modelspec.trigger_phrase"] == weights.trigger


def test_names_that_end_like_others_are_told_apart_for_peft() -> None:
    base = tiny_base("wan_vace")
    _, settings = spell(random_lora(base, paths=["proj_out"]), get_format("diffusers"), base)
    assert settings["target_modules"] == "proj_out"
    _, settings = spell(random_lora(base, paths=[QUERY]), get_format("diffusers"), base)
    assert settings["target_modules"] == [QUERY]


@pytest.mark.parametrize(
    ("family", "name", "told"),
    [
        ("cogvideox", "comfyui", "not known for sure"),
        ("cogvideox", "kohya", "not known for sure"),
        ("ltx", "diffsynth", "not known here"),
        ("hunyuan_video", "wan_fun", "belongs to Wan"),
        ("animatediff", "comfyui", "kohya's names"),
    ],
)
def test_names_that_are_not_known_for_sure_are_not_guessed(
    family: str, name: str, told: str
) -> None:
    base = tiny_base(family)
    with pytest.raises(AdapterMismatch, match=rf"{told}.*; choose another --to"):
        spell(random_lora(base), get_format(name), base)


def test_layers_without_an_original_name_are_refused() -> None:
    base = tiny_base("hunyuan_video")
    weights = random_lora(base, paths=["norm_out.linear"])
    with pytest.raises(AdapterMismatch, match=r"norm_out\.linear.*; convert to diffusers"):
        spell(weights, get_format("comfyui"), base)
    assert spell(weights, get_format("diffusers"), base)[0]


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("kind", ["lokr", "dora"])
def test_lokr_and_dora_are_written_where_the_tool_knows_them(kind: str, name: str) -> None:
    base, form = tiny_base("wan"), get_format(name)
    weights = random_lora(base, paths=[QUERY], kind=kind)
    knows = form.lokr if kind == "lokr" else bool(form.magnitude)
    if knows:
        marks = ("lokr_w1",) if kind == "lokr" else ("dora_scale", "lora_magnitude_vector")
        assert any(key.endswith(marks) for key in spell(weights, form, base)[0])
    else:
        with pytest.raises(AdapterMismatch, match="does not know"):
            spell(weights, form, base)


def test_a_mix_is_refused_where_the_tool_takes_all_or_none() -> None:
    base = tiny_base("wan")
    for kind in ("lokr", "dora"):
        mixed = LoraWeights(
            modules={
                **random_lora(base, paths=[QUERY], kind=kind).modules,
                **random_lora(base, paths=["blocks.0.attn1.to_k"]).modules,
            }
        )
        with pytest.raises(AdapterMismatch, match="all or none"):
            spell(mixed, get_format("diffusers"), base)
        assert spell(mixed, get_format("kohya"), base)[0]


def test_parts_of_a_fused_layer_are_lokr_or_dora_together() -> None:
    base = tiny_base("hunyuan_video")
    query, key = (f"transformer_blocks.0.attn.to_{x}" for x in "qk")
    with pytest.raises(AdapterMismatch, match="--as-lora"):
        spell(random_lora(base, paths=[query], kind="lokr"), get_format("kohya"), base)
    mixed = LoraWeights(
        modules={
            **random_lora(base, paths=[query], kind="dora").modules,
            **random_lora(base, paths=[key]).modules,
        }
    )
    with pytest.raises(AdapterError, match="all or none where layers are fused"):
        spell(mixed, get_format("kohya"), base)


def test_two_experts_are_one_file_or_two(tmp_path: Path) -> None:
    base = tiny_base("wan")
    pair = [random_lora(base, seed=1, expert="high"), random_lora(base, seed=2, expert="low")]
    both = write_lora(pair, tmp_path / "x.safetensors", get_format("diffusers_pair"), base)
    assert [path.name for path in both] == ["x.safetensors"]
    assert {key.split(".")[0] for key in load_file(both[0])} == {"transformer", "transformer_2"}
    read = read_lora(both[0], base)
    assert [each.expert for each in read.weights] == ["high", "low"]
    assert read.spelling.format == "diffusers_pair"
    two = write_lora(pair, tmp_path / "x.safetensors", get_format("kohya"), base)
    assert [path.name for path in two] == ["x_high_noise.safetensors", "x_low_noise.safetensors"]
    assert [path.name for path in output_paths(pair, tmp_path / "a.b", get_format("peft"))] == [
        "a.b_high_noise",
        "a.b_low_noise",
    ]
    with pytest.raises(AdapterMismatch, match="holds both experts"):
        write_lora(pair[:1], tmp_path / "y.safetensors", get_format("diffusers_pair"), base)


def test_nothing_that_is_given_changes() -> None:
    base = tiny_base("hunyuan_video")
    weights = random_lora(base, dtype=torch.float16)
    kept = {p: [t.clone() for t in x.tensors()] for p, x in weights.modules.items()}
    for name in ("comfyui", "kohya", "diffusers"):
        spell(weights, get_format(name), base)
    for path, factors in weights.modules.items():
        assert all(torch.equal(a, b) for a, b in zip(factors.tensors(), kept[path], strict=True))


def test_an_unknown_format_names_the_known_ones() -> None:
    with pytest.raises(UsageError, match=r"expected one of diffusers.*; choose one"):
        get_format("safetensor")
