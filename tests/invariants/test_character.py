"""A character file on a plain pipeline behaves as what was trained."""

import dataclasses
from pathlib import Path
from typing import Any

import pytest
import torch

from facekit.adapters.attach import attach
from facekit.adapters.character import attach_characters, load_character
from facekit.adapters.character_file import CharacterFile
from facekit.adapters.lora import LoraSettings, add_lora, remove_lora
from facekit.backbones import get_spec
from facekit.backbones.wan import encode_text
from facekit.workflows import api
from tests.tiny.backbones import (
    BACKBONES,
    embeddings,
    predict,
    randomise_lora,
    sample,
    tiny_adapter,
    tiny_character,
    tiny_pipe,
)


@pytest.mark.parametrize("backbone", BACKBONES)
def test_a_reloaded_file_samples_the_same_as_what_was_trained(
    backbone: str, tmp_path: Path
) -> None:
    spec, pipe = get_spec(backbone), tiny_pipe(backbone)
    base = sample(pipe, spec)
    tiny_character(pipe, backbone).save(tmp_path / "adapter.safetensors")

    adapter = tiny_adapter(pipe.transformer, spec)
    add_lora(pipe.transformer, spec, LoraSettings(rank=2, alpha=4.0), seed=0)
    randomise_lora(pipe.transformer)
    attachment = attach(adapter, pipe.transformer, spec)
    with torch.no_grad(), attachment.conditioned_on(adapter.tokens(embeddings())):
        trained = sample(pipe, spec)
    attachment.detach()
    remove_lora(pipe.transformer)
    assert torch.equal(sample(pipe, spec), base)

    plain = tiny_pipe(backbone)
    character = api.load_character(tmp_path)
    with api.attach(plain, character) as attached:
        assert torch.equal(sample(plain, spec), trained)
        attached.set_strength(0.0)
        assert torch.equal(sample(plain, spec), base)
        attached.set_strength(1.0)
        assert torch.equal(sample(plain, spec), trained)
    assert torch.equal(sample(plain, spec), base)
    assert list(plain.transformer.state_dict()) == list(
        tiny_pipe(backbone).transformer.state_dict()
    )


@pytest.mark.parametrize("lora", [True, False])
@pytest.mark.parametrize("learned_null", [True, False])
def test_every_tensor_and_entry_comes_back(tmp_path: Path, lora: bool, learned_null: bool) -> None:
    saved = tiny_character(tiny_pipe(), lora=lora, learned_null=learned_null)
    saved.save(tmp_path / "one.safetensors")
    loaded = CharacterFile.load(tmp_path / "one.safetensors")
    assert loaded.header == saved.header
    assert (loaded.null is not None) == learned_null
    ours, theirs = saved._tensors(), loaded._tensors()
    assert ours.keys() == theirs.keys()
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)
    loaded.save(tmp_path / "two.safetensors")
    contents = [(tmp_path / f"{name}.safetensors").read_bytes() for name in ("one", "two")]
    assert contents[0] == contents[1]


def test_two_characters_attach_together(tmp_path: Path) -> None:
    pipe = tiny_pipe()
    for seed in (1, 2):
        tiny_character(pipe, seed=seed).save(tmp_path / f"{seed}.safetensors")
    left = torch.zeros(2, 4)
    left[:, :2] = 1
    base = predict(pipe)
    both = [load_character(tmp_path / f"{seed}.safetensors") for seed in (1, 2)]
    with attach_characters(pipe, both, masks_LHW=(left, 1 - left)):
        assert not torch.allclose(predict(pipe), base)
        assert len(pipe.transformer.peft_config) == 2
    assert torch.equal(predict(pipe), base)


def test_continuing_a_clip_through_the_stock_image_pipeline(tmp_path: Path) -> None:
    from diffusers import WanImageToVideoPipeline
    from PIL import Image

    pipe = tiny_pipe()
    text = encode_text(pipe, ["a woman", ""])
    tiny_character(pipe).save(tmp_path / "adapter.safetensors")
    components = {name: part for name, part in pipe.components.items() if name != "transformer_2"}
    forward: Any = WanImageToVideoPipeline(**components, expand_timesteps=True)
    forward.set_progress_bar_config(disable=True)

    def run() -> torch.Tensor:
        latents: torch.Tensor = forward(
            image=Image.new("RGB", (32, 32), (90, 120, 60)),
            prompt_embeds=text[:1],  # its own encode_prompt needs ftfy
            negative_prompt_embeds=text[1:],
            height=32,
            width=32,
            num_frames=5,
            num_inference_steps=2,
            guidance_scale=2.0,
            generator=torch.Generator().manual_seed(0),
            output_type="latent",
        ).frames
        return latents

    base = run()
    with api.attach(pipe, tmp_path / "adapter.safetensors"):
        conditioned = run()
    assert not torch.allclose(conditioned, base)
    assert torch.equal(run(), base)


def test_the_noise_window_of_the_file_holds_when_sampling(tmp_path: Path) -> None:
    pipe = tiny_pipe("toon")
    file = tiny_character(pipe, "toon")
    header = dataclasses.replace(file.header, training={"sigma_window": [0.2, 0.6]})
    dataclasses.replace(file, header=header).save(tmp_path / "adapter.safetensors")
    conditioning = load_character(tmp_path).conditioning()
    assert conditioning is not None
    assert conditioning.window == (0.2, 0.6)
