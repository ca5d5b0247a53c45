"""What goes wrong silently elsewhere is read right here, or refused with a reason.

Each case was tried with diffusers 0.42.1; what it does is asserted where it is the trap itself, so
that these tests say when a trap is gone.
"""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from facekit.adapters.formats.arithmetic import relative_error
from facekit.adapters.formats.bases import LoraBase, base_from_model
from facekit.adapters.formats.catalogue import get_format
from facekit.adapters.formats.factors import LoraFactors, LoraWeights
from facekit.adapters.formats.readers import reader_notes
from facekit.adapters.formats.reading import read_lora
from facekit.adapters.formats.writing import spell, write_lora
from facekit.errors import AdapterMismatch
from tests.parity.test_lora_formats import LINEARS, wan_inputs, with_delta
from tests.tiny.backbones import tiny_pipe
from tests.tiny.loras import random_lora

ALPHA = 8.0


@pytest.fixture(scope="module")
def pipe() -> Any:
    return tiny_pipe("wan2_1_t2v_1_3b")


@pytest.fixture(scope="module")
def base(pipe: Any) -> LoraBase:
    return base_from_model(pipe.transformer, "tiny")


@pytest.fixture(scope="module")
def weights(base: LoraBase) -> LoraWeights:
    paths = [path for path in base.shapes if any(name in path for name in LINEARS)]
    made = random_lora(base, paths=paths, alpha=ALPHA)
    modules = {}
    for path, each in made.modules.items():
        assert isinstance(each, LoraFactors)
        generator = torch.Generator().manual_seed(len(modules))
        modules[path] = LoraFactors(
            down=torch.randn(4, each.shape[1], generator=generator),
            up=torch.randn(each.shape[0], 4, generator=generator),
            alpha=ALPHA,
        )
    return LoraWeights(modules=modules, base=base.name)


def same(got: LoraWeights, expected: LoraWeights, factor: float = 1.0) -> bool:
    assert set(got.modules) == set(expected.modules)
    for path, each in expected.modules.items():
        assert isinstance(each, LoraFactors)
        scaled = LoraFactors(down=each.down, up=each.up, alpha=each.alpha * factor)
        if relative_error(got.modules[path], scaled) > 1e-6:
            return False
    return True


def write(
    folder: Path, tensors: Mapping[str, Tensor], header: Mapping[str, str] | None = None
) -> Path:
    path = folder / "x.safetensors"
    save_file(dict(tensors), path, metadata=dict(header or {}))
    return path


def keys(
    weights: LoraWeights, base: LoraBase, rename: Callable[[str], str], **endings: str
) -> dict[str, Tensor]:
    """A LoRA under names of one's own, with alpha as a tensor where an ending for it is given."""
    tensors: dict[str, Tensor] = {}
    for path, each in weights.modules.items():
        assert isinstance(each, LoraFactors)
        name = rename(path)
        tensors[name + endings.get("down", ".lora_A.weight")] = each.down
        tensors[name + endings.get("up", ".lora_B.weight")] = each.up
        if "alpha" in endings:
            tensors[name + endings["alpha"]] = torch.tensor(each.alpha)
    return tensors


@torch.no_grad()
def answer(pipe: Any) -> Tensor:
    result: Tensor = pipe.transformer(**wan_inputs(pipe.transformer))[0]
    return result


def test_diffusers_keys_without_a_header_say_that_alpha_is_taken_for_the_rank(
    weights: LoraWeights, base: LoraBase, tmp_path: Path
) -> None:
    path = write(tmp_path, keys(weights, base, lambda name: f"transformer.{name}"))
    file = read_lora(path, base)
    assert same(file.weights[0], weights, 4 / ALPHA)
    assert "say nothing of alpha" in file.notes[0]
    assert same(read_lora(path, base, alpha=ALPHA).weights[0], weights)


def test_the_header_of_diffusers_holds_alpha(
    weights: LoraWeights, base: LoraBase, tmp_path: Path
) -> None:
    header = {
        "lora_adapter_metadata": json.dumps({"transformer.r": 4, "transformer.lora_alpha": 8})
    }
    path = write(tmp_path, keys(weights, base, lambda name: f"transformer.{name}"), header)
    file = read_lora(path, base)
    assert same(file.weights[0], weights)
    assert file.notes == ()
    unused = read_lora(path, base, alpha=3.0)
    assert same(unused.weights[0], weights)
    assert unused.notes == ("--alpha is not used: the file says it for every module",)


