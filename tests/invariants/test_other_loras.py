"""A character beside LoRAs that diffusers loads, and in another character's place.

`docs/howto/python_api.md` has a row for every test here.
"""

import dataclasses
from typing import Any

import pytest
import torch

from facekit.adapters.character import attach_characters
from facekit.errors import AdapterError, AdapterMismatch, AlreadyAttached
from tests.tiny.drawn import CASES, Case, as_plain_lora, character

pytestmark = pytest.mark.filterwarnings("ignore:Already found a `peft_config`")


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
        ours = [p for name, p in other.network.named_parameters() if "facekit" in name]
        assert bool(ours) == case.has_lora
        assert not any(parameter.requires_grad for parameter in ours)
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
    with case.attach() as attached, other.attach() as expected:
        case.pipe.enable_lora_hotswap(target_rank=8, check_compiled="ignore")
        load_style(case)  # widens the character's LoRA too
        load_style(case, seed=6, hotswap=True)
        assert same(case.draw(), other.draw())
        for each in (attached, expected):
            each.switch_to(character(case.backbone, case.has_lora, seed=1))
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
    plain = as_plain_lora(character(case.backbone))
    with case.attach():
        for second in (case.character, plain):
            with pytest.raises(AlreadyAttached, match="attached already"):
                attach_characters(case.pipe, second)
        assert torch.equal(case.draw(), case.drawn)
    with attach_characters(case.pipe, plain), pytest.raises(AlreadyAttached, match="already"):
        attach_characters(case.pipe, plain)
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
