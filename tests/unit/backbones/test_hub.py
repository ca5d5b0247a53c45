"""Folders that lack something, or are another model's; every one is an error with a next step."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from facekit.backbones import get_spec
from facekit.backbones.hub import network_outline, pipeline_folder
from facekit.errors import WeightsError, WeightsMissing
from tests.tiny.backbones import tiny_pipe

WAN = get_spec("wan2_1_t2v_1_3b")


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A pipeline whose network is in several shards."""
    folder = tmp_path_factory.mktemp("saved")
    pipe = tiny_pipe(WAN.name)
    pipe.save_pretrained(folder)
    (folder / "transformer" / "diffusion_pytorch_model.safetensors").unlink()
    pipe.transformer.save_pretrained(folder / "transformer", max_shard_size="40KB")
    return folder


def shard(folder: Path) -> Path:
    return sorted((folder / "transformer").glob("*.safetensors"))[1]


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def drop_a_tensor(path: Path) -> None:
    tensors = load_file(path)
    del tensors[min(tensors)]
    save_file(tensors, path, {"format": "pt"})


@pytest.mark.parametrize(
    ("name", "damage", "told"),
    [
        ("transformer", Path.unlink, "does not appear to have a file named"),
        ("transformer", cut, "Unable to load weights"),
        ("transformer", drop_a_tensor, r"transformer lacks 1 of its tensors, the first of them"),
        ("text_encoder", Path.unlink, "no file named model.safetensors"),
        ("text_encoder", cut, "cannot be loaded as"),
        ("vae", drop_a_tensor, "vae lacks 1 of its tensors"),
    ],
)
def test_a_part_that_is_missing_or_damaged(
    saved: Path, name: str, damage: Callable[[Path], None], told: str
) -> None:
    path = shard(saved) if name == "transformer" else next((saved / name).glob("*.safetensors"))
    before = path.read_bytes()
    try:
        damage(path)
        with pytest.raises(WeightsError, match=told) as caught:
            WAN.load(saved)
        assert "fetch the folder again" in str(caught.value)
    finally:
        path.write_bytes(before)
    whole: Any = WAN.load(saved)
    assert torch.equal(
        whole.transformer.proj_out.weight, tiny_pipe(WAN.name).transformer.proj_out.weight
    )


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("toon", "holds wan2_1_t2v_1_3b, expected toon"),
        ("wan2_1_t2v_14b", "holds wan2_1_t2v_1_3b, expected wan2_1_t2v_14b"),
        ("cogvideox_2b", "it is of WanTransformer3DModel"),
    ],
)
def test_another_models_folder(saved: Path, name: str, told: str) -> None:
    with pytest.raises(WeightsError, match=told):
        get_spec(name).load(saved)


def test_experts_are_counted(tmp_path: Path) -> None:
    """The network alone does not tell Wan 2.2 A14B from Wan 2.1 14B."""
    one, two = get_spec("wan2_1_t2v_14b"), get_spec("wan2_2_t2v_a14b")
    pipe = tiny_pipe(two.name)
    config = {**pipe.transformer_2.config, "text_dim": one.tiny_fingerprint["text_dim"]}
    pipe.register_modules(
        transformer=type(pipe.transformer).from_config(config), transformer_2=pipe.transformer_2
    )
    pipe.save_pretrained(tmp_path)
    with pytest.raises(WeightsError, match="holds 2 networks, expected 1 for wan2_1_t2v_14b"):
        one.load(tmp_path)


def test_the_model_with_distilled_guidance_is_refused(tmp_path: Path) -> None:
    from diffusers import ClassifierFreeGuidance

    spec = get_spec("hunyuanvideo_1_5")
    pipe = tiny_pipe(spec.name)
    pipe.register_modules(guider=ClassifierFreeGuidance(guidance_scale=1.0))
    pipe.save_pretrained(tmp_path)
    with pytest.raises(WeightsError, match="as the model with distilled guidance has"):
        spec.load(tmp_path)


def test_what_is_nowhere(tmp_path: Path) -> None:
    with pytest.raises(WeightsMissing, match=r"no model_index\.json"):
        pipeline_folder(WAN, tmp_path)
    with pytest.raises(WeightsMissing, match="run: hf download"):
        pipeline_folder(WAN, None)
    with pytest.raises(WeightsError, match=r"config\.json: cannot be read"):
        network_outline(torch.nn.Linear, tmp_path)