def test_the_header_of_finetrainers_holds_alpha_which_diffusers_does_not_read(
    pipe: Any, weights: LoraWeights, base: LoraBase, tmp_path: Path
) -> None:
    header = {"lora_config": json.dumps({"r": 4, "lora_alpha": 8})}
    path = write(tmp_path, keys(weights, base, lambda name: f"transformer.{name}"), header)
    assert same(read_lora(path, base).weights[0], weights)
    expected = with_delta(pipe.transformer, weights)(**wan_inputs(pipe.transformer))[0]
    pipe.load_lora_weights(str(tmp_path), weight_name=path.name)
    try:
        assert not torch.allclose(answer(pipe), expected, rtol=1e-3, atol=1e-3)
    finally:
        pipe.unload_lora_weights()


def test_alpha_is_not_applied_to_what_facekit_folded(
    weights: LoraWeights, base: LoraBase, tmp_path: Path
) -> None:
    (path,) = write_lora([weights], tmp_path / "f.safetensors", get_format("comfyui"), base)
    file = read_lora(path, base, alpha=3.0)
    assert same(file.weights[0], weights)
    assert "--alpha is not used" in file.notes[0]


def test_rank_stabilised_alpha_is_over_the_root_of_the_rank(
    weights: LoraWeights, base: LoraBase, tmp_path: Path
) -> None:
    settings = {"transformer.r": 4, "transformer.lora_alpha": 8, "transformer.use_rslora": True}
    header = {"lora_adapter_metadata": json.dumps(settings)}
    path = write(tmp_path, keys(weights, base, lambda name: f"transformer.{name}"), header)
    assert same(read_lora(path, base).weights[0], weights, 2.0)


def test_a_lora_that_began_by_changing_the_backbone_is_refused(
    weights: LoraWeights, base: LoraBase, tmp_path: Path
) -> None:
    header = {
        "lora_adapter_metadata": json.dumps({"transformer.init_lora_weights": "pissa_niter_4"})
    }
    path = write(tmp_path, keys(weights, base, lambda name: f"transformer.{name}"), header)
    with pytest.raises(AdapterMismatch, match="changes the backbone's own weights"):
        read_lora(path, base)


def comfy(base: LoraBase) -> Callable[[str], str]:
    return lambda path: f"diffusion_model.{base.names.original_of[path]}"


def test_reading_changes_nothing_however_often(
    weights: LoraWeights, base: LoraBase, tmp_path: Path
) -> None:
    from facekit.adapters.formats.reading import parse_lora
    from facekit.adapters.formats.tensors import RawFile

    tensors = keys(weights, base, comfy(base), alpha=".alpha")
    kept = {name: tensor.clone() for name, tensor in tensors.items()}
    raw = RawFile(path=tmp_path / "x.safetensors", tensors=tensors, header={}, config=None)
    for _ in range(3):
        assert same(parse_lora(raw, base).weights[0], weights)
    assert all(torch.equal(tensors[name], tensor) for name, tensor in kept.items())


def test_diffusers_changes_what_it_is_given_so_ours_holds_no_alpha_there(
    pipe: Any, weights: LoraWeights, base: LoraBase
) -> None:
    theirs = {n: t.clone() for n, t in keys(weights, base, comfy(base), alpha=".alpha").items()}
    kept = {name: tensor.clone() for name, tensor in theirs.items()}
    pipe.lora_state_dict(theirs)
    assert any(not torch.equal(theirs[name], kept[name]) for name in kept if name in theirs)
    ours, _ = spell(weights, get_format("comfyui"), base)
    kept = {name: tensor.clone() for name, tensor in ours.items()}
    pipe.lora_state_dict(dict(ours))
    assert all(torch.equal(ours[name], kept[name]) for name in kept)


@pytest.mark.parametrize(
    ("prefix", "flat", "down", "up"),
    [
        ("lora_unet_", True, ".lora_down.weight", ".lora_up.weight"),
        ("lora_unet__", True, ".lora_down.weight", ".lora_up.weight"),
        ("diffusion_model.", False, ".lora_down.weight", ".lora_up.weight"),
        ("diffusion_model.", False, ".lora_A.weight", ".lora_B.weight"),
        ("model.diffusion_model.", False, ".lora_A.weight", ".lora_B.weight"),
        ("", False, ".lora_A.default.weight", ".lora_B.default.weight"),
        ("", False, ".lora_A.weight", ".lora_B.weight"),
        ("transformer.", False, ".lora_A.weight", ".lora_B.weight"),
    ],
)
def test_every_spelling_of_original_names_is_read(
    prefix: str,
    flat: bool,
    down: str,
    up: str,
    weights: LoraWeights,
    base: LoraBase,
    tmp_path: Path,
) -> None:
    def rename(path: str) -> str:
        name = base.names.original_of[path]
        return prefix + (name.replace(".", "_") if flat else name)

    for chosen in ("", "attn2", "blocks.1"):
        part = {path: each for path, each in weights.modules.items() if chosen in path}
        wanted = LoraWeights(modules=part)
        tensors = keys(wanted, base, rename, down=down, up=up, alpha=".alpha")
        assert same(read_lora(write(tmp_path, tensors), base).weights[0], wanted)


