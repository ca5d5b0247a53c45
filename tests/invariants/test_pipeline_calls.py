"""A character with every way of calling a stock pipeline: regions, keyframes, steps, prompts.

`docs/howto/python_api.md` has a row for every test here.
"""

from typing import Any

import numpy as np
import pytest
import torch

from facekit.adapters.character import attach_characters
from facekit.errors import AdapterError, UsageError
from tests.tiny.drawn import CASES, Case, as_plain_lora, character


@pytest.fixture(params=CASES, ids=lambda case: f"{case[0]}-{'lora' if case[1] else 'identity'}")
def case(request: pytest.FixtureRequest) -> Case:
    return Case(*request.param)


@pytest.fixture
def mira() -> Case:
    return Case("toon", True)


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


def test_a_lora_with_a_region(mira: Case) -> None:
    """It acts in its mask and nowhere else; a mask of the whole picture is the same as none."""
    plain = as_plain_lora(mira.character)
    with attach_characters(mira.pipe, plain) as attached:
        whole = mira.draw()
        attached.switch_to(plain, masks_LHW=[torch.ones(8, 8)])
        assert torch.equal(mira.draw(), whole)
        attached.switch_to(plain, masks_LHW=[torch.zeros(8, 8)])
        assert torch.equal(mira.draw(), mira.base)
        left = torch.zeros(8, 8)
        left[:, :4] = 1
        others = [plain, as_plain_lora(character(mira.backbone, seed=1))]
        attached.switch_to(others, masks_LHW=[left, 1 - left])
        both = mira.draw()
        attached.switch_to(others)
        assert not torch.allclose(mira.draw(), both), "without regions they add up"
    assert torch.equal(mira.draw(), mira.base)


def test_strength_as_keyframes(case: Case) -> None:
    """Equal keyframes are a number; the first frame follows the first of them."""
    with case.attach(strength=(0.5, 0.5, 0.5)) as attached:
        halved = case.draw()
        attached.set_strength(0.5)
        assert torch.allclose(case.draw(), halved, atol=1e-5)
        attached.set_strength((0.0, 1.0))
        moving = case.draw()
        attached.set_lora_strength(0.5)
        assert torch.equal(case.draw(), moving), "a LoRA takes their mean"
        for wrong in ((), (0.5, -1.0), (float("nan"),)):
            with pytest.raises(UsageError, match="expected 0 or more"):
                attached.set_strength(wrong)
    assert not torch.allclose(moving, halved)
    with case.attach(strength=(0.0,)):
        assert torch.equal(case.draw(), case.base)


def test_keyframes_of_a_plain_lora_are_refused(mira: Case) -> None:
    plain = as_plain_lora(mira.character)
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
    assert torch.allclose(drawn, case.drawn, atol=1e-5)


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
    """Attached inside inference mode, drawn outside, with gradient checkpointing."""
    with torch.inference_mode():
        attached = case.attach()
        assert torch.equal(case.draw(), case.drawn)
    case.network.enable_gradient_checkpointing()
    with torch.no_grad():
        assert torch.equal(case.draw(), case.drawn)
    with attached, torch.enable_grad():
        assert torch.equal(case.draw(), case.drawn)
    assert torch.equal(case.draw(), case.base)
