"""LoRA through peft: exact no-op, state, strength, removal."""

from dataclasses import replace
from typing import Any

import pytest
import torch

from facekit.adapters.lora import (
    LoraSettings,
    LoraStance,
    add_lora,
    load_lora_state,
    lora_disabled,
    lora_state,
    named_lora_parameters,
    remove_lora,
    set_lora_strength,
)
from facekit.backbones import get_spec
from facekit.errors import AdapterMismatch, AlreadyAttached, SiteMissing
from tests.tiny.backbones import predict, randomise_lora, tiny_pipe

TOON = get_spec("toon")
SMALL = LoraSettings(rank=2, alpha=4.0)


@pytest.fixture
def pipe() -> Any:
    return tiny_pipe()


def active_loras(pipe: Any) -> list[str]:
    layer = pipe.transformer.blocks[0].attn1.to_q
    return list(getattr(layer, "active_adapters", ()))


def learning(pipe: Any) -> dict[int, bool]:
    return {id(each): each.requires_grad for each in pipe.transformer.parameters()}


def test_it_starts_as_a_no_op_on_every_attention_layer(pipe: Any) -> None:
    base = predict(pipe)
    add_lora(pipe.transformer, TOON, SMALL)
    assert torch.equal(predict(pipe), base)
    state = lora_state(pipe.transformer)
    blocks = len(pipe.transformer.blocks)
    assert len(state) == blocks * 2 * 4 * 2
    assert state["blocks.0.attn1.to_q.lora_A.weight"].shape == (2, 24)
    assert "blocks.3.attn2.to_out.0.lora_B.weight" in state
    assert list(state) == sorted(state)


def test_the_seed_decides_the_start_and_leaves_the_generator_alone(pipe: Any) -> None:
    torch.manual_seed(3)
    expected = torch.rand(1)
    states = []
    for seed in (5, 5, 6):
        torch.manual_seed(3)
        add_lora(pipe.transformer, TOON, SMALL, seed=seed)
        assert torch.equal(torch.rand(1), expected)
        states.append(lora_state(pipe.transformer)["blocks.0.attn1.to_q.lora_A.weight"])
        remove_lora(pipe.transformer)
    assert torch.equal(states[0], states[1])
    assert not torch.equal(states[0], states[2])


def test_the_state_comes_back(pipe: Any) -> None:
    add_lora(pipe.transformer, TOON, SMALL)
    randomise_lora(pipe.transformer)
    trained, state = predict(pipe), lora_state(pipe.transformer)
    other = tiny_pipe()
    add_lora(other.transformer, TOON, SMALL)
    load_lora_state(other.transformer, state)
    assert torch.equal(predict(other), trained)


def test_a_state_that_does_not_fit_changes_nothing(pipe: Any) -> None:
    add_lora(pipe.transformer, TOON, SMALL)
    state = lora_state(pipe.transformer)
    name = "blocks.0.attn1.to_q.lora_A.weight"
    for wrong in (
        {key: tensor for key, tensor in state.items() if key != name},
        state | {"blocks.9.attn1.to_q.lora_A.weight": state[name]},
        state | {name: torch.zeros(3, 24)},
    ):
        with pytest.raises(AdapterMismatch, match=r"1 (missing|unexpected|of another shape)"):
            load_lora_state(pipe.transformer, wrong)
    after = lora_state(pipe.transformer)
    assert all(torch.equal(after[key], tensor) for key, tensor in state.items())


def test_strength_scales_alpha_over_rank(pipe: Any) -> None:
    base = predict(pipe)
    add_lora(pipe.transformer, TOON, SMALL)
    randomise_lora(pipe.transformer)
    full = predict(pipe)
    layer = pipe.transformer.blocks[0].attn1.to_q
    assert layer.scaling["character"] == SMALL.scale == 2.0
    set_lora_strength(pipe.transformer, 0.5)
    assert layer.scaling["character"] == 1.0
    set_lora_strength(pipe.transformer, 0.0)
    assert torch.equal(predict(pipe), base)
    set_lora_strength(pipe.transformer, 1.0)
    assert torch.equal(predict(pipe), full)


def test_switched_off_inside_the_block_gradients_untouched(pipe: Any) -> None:
    base = predict(pipe)
    with lora_disabled(pipe.transformer):
        assert torch.equal(predict(pipe), base), "without any LoRA"
    add_lora(pipe.transformer, TOON, SMALL)
    randomise_lora(pipe.transformer)
    full = predict(pipe)
    with lora_disabled(pipe.transformer):
        assert torch.equal(predict(pipe), base)
    assert torch.equal(predict(pipe), full)
    assert all(each.requires_grad for each in named_lora_parameters(pipe.transformer).values())


