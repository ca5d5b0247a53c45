"""What is written is what diffusers' own loaders make of it: the same picture as delta W."""

import copy
import logging
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers import (
    AnimateDiffPipeline,
    HunyuanVideoPipeline,
    LTXPipeline,
    WanPipeline,
)
from torch import Tensor

from facekit.adapters.formats.bases import LoraBase, base_from_model
from facekit.adapters.formats.catalogue import get_format
from facekit.adapters.formats.factors import LoraWeights
from facekit.adapters.formats.writing import write_lora
from tests.tiny.backbones import tiny_pipe
from tests.tiny.loras import random_lora, tiny_base, tiny_model

LINEARS = ("attn1.", "attn2.", "ffn.")


@pytest.fixture(autouse=True)
def _quiet(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """A warning of the loader means that something was left out: it fails the test."""
    names = ("diffusers.loaders.peft", "diffusers.loaders.lora_pipeline")
    before = [logging.getLogger(name).propagate for name in names]
    logging.getLogger("diffusers").propagate = True
    with caplog.at_level(logging.WARNING):
        yield
    logging.getLogger("diffusers").propagate = False
    assert before
    said = [each.message for each in caplog.records if "lora" in each.message.lower()]
    assert not said


def with_delta(model: Any, weights: LoraWeights) -> Any:
    """A copy of a model with delta W added to its own weights."""
    changed = copy.deepcopy(model)
    with torch.no_grad():
        for path, factors in weights.modules.items():
            weight = changed.get_submodule(path).weight
            weight += factors.delta().float().reshape(weight.shape)
    return changed


def wan_inputs(transformer: Any) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(3)
    width = transformer.config.text_dim
    return {
        "hidden_states": torch.randn(1, 4, 2, 8, 8, generator=generator),
        "timestep": torch.tensor([500.0]),
        "encoder_hidden_states": torch.randn(1, 5, width, generator=generator),
    }


def small(base: LoraBase, paths: list[str], **options: Any) -> LoraWeights:
    return random_lora(base, paths=paths, **options)


@pytest.mark.parametrize("alpha", [None, 2.0])
@pytest.mark.parametrize("name", ["diffusers", "comfyui", "kohya"])
@torch.no_grad()
def test_the_stock_wan_pipeline_draws_what_delta_w_says(
    name: str, alpha: float | None, tmp_path: Path
) -> None:
    pipe = tiny_pipe("wan2_1_t2v_1_3b")
    base = base_from_model(pipe.transformer, "tiny")
    weights = small(base, [p for p in base.shapes if any(x in p for x in LINEARS)], alpha=alpha)
    expected = with_delta(pipe.transformer, weights)(**wan_inputs(pipe.transformer))[0]
    bare = pipe.transformer(**wan_inputs(pipe.transformer))[0]
    write_lora([weights], tmp_path / "x.safetensors", get_format(name), base)
    pipe.load_lora_weights(str(tmp_path), weight_name="x.safetensors")
    got = pipe.transformer(**wan_inputs(pipe.transformer))[0]
    assert (expected - bare).abs().max() > 1e-2
    assert torch.allclose(got, expected, rtol=1e-4, atol=1e-5 * float(expected.abs().max()))


@pytest.mark.parametrize("name", ["diffusers", "comfyui"])
@torch.no_grad()
def test_part_of_the_layers_is_heard_as_well(name: str, tmp_path: Path) -> None:
    pipe = tiny_pipe("wan2_1_t2v_1_3b")
    base = base_from_model(pipe.transformer, "tiny")
    chosen = [path for path in base.shapes if "attn2" in path and "blocks.2" not in path]
    weights = small(base, chosen)
    expected = with_delta(pipe.transformer, weights)(**wan_inputs(pipe.transformer))[0]
    write_lora([weights], tmp_path / "x.safetensors", get_format(name), base)
    pipe.load_lora_weights(str(tmp_path), weight_name="x.safetensors")
    got = pipe.transformer(**wan_inputs(pipe.transformer))[0]
    assert torch.allclose(got, expected, rtol=1e-4, atol=1e-5 * float(expected.abs().max()))


@torch.no_grad()
def test_the_same_tensors_may_be_loaded_again_and_again(tmp_path: Path) -> None:
    """diffusers multiplies alpha into the tensors that it is given; ours hold none."""
    from safetensors.torch import load_file

    pipe = tiny_pipe("wan2_1_t2v_1_3b")
    base = base_from_model(pipe.transformer, "tiny")
    weights = small(base, [p for p in base.shapes if any(x in p for x in LINEARS)], alpha=8.0)
    expected = with_delta(pipe.transformer, weights)(**wan_inputs(pipe.transformer))[0]
    write_lora([weights], tmp_path / "x.safetensors", get_format("comfyui"), base)
    tensors = load_file(tmp_path / "x.safetensors")
    for _ in range(3):
        pipe.load_lora_weights(tensors)
        got = pipe.transformer(**wan_inputs(pipe.transformer))[0]
        assert torch.allclose(got, expected, rtol=1e-4, atol=1e-5 * float(expected.abs().max()))
        pipe.unload_lora_weights()


def loaded_deltas(
    pipeline: Any, model: Any, path: Path, prefix: str = "transformer"
) -> Mapping[str, Tensor]:
    """What a pipeline's own loader adds to each layer of a model."""
    state = pipeline.lora_state_dict(
        str(path.parent), weight_name=path.name, return_lora_metadata=True
    )
    tensors, *alphas, metadata = state
    alphas = alphas[0] if alphas else None
    model.load_lora_adapter(
        tensors, network_alphas=alphas, metadata=metadata, prefix=prefix, adapter_name="x"
    )
    return {
        name: layer.get_delta_weight("x")
        for name, layer in model.named_modules()
        if hasattr(layer, "get_delta_weight") and "x" in layer.scaling
    }


CASES: list[tuple[str, Any, str, str]] = [
    ("wan", WanPipeline, "diffusers", ""),
    ("wan", WanPipeline, "comfyui", "text_embedder|time_embedder|time_proj|proj_out|blocks"),
    ("wan_i2v", WanPipeline, "diffusers", ""),
    ("wan_i2v", WanPipeline, "comfyui", "blocks|image_embedder"),
    ("wan_i2v", WanPipeline, "kohya", "blocks"),
    ("wan_vace", WanPipeline, "diffusers", ""),
    ("ltx", LTXPipeline, "diffusers", ""),
    ("ltx", LTXPipeline, "comfyui", "transformer_blocks"),
    ("hunyuan_video", HunyuanVideoPipeline, "diffusers", ""),
    # Its converter takes the first blocks' width of the real model for granted in linear1.
    ("hunyuan_video", HunyuanVideoPipeline, "comfyui", "^transformer_blocks"),
    ("animatediff", AnimateDiffPipeline, "diffusers", ""),
    ("animatediff", AnimateDiffPipeline, "kohya", r"attentions.*(attn|ff)"),
]


@pytest.mark.parametrize(("family", "pipeline", "name", "chosen"), CASES)
def test_each_loader_adds_delta_w(
    family: str, pipeline: Any, name: str, chosen: str, tmp_path: Path
) -> None:
    import re

    base = tiny_base(family)
    paths = [path for path in base.shapes if re.search(chosen, path)]
    if name == "diffusers":
        paths = [path for path in paths if "conv" not in path]
    # Of a UNet's files in kohya's names diffusers hears one alpha for all, so all have the same.
    uniform = {"alpha": 2.0, "rank": 3} if (family, name) == ("animatediff", "kohya") else {}
    weights = small(base, paths, seed=5, **uniform)
    file = tmp_path / "x.safetensors"
    write_lora([weights], file, get_format(name), base)
    deltas = loaded_deltas(pipeline, tiny_model(family), file, base.table.component)
    assert set(deltas) == set(weights.modules)
    for path, factors in weights.modules.items():
        expected = factors.delta().float().reshape(deltas[path].shape)
        assert torch.allclose(deltas[path], expected, rtol=1e-4, atol=1e-5), path


def test_diffusers_adds_what_a_lokr_says(tmp_path: Path) -> None:
    base = tiny_base("wan")
    paths = [path for path in base.shapes if "attn1" in path]
    weights = small(base, paths, kind="lokr")
    file = tmp_path / "x.safetensors"
    write_lora([weights], file, get_format("diffusers"), base)
    model = tiny_model("wan")
    tensors, metadata = WanPipeline.lora_state_dict(
        str(tmp_path), weight_name=file.name, return_lora_metadata=True
    )
    model.load_lora_adapter(tensors, metadata=metadata, adapter_name="x")
    for path, factors in weights.modules.items():
        got = model.get_submodule(path).get_delta_weight("x")
        assert torch.allclose(got, factors.delta().float(), rtol=1e-4, atol=1e-4), path


def test_peft_adds_delta_w(tmp_path: Path) -> None:
    from peft import PeftModel

    base = tiny_base("wan")
    weights = small(base, list(base.shapes), seed=7)
    write_lora([weights], tmp_path / "adapter", get_format("peft"), base)
    model = PeftModel.from_pretrained(tiny_model("wan"), str(tmp_path / "adapter"))
    for path, factors in weights.modules.items():
        got = model.base_model.model.get_submodule(path).get_delta_weight("default")
        expected = factors.delta().float().reshape(got.shape)
        assert torch.allclose(got, expected, rtol=1e-4, atol=1e-5), path
