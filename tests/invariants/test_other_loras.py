"""A character beside LoRAs that diffusers loads, and beside every way of calling a pipeline.

`docs/howto/python_api.md` has a row for every test here and in test_diffusers_features.py.
"""

from typing import Any

import numpy as np
import pytest
import torch

from facekit.adapters.character import attach_characters
from facekit.errors import AdapterError, AdapterMismatch, AlreadyAttached, UsageError
from tests.tiny.drawn import CASES, Case, character


@pytest.fixture(params=CASES, ids=lambda case: f"{case[0]}-{'lora' if case[1] else 'identity'}")
def case(request: pytest.FixtureRequest) -> Case:
    return Case(*request.param)


@pytest.fixture
def mira() -> Case:
    return Case("toon", True)


def load_style(case: Case, seed: int = 5, **options: Any) -> None:
    """As a user does, from keys as diffusers writes them."""
    weights = character(case.backbone, seed=seed).file.lora
    state = {f"transformer.{key}": tensor.clone() for key, tensor in weights.items()}
    case.pipe.load_lora_weights(state, adapter_name="style", **options)


def same(one: torch.Tensor, other: torch.Tensor) -> bool:
    """But for the order in which LoRAs are added up."""
    return torch.allclose(one, other, atol=1e-4, rtol=1e-4)


def test_load_lora_weights_before_and_after(case: Case) -> None:
    """diffusers lets only the LoRA that came last take part; a character goes on taking part."""
    other = Case(case.backbone, case.has_lora)
    load_style(case)
    styled = case.draw()
    first = case.attach()
    with other.attach() as later:
        load_style(other)
        drawn = other.draw()
        assert same(drawn, case.draw())
        assert not same(drawn, case.drawn)
        assert not any(parameter.requires_grad for parameter in other.network.parameters())
        assert set(other.network.active_adapters()) == {*later.lora_names, "style"}
    first.detach()
    assert torch.equal(case.draw(), styled)
    assert torch.equal(other.draw(), styled)


def test_set_adapters_scales_the_others(case: Case) -> None:
    other = Case(case.backbone, case.has_lora)
    load_style(case)
    case.pipe.set_adapters(["style"], [0.3])
    styled = case.draw()
    load_style(other)
    with case.attach(), other.attach():
        other.pipe.set_adapters(["style"], [0.3])
        assert same(case.draw(), other.draw())
    assert torch.equal(other.draw(), styled)


def test_delete_adapters_takes_the_others(case: Case) -> None:
    with case.attach() as attached:
        load_style(case)
        case.pipe.delete_adapters("style")
        assert same(case.draw(), case.drawn)
        for name in attached.lora_names:
            with pytest.raises(AdapterError, match="take a character's LoRA away"):
                case.pipe.delete_adapters([name])
    assert torch.equal(case.draw(), case.base)


def test_hotswap_of_another(case: Case) -> None:
    other = Case(case.backbone, case.has_lora)
    load_style(other, seed=6)
    load_style(case)
    with case.attach(), other.attach():
        load_style(case, seed=6, hotswap=True)
        assert same(case.draw(), other.draw())


@pytest.mark.parametrize(
    ("method", "told"),
    [
        ("fuse_lora", "detach, fuse, call unload_lora_weights"),
        ("unload_lora_weights", "name the others in delete_adapters"),
        ("disable_lora", r"call set_strength\(0\) for the character"),
    ],
)
def test_what_takes_every_lora_is_refused(mira: Case, method: str, told: str) -> None:
    with mira.attach():
        with pytest.raises(AdapterError, match=told):
            getattr(mira.pipe, method)()
        assert torch.equal(mira.draw(), mira.drawn)
    assert torch.equal(mira.draw(), mira.base)


def test_fused_loras(case: Case) -> None:
    """A fused layer hears no other LoRA; fused and unloaded, the weights are just others."""
    load_style(case)
    styled = case.draw()
    case.pipe.fuse_lora()
    if case.has_lora:
        with pytest.raises(AdapterError, match="call unload_lora_weights after fuse_lora"):
            case.attach()
    case.pipe.unload_lora_weights()
    fused = case.draw()
    assert same(fused, styled)
    with case.attach() as attached:
        assert not same(case.draw(), fused)
        attached.set_strength(0.0)
        assert torch.equal(case.draw(), fused)
    assert torch.equal(case.draw(), fused)