@pytest.mark.parametrize("prefix", ["", "base_model.model.", "diffusion_model."])
def test_what_diffusers_takes_for_nothing_or_refuses_is_read(
    prefix: str, pipe: Any, weights: LoraWeights, base: LoraBase, tmp_path: Path
) -> None:
    """No prefix, PEFT's own and SimpleTuner's mix: without effect there, or an error."""
    tensors = keys(weights, base, lambda path: prefix + path, alpha=".alpha")
    file = read_lora(write(tmp_path, tensors), base, alpha=ALPHA)
    assert same(file.weights[0], weights)
    if prefix == "diffusion_model.":
        assert "none that has a name" in file.spelling.describe()
        with pytest.raises(ValueError, match="should be empty"):
            pipe.lora_state_dict(dict(tensors))


def test_peft_without_its_config_is_refused_for_alpha_is_only_there(
    weights: LoraWeights, base: LoraBase, tmp_path: Path
) -> None:
    path = write(tmp_path, keys(weights, base, lambda name: f"base_model.model.{name}"))
    with pytest.raises(AdapterMismatch, match=r"adapter_config\.json"):
        read_lora(path, base)
    (tmp_path / "adapter_config.json").write_text(json.dumps({"r": 4, "lora_alpha": 8}))
    assert same(read_lora(path, base).weights[0], weights)


def test_who_trips_over_a_part_of_the_layers_is_told(
    pipe: Any, weights: LoraWeights, base: LoraBase
) -> None:
    kohya, comfyui = get_format("kohya"), get_format("comfyui")
    part = LoraWeights(modules={p: x for p, x in weights.modules.items() if "attn2" in p})
    assert not reader_notes([weights], kohya, base)
    assert any("cannot read kohya" in note for note in reader_notes([part], kohya, base))
    assert not reader_notes([part], comfyui, base)
    with pytest.raises(KeyError):
        pipe.lora_state_dict(spell(part, kohya, base)[0])


def test_who_trips_over_lokr_and_dora_is_told(pipe: Any, base: LoraBase) -> None:
    paths = [path for path in base.shapes if "attn1" in path]
    lokr = random_lora(base, paths=paths, kind="lokr")
    assert any("LoKr" in note for note in reader_notes([lokr], get_format("comfyui"), base))
    with pytest.raises((KeyError, ValueError)):
        pipe.lora_state_dict(spell(lokr, get_format("comfyui"), base)[0])
    dora = random_lora(base, paths=paths, kind="dora")
    assert any("DoRA" in note for note in reader_notes([dora], get_format("kohya"), base))
    assert not reader_notes([dora], get_format("diffusers"), base)


def test_kohyas_alphas_of_a_unet_that_differ_are_told() -> None:
    from tests.tiny.loras import tiny_base

    unet = tiny_base("animatediff")
    paths = [path for path in unet.names.original_of if "attn1" in path]
    kohya = get_format("kohya")
    assert any(
        "one alpha" in x for x in reader_notes([random_lora(unet, paths=paths)], kohya, unet)
    )
    assert not reader_notes([random_lora(unet, paths=paths, alpha=2.0)], kohya, unet)


def test_model_level_files_of_diffusers_are_read(
    weights: LoraWeights, base: LoraBase, tmp_path: Path
) -> None:
    """``save_lora_adapter`` writes no prefix; loading that by default has no effect there."""
    from tests.tiny.backbones import tiny_pipe as fresh

    model = fresh("wan2_1_t2v_1_3b").transformer
    tensors, settings = spell(weights, get_format("diffusers"), base)
    metadata = {f"transformer.{name}": value for name, value in settings.items()}
    model.load_lora_adapter(tensors, metadata=metadata, adapter_name="x")
    model.save_lora_adapter(str(tmp_path), adapter_name="x")
    (saved,) = tmp_path.glob("*.safetensors")
    assert same(read_lora(saved, base).weights[0], weights)