def test_it_learns_and_nothing_else_changes_its_mind(pipe: Any) -> None:
    pipe.transformer.blocks[0].requires_grad_(True)
    before = learning(pipe)
    add_lora(pipe.transformer, TOON, SMALL)
    own = named_lora_parameters(pipe.transformer)
    assert set(own) == set(lora_state(pipe.transformer))
    assert all(each.requires_grad for each in own.values())
    now = learning(pipe)
    assert {key: now[key] for key in before} == before
    remove_lora(pipe.transformer)
    assert learning(pipe) == before


def test_what_takes_part_stays_so_when_another_one_goes(pipe: Any) -> None:
    add_lora(pipe.transformer, TOON, SMALL, name="silent")
    add_lora(pipe.transformer, TOON, SMALL, name="heard")
    pipe.transformer.set_adapter("heard")
    before = learning(pipe)
    add_lora(pipe.transformer, TOON, SMALL, name="third")
    assert active_loras(pipe) == ["heard", "third"]
    remove_lora(pipe.transformer, "third")
    assert active_loras(pipe) == ["heard"]
    assert learning(pipe) == before
    remove_lora(pipe.transformer, "heard")
    assert active_loras(pipe) == [], "the one that was switched off stays so"


def test_stances_may_be_restored_in_any_order(pipe: Any) -> None:
    add_lora(pipe.transformer, TOON, SMALL, name="style")
    before = learning(pipe)
    stances = {}
    for name in ("one", "two"):
        stances[name] = LoraStance(pipe.transformer)
        add_lora(pipe.transformer, TOON, SMALL, name=name)
    remove_lora(pipe.transformer, "one")
    stances["one"].restore()
    assert active_loras(pipe) == ["style", "two"], "the later one is still heard"
    remove_lora(pipe.transformer, "two")
    stances["two"].restore()
    assert active_loras(pipe) == ["style"]
    assert learning(pipe) == before


def test_a_lora_is_heard_though_the_others_are_switched_off(pipe: Any) -> None:
    base = predict(pipe)
    add_lora(pipe.transformer, TOON, SMALL, name="style")
    randomise_lora(pipe.transformer, name="style")
    pipe.transformer.disable_adapters()
    stance = LoraStance(pipe.transformer)
    add_lora(pipe.transformer, TOON, SMALL)
    randomise_lora(pipe.transformer)
    alone = tiny_pipe()
    add_lora(alone.transformer, TOON, SMALL)
    randomise_lora(alone.transformer)
    assert torch.equal(predict(pipe), predict(alone))
    remove_lora(pipe.transformer)
    stance.restore()
    assert torch.equal(predict(pipe), base)
    pipe.transformer.enable_adapters()
    assert not torch.allclose(predict(pipe), base)


def test_several_and_taking_them_off(pipe: Any) -> None:
    base, keys = predict(pipe), list(pipe.transformer.state_dict())
    attributes = set(pipe.transformer.__dict__)
    add_lora(pipe.transformer, TOON, SMALL, name="one")
    add_lora(pipe.transformer, TOON, SMALL, name="two")
    assert active_loras(pipe) == ["one", "two"]
    with pytest.raises(AlreadyAttached, match="'two'"):
        add_lora(pipe.transformer, TOON, SMALL, name="two")
    remove_lora(pipe.transformer, "one")
    assert active_loras(pipe) == ["two"]
    remove_lora(pipe.transformer, "two")
    remove_lora(pipe.transformer, "two")
    assert list(pipe.transformer.state_dict()) == keys
    assert set(pipe.transformer.__dict__) == attributes
    assert torch.equal(predict(pipe), base)


def test_layers_that_only_it_wrapped_are_unwrapped(pipe: Any) -> None:
    few = LoraSettings(rank=2, alpha=4.0, targets=("attn1.to_q",))
    add_lora(pipe.transformer, TOON, few, name="style")
    keys = list(pipe.transformer.state_dict())
    add_lora(pipe.transformer, TOON, SMALL)
    remove_lora(pipe.transformer)
    assert list(pipe.transformer.state_dict()) == keys


def test_a_target_that_is_not_there(pipe: Any) -> None:
    with pytest.raises(SiteMissing, match=r"'attn3\.to_q' matches no layer"):
        add_lora(pipe.transformer, TOON, replace(SMALL, targets=("attn1.to_q", "attn3.to_q")))
    assert active_loras(pipe) == []