def test_a_second_attach_is_refused(case: Case) -> None:
    with case.attach(), pytest.raises(AlreadyAttached, match="attached already"):
        case.attach()
    assert torch.equal(case.draw(), case.base)


@pytest.mark.parametrize("hot", [True, False])
def test_switching_characters(case: Case, hot: bool) -> None:
    """A character in another's place draws what it draws when attached anew."""
    second = character(case.backbone, case.has_lora if hot else not case.has_lora, seed=1)
    with attach_characters(case.pipe, second, strength=0.7):
        expected = case.draw()
    before = dict(case.network.named_modules())
    with case.attach(strength=0.7) as attached:
        wrapped = dict(case.network.named_modules())
        attached.switch_to(second)
        assert same(case.draw(), expected)
        assert attached.characters == (second,)
        if hot:
            assert dict(case.network.named_modules()) == wrapped, "nothing was rebuilt"
        attached.switch_to([case.character])
        attached.set_strength(1.0)
        assert torch.equal(case.draw(), case.drawn)
    assert dict(case.network.named_modules()) == before
    assert torch.equal(case.draw(), case.base)


def test_a_switch_that_fails_changes_nothing(mira: Case) -> None:
    import dataclasses

    file = character(seed=1).file
    broken = {name: torch.zeros(3, 3) for name in file.lora}
    wrong = dataclasses.replace(mira.character, file=dataclasses.replace(file, lora=broken))
    with mira.attach() as attached:
        with pytest.raises(AdapterMismatch, match="LoRA weights do not fit"):
            attached.switch_to(wrong)
        assert torch.equal(mira.draw(), mira.drawn)
        assert attached.characters == (mira.character,)
    with pytest.raises(AdapterError, match="switch_to after detach"):
        attached.switch_to(mira.character)


def test_several_characters_with_a_region_each(case: Case) -> None:
    """Each is drawn as strongly as alone in its region; whoever has no region is left out."""
    light = [character(case.backbone, False, seed=seed) for seed in (0, 1)]
    left = torch.zeros(8, 8)
    left[:, :4] = 1
    nowhere = torch.zeros(8, 8)
    with attach_characters(case.pipe, light, masks_LHW=(left, 1 - left)):
        both = case.draw()
    with attach_characters(case.pipe, light, masks_LHW=(left, nowhere)):
        first = case.draw()
    with attach_characters(case.pipe, light[0], masks_LHW=(left,)):
        assert torch.equal(case.draw(), first)
    assert not torch.allclose(both, first)
    with attach_characters(case.pipe, [*light, character(case.backbone, seed=2)]) as attached:
        assert len(attached.lora_names) == 1
        attached.set_strength((0.0, 0.0))
        assert torch.equal(case.draw(), case.base)


def test_strength_as_keyframes(case: Case) -> None:
    """Equal keyframes are a number; the first frame follows the first of them."""
    with case.attach(strength=(0.5, 0.5, 0.5)) as attached:
        halved = case.draw()
        attached.set_strength(0.5)
        assert same(case.draw(), halved)
        attached.set_strength((0.0, 1.0))
        moving = case.draw()
        attached.set_lora_strength(0.5)
        assert torch.equal(case.draw(), moving), "a LoRA takes their mean"
        for wrong in ((), (0.5, -1.0), (float("nan"),)):
            with pytest.raises(UsageError, match="expected 0 or more"):
                attached.set_strength(wrong)
    assert not same(moving, halved)
    with case.attach(strength=(0.0,)):
        assert torch.equal(case.draw(), case.base)


