"""What does not fit is an error that lists what is missing and what is unexpected."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from facekit.adapters.formats.arithmetic import relative_error
from facekit.adapters.formats.catalogue import get_format
from facekit.adapters.formats.reading import read_lora
from facekit.adapters.formats.writing import write_lora
from facekit.errors import AdapterDamaged, AdapterError, AdapterMismatch
from tests.tiny.loras import random_lora, tiny_base

QUERY = "diffusion_model.blocks.0.self_attn.q"


@pytest.fixture
def tensors(tmp_path: Path) -> dict[str, Tensor]:
    base = tiny_base("wan")
    paths = [path for path in base.shapes if "attn" in path]
    (path,) = write_lora(
        [random_lora(base, paths=paths)], tmp_path / "a.safetensors", get_format("comfyui"), base
    )
    return dict(load_file(path))


def drop_half(tensors: dict[str, Tensor]) -> None:
    del tensors[f"{QUERY}.lora_B.weight"]


def drop_many(tensors: dict[str, Tensor]) -> None:
    for key in [key for key in tensors if "lora_A" in key][:9]:
        del tensors[key]


def add_foreign(tensors: dict[str, Tensor]) -> None:
    tensors["diffusion_model.blocks.77.self_attn.q.lora_A.weight"] = torch.ones(1, 24)
    tensors["diffusion_model.blocks.77.self_attn.q.lora_B.weight"] = torch.ones(24, 1)


def add_difference(tensors: dict[str, Tensor]) -> None:
    tensors["diffusion_model.blocks.0.norm3.diff"] = torch.ones(24)


def add_text_encoder(tensors: dict[str, Tensor]) -> None:
    tensors["lora_te1_layers_0_q.lora_down.weight"] = torch.ones(1, 24)


def spell_twice(tensors: dict[str, Tensor]) -> None:
    tensors[f"{QUERY}.lora_down.weight"] = torch.ones(1, 24)


def break_number(tensors: dict[str, Tensor]) -> None:
    tensors[f"{QUERY}.lora_A.weight"][0, 0] = float("nan")


def break_infinite(tensors: dict[str, Tensor]) -> None:
    tensors[f"{QUERY}.lora_B.weight"][0, 0] = float("inf")


def break_rank(tensors: dict[str, Tensor]) -> None:
    tensors[f"{QUERY}.lora_A.weight"] = torch.ones(7, 24)


def break_shape(tensors: dict[str, Tensor]) -> None:
    rank = tensors[f"{QUERY}.lora_B.weight"].shape[1]
    tensors[f"{QUERY}.lora_A.weight"] = torch.ones(rank, 23)


def silence(tensors: dict[str, Tensor]) -> None:
    for key in tensors:
        if "lora_B" in key:
            tensors[key] = torch.zeros_like(tensors[key])


def break_alpha(tensors: dict[str, Tensor]) -> None:
    tensors[f"{QUERY}.alpha"] = torch.tensor(float("nan"))


def rename_all(tensors: dict[str, Tensor]) -> None:
    for key in list(tensors):
        tensors[key.replace("blocks", "layers")] = tensors.pop(key)


WRONG: list[tuple[Callable[[dict[str, Tensor]], None], type[AdapterError], str]] = [
    (
        drop_half,
        AdapterError,
        r"1 key missing \(diffusion_model\.blocks\.0\.self_attn\.q\.lora_B\.weight\)",
    ),
    (drop_many, AdapterError, r"9 keys missing .* and 4 more\)"),
    (add_foreign, AdapterError, r"2 keys unexpected .*blocks\.77.*--partial"),
    (add_difference, AdapterError, r"1 key unexpected .*norm3\.diff"),
    (add_text_encoder, AdapterError, r"1 key unexpected .*lora_te1"),
    (spell_twice, AdapterError, r"1 key unexpected .*lora_down"),
    (break_number, AdapterDamaged, "NaN or infinity"),
    (break_infinite, AdapterDamaged, "NaN or infinity"),
    (break_rank, AdapterDamaged, "expected one rank in both"),
    (break_shape, AdapterMismatch, r"\(24, 23\) not \(24, 24\)"),
    (silence, AdapterError, "has no effect"),
    (break_alpha, AdapterDamaged, "expected one finite number"),
    (rename_all, AdapterMismatch, r"none of its 48 keys.*; name the backbone"),
]


@pytest.mark.parametrize(("spoil", "kind", "told"), WRONG)
def test_what_is_wrong_is_told(
    spoil: Callable[[dict[str, Tensor]], None],
    kind: type[AdapterError],
    told: str,
    tensors: dict[str, Tensor],
    tmp_path: Path,
) -> None:
    read_lora(tmp_path / "a.safetensors", tiny_base("wan"))  # fine before
    spoil(tensors)
    path = tmp_path / "b.safetensors"
    save_file({name: each.contiguous() for name, each in tensors.items()}, path)
    with pytest.raises(kind, match=told) as caught:
        read_lora(path, tiny_base("wan"))
    assert type(caught.value) is kind
    assert str(path) in str(caught.value)
    assert caught.value.next_step


@pytest.mark.parametrize("spoil", [add_foreign, add_difference, add_text_encoder])
def test_partial_leaves_out_what_is_unexpected_and_says_so(
    spoil: Callable[[dict[str, Tensor]], None], tensors: dict[str, Tensor], tmp_path: Path
) -> None:
    before = read_lora(tmp_path / "a.safetensors", tiny_base("wan")).weights[0]
    spoil(tensors)
    save_file(tensors, tmp_path / "b.safetensors")
    file = read_lora(tmp_path / "b.safetensors", tiny_base("wan"), partial=True)
    assert set(file.weights[0].modules) == set(before.modules)
    assert any("left out" in note for note in file.notes)


def test_partial_does_not_forgive_half_a_pair(tensors: dict[str, Tensor], tmp_path: Path) -> None:
    drop_half(tensors)
    save_file(tensors, tmp_path / "b.safetensors")
    with pytest.raises(AdapterError, match="1 key missing"):
        read_lora(tmp_path / "b.safetensors", tiny_base("wan"), partial=True)


def test_a_dora_over_inputs_is_refused(tensors: dict[str, Tensor], tmp_path: Path) -> None:
    tensors["diffusion_model.blocks.0.self_attn.q.dora_scale"] = torch.ones(1, 24)
    save_file(tensors, tmp_path / "b.safetensors")
    with pytest.raises(AdapterMismatch, match="one number per output"):
        read_lora(tmp_path / "b.safetensors", tiny_base("wan"))


def lokr(folder: Path, **parts: Tensor) -> Path:
    path = folder / "lokr.safetensors"
    tensors = {
        f"lora_unet_blocks_0_self_attn_q.{name}": tensor.contiguous()
        for name, tensor in parts.items()
    }
    save_file(tensors, path)
    return path


def test_lokr_scales_as_diffusers_does(tmp_path: Path) -> None:
    from diffusers.loaders.lora_conversion_utils import _bake_lokr_alpha_

    parts = {
        "lokr_w1": torch.randn(2, 2),
        "lokr_w2_a": torch.randn(12, 3),
        "lokr_w2_b": torch.randn(3, 12),
        "alpha": torch.tensor(5.0),
    }
    path = lokr(tmp_path, **parts)
    (weights,) = read_lora(path, tiny_base("wan")).weights
    theirs = {f"x.{name}": tensor.clone() for name, tensor in parts.items()}
    _bake_lokr_alpha_(theirs)
    expected = torch.kron(theirs["x.lokr_w1"], theirs["x.lokr_w2_a"] @ theirs["x.lokr_w2_b"])
    got = weights.modules["blocks.0.attn1.to_q"].delta().float()
    assert torch.allclose(got, expected, rtol=1e-4, atol=1e-5)


def test_alpha_of_two_whole_matrices_does_nothing(tmp_path: Path) -> None:
    left, right = torch.randn(2, 2), torch.randn(12, 12)
    path = lokr(tmp_path, lokr_w1=left, lokr_w2=right, alpha=torch.tensor(5.0))
    (weights,) = read_lora(path, tiny_base("wan")).weights
    got = weights.modules["blocks.0.attn1.to_q"].delta().float()
    assert torch.allclose(got, torch.kron(left, right))


def test_a_lokr_with_a_part_missing_or_of_a_convolution_is_refused(tmp_path: Path) -> None:
    with pytest.raises(AdapterError, match=r"1 key missing .*w2_b"):
        read_lora(
            lokr(tmp_path, lokr_w1=torch.ones(2, 2), lokr_w2_a=torch.ones(12, 3)), tiny_base("wan")
        )
    with pytest.raises(AdapterError, match="LoKr of a convolution"):
        read_lora(
            lokr(tmp_path, lokr_w1=torch.ones(2, 2, 1), lokr_w2=torch.ones(12, 12)),
            tiny_base("wan"),
        )


def test_a_fused_layer_becomes_its_parts_with_the_same_down(tmp_path: Path) -> None:
    base = tiny_base("hunyuan_video")
    rows = [base.shapes[f"single_transformer_blocks.1.{x}"][0] for x in ("attn.to_q", "proj_mlp")]
    name = "diffusion_model.single_blocks.1.linear1"
    down, up = torch.randn(4, 24), torch.randn(3 * rows[0] + rows[1], 4)
    save_file(
        {f"{name}.lora_A.weight": down, f"{name}.lora_B.weight": up}, tmp_path / "f.safetensors"
    )
    (weights,) = read_lora(tmp_path / "f.safetensors", base).weights
    assert len(weights.modules) == 4
    parts = ("attn.to_q", "attn.to_k", "attn.to_v", "proj_mlp")
    deltas = [weights.modules[f"single_transformer_blocks.1.{part}"].delta() for part in parts]
    assert torch.allclose(torch.cat(deltas), (up @ down).double(), atol=1e-5)


def test_flat_and_kernel_shaped_factors_of_a_convolution_are_the_same(tmp_path: Path) -> None:
    base = tiny_base("wan")
    made = random_lora(base, paths=["patch_embedding"])
    (path,) = write_lora([made], tmp_path / "a.safetensors", get_format("kohya"), base)
    flat = {
        key: each.flatten(1) if each.ndim > 1 else each for key, each in load_file(path).items()
    }
    save_file(flat, tmp_path / "b.safetensors")
    (again,) = read_lora(tmp_path / "b.safetensors", base).weights
    assert again.modules["patch_embedding"].tensors()[0].ndim == 5
    assert relative_error(again.modules["patch_embedding"], made.modules["patch_embedding"]) < 1e-7
