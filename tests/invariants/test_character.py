"""A character file on a plain pipeline behaves as what was trained."""

import dataclasses
from pathlib import Path
from typing import Any

import pytest
import torch
from peft.tuners.lora import LoraLayer

from facekit.adapters.attach import attach
from facekit.adapters.character import Character, attach_characters, load_character
from facekit.adapters.character_file import CharacterFile
from facekit.adapters.lora import LoraSettings, add_lora, named_lora_parameters, remove_lora
from facekit.backbones import get_spec
from facekit.errors import AdapterError, AdapterMismatch, UsageError
from facekit.workflows import api
from tests.tiny.backbones import (
    KINDS,
    embeddings,
    network_of,
    predict,
    randomise_lora,
    sample,
    tiny_adapter,
    tiny_character,
    tiny_pipe,
)
from tests.tiny.slow import slow_but


@pytest.mark.parametrize("backbone", slow_but(KINDS, "cogvideox_2b", "ltx_video_2b", "toon"))
def test_a_reloaded_file_samples_the_same_as_what_was_trained(
    backbone: str, tmp_path: Path
) -> None:
    spec, pipe = get_spec(backbone), tiny_pipe(backbone)
    base, keys = sample(pipe, spec), list(network_of(pipe).state_dict())
    tiny_character(pipe, backbone).save(tmp_path / "adapter.safetensors")

    adapter = tiny_adapter(network_of(pipe), spec)
    add_lora(network_of(pipe), spec, LoraSettings(rank=2, alpha=4.0), seed=0)
    randomise_lora(network_of(pipe))
    attachment = attach(adapter, network_of(pipe), spec, pipe=pipe)
    with torch.no_grad(), attachment.conditioned_on(adapter.tokens(embeddings())):
        trained = sample(pipe, spec)
    attachment.detach()
    remove_lora(network_of(pipe))
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
    assert list(network_of(plain).state_dict()) == keys


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
    spec = get_spec("toon")
    text = spec.family.encode_text(pipe, spec, ["a woman", ""])["encoder_hidden_states"]
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
    header = dataclasses.replace(file.header, sigma_window=(0.2, 0.6))
    dataclasses.replace(file, header=header).save(tmp_path / "adapter.safetensors")
    conditioning = load_character(tmp_path).conditioning()
    assert conditioning is not None
    assert conditioning.window == (0.2, 0.6)


def test_one_is_the_strength_that_was_trained_with(tmp_path: Path) -> None:
    """The stored strength is of the identity branch; what is asked for multiplies both."""
    pipe = tiny_pipe()
    file = tiny_character(pipe, lora=False)
    half = dataclasses.replace(file.header, strength=0.5)
    full, halved = (
        Character(file=dataclasses.replace(file, header=header), source="mira")
        for header in (file.header, half)
    )
    base = predict(pipe)
    with attach_characters(pipe, full, strength=0.5):
        expected = predict(pipe)
    with attach_characters(pipe, halved) as attached:
        assert torch.equal(predict(pipe), expected)
        attached.set_strength(0.0)
        assert torch.equal(predict(pipe), base)
        attached.set_strength(2.0)
        twice = predict(pipe)
    with attach_characters(pipe, full):
        assert torch.equal(predict(pipe), twice)
    keyframes = halved.conditioning(strength=(1.0, 0.5))
    assert keyframes is not None
    assert keyframes.strength == (0.5, 0.25)


def _stance(pipe: Any) -> tuple[Any, ...]:
    """Which LoRAs take part where, and which parameters learn."""
    layers = {
        path: (list(layer.active_adapters), layer.disable_adapters, dict(layer.scaling))
        for path, layer in pipe.transformer.named_modules()
        if isinstance(layer, LoraLayer)
    }
    learns = {path: p.requires_grad for path, p in pipe.transformer.named_parameters()}
    return layers, learns, set(pipe.transformer.__dict__)


@pytest.mark.parametrize("own", ["none", "active", "one of two", "switched off", "learning"])
def test_detach_gives_back_flags_and_a_lora_of_the_users_own(own: str) -> None:
    pipe = tiny_pipe()
    character = Character(file=tiny_character(pipe), source="mira")
    pipe.transformer.requires_grad_(True)
    pipe.transformer.blocks[1].requires_grad_(False)
    names = {"none": (), "one of two": ("style", "light")}.get(own, ("style",))
    for seed, name in enumerate(names):
        few = LoraSettings(rank=2, alpha=3.0, targets=("attn1.to_q", "ffn.net.2"))
        add_lora(pipe.transformer, get_spec("toon"), few, name=name)
        randomise_lora(pipe.transformer, seed=seed, name=name)
    if own == "one of two":
        pipe.transformer.set_adapter("style")
    if own == "switched off":
        pipe.transformer.disable_adapters()
    if names and own != "learning":
        for name in names:
            for parameter in named_lora_parameters(pipe.transformer, name).values():
                parameter.requires_grad_(False)
    before, drawn = _stance(pipe), predict(pipe)

    with api.attach(pipe, character):
        assert not torch.allclose(predict(pipe), drawn)
        assert all(before[1][path] == learns for path, learns in _known(pipe, before[1]))
    assert _stance(pipe) == before
    assert torch.equal(predict(pipe), drawn)

    broken = {name: torch.zeros(3, 3) for name in character.file.lora}
    wrong = Character(file=dataclasses.replace(character.file, lora=broken), source="mira")
    with pytest.raises(AdapterMismatch):
        api.attach(pipe, wrong)
    assert _stance(pipe) == before


def _known(pipe: Any, before: dict[str, bool]) -> list[tuple[str, bool]]:
    """The parameters that were there before, though peft may have moved them one level down."""
    named = pipe.transformer.named_parameters()
    plain = [(path.replace(".base_layer", ""), p.requires_grad) for path, p in named]
    return [(path, learns) for path, learns in plain if path in before]


def test_a_strength_below_nothing_and_one_after_detach_are_refused(tmp_path: Path) -> None:
    """Both were accepted: the one drew the opposite of a face, the other did nothing."""
    pipe = tiny_pipe()
    tiny_character(pipe).save(tmp_path / "adapter.safetensors")
    with api.attach(pipe, tmp_path) as attached:
        for wrong in (-1.0, float("nan"), float("inf")):
            with pytest.raises(UsageError, match="expected 0 or more"):
                attached.set_strength(wrong)
    with pytest.raises(AdapterError, match="set_strength after detach"):
        attached.set_strength(0.5)
    with pytest.raises(UsageError, match="expected 0 or more"):
        api.attach(pipe, tmp_path, strength=-1.0)
    api.attach(pipe, tmp_path).detach()