def test_keyframes_of_a_plain_lora_are_refused(mira: Case) -> None:
    import dataclasses

    header = dataclasses.replace(mira.character.file.header, sites=())
    file = dataclasses.replace(mira.character.file, header=header, identity=None, null=None)
    plain = dataclasses.replace(mira.character, file=file)
    with pytest.raises(AdapterError, match="got keyframes of strength"):
        attach_characters(mira.pipe, plain, strength=(0.0, 1.0))
    assert torch.equal(mira.draw(), mira.base)


def test_strength_between_steps(case: Case) -> None:
    """What is set in callback_on_step_end holds from the next step on."""

    def drawn_with(strengths: tuple[float, float]) -> torch.Tensor:
        def change(pipe: Any, step: int, time: Any, given: dict[str, Any]) -> dict[str, Any]:
            attached.set_strength(strengths[min(step + 1, 1)])
            return {}

        attached.set_strength(strengths[0])
        return case.draw(callback_on_step_end=change)

    with case.attach() as attached:
        assert torch.equal(drawn_with((1.0, 1.0)), case.drawn)
        assert torch.equal(drawn_with((0.0, 0.0)), case.base)
        mixed = drawn_with((1.0, 0.0))
    assert not torch.allclose(mixed, case.drawn)
    assert not torch.allclose(mixed, case.base)


def test_plain_calls_and_a_with_block(case: Case) -> None:
    attached = case.attach()
    assert torch.equal(case.draw(), case.drawn)
    attached.detach()
    attached.detach()
    with pytest.raises(RuntimeError, match="on purpose"), case.attach():
        raise RuntimeError("on purpose")
    assert torch.equal(case.draw(), case.base)


def test_prompt_embeds(case: Case) -> None:
    prompts, length = ["a woman in the park", "a man"], case.spec.max_sequence_length
    wanted, unwanted = case.pipe.encode_prompt(prompts, max_sequence_length=length)
    with case.attach():
        drawn = case.pipe(
            prompt_embeds=wanted,
            negative_prompt_embeds=unwanted,
            height=32,
            width=32,
            num_frames=5,
            num_inference_steps=2,
            guidance_scale=2.0,
            generator=[torch.Generator().manual_seed(seed) for seed in (1, 2)],
            output_type="latent",
        ).frames
    assert torch.equal(drawn, case.drawn)


def test_guidance_scale_one_and_negative_prompts(case: Case) -> None:
    plain, told = {"guidance_scale": 1.0}, {"negative_prompt": ["a street", "night"]}
    for options in (plain, told):
        base = case.draw(**options)
        with case.attach():
            assert not torch.allclose(case.draw(**options), base)
        assert torch.equal(case.draw(**options), base)


def test_several_videos_of_a_prompt(case: Case) -> None:
    """They are those of as many equal prompts."""

    def draw(prompt: list[str], each: int) -> torch.Tensor:
        return case.pipe(
            prompt,
            num_videos_per_prompt=each,
            height=32,
            width=32,
            num_frames=5,
            num_inference_steps=2,
            guidance_scale=2.0,
            max_sequence_length=case.spec.max_sequence_length,
            generator=[torch.Generator().manual_seed(seed) for seed in (1, 2)],
            output_type="latent",
        ).frames

    with case.attach():
        assert torch.equal(draw(["a woman"], 2), draw(["a woman", "a woman"], 1))


def test_tiling_and_slicing_of_the_vae(mira: Case) -> None:
    mira.pipe.vae.enable_slicing()
    mira.pipe.vae.enable_tiling()
    base = mira.draw(output_type="np")
    with mira.attach():
        drawn = mira.draw(output_type="np")
    assert not np.allclose(drawn, base)
    assert np.array_equal(mira.draw(output_type="np"), base)


def test_no_grad_inference_mode_and_checkpointing(case: Case) -> None:
    """Attached inside inference mode, drawn outside, with blocks that are run again for gradients."""
    with torch.inference_mode():
        attached = case.attach()
        assert torch.equal(case.draw(), case.drawn)
    case.network.enable_gradient_checkpointing()
    with torch.no_grad():
        assert torch.equal(case.draw(), case.drawn)
    with attached, torch.enable_grad():
        assert torch.equal(case.draw(), case.drawn)
    assert torch.equal(case.draw(), case.base)
