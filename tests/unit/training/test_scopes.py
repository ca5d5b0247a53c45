"""What training changes for the length of a block is as it was afterwards."""

from typing import Any

import torch

from facekit.adapters.lora import LoraSettings, add_lora, lora_state, named_lora_parameters
from facekit.backbones import get_spec
from facekit.training.scopes import frozen, with_lora
from tests.tiny.backbones import predict, randomise_lora, tiny_pipe
from tests.tiny.training import TINY_SETTINGS

TOON = get_spec("toon")
SMALL = LoraSettings(rank=2, alpha=4.0)


def learning(pipe: Any) -> list[bool]:
    return [each.requires_grad for each in pipe.transformer.parameters()]


def test_only_the_lora_learns_and_its_names_are_those_of_files() -> None:
    pipe = tiny_pipe()
    pipe.transformer.requires_grad_(True)
    before = learning(pipe)
    with frozen(pipe.transformer), with_lora(pipe.transformer, TOON, SMALL, TINY_SETTINGS) as own:
        assert set(own) == set(lora_state(pipe.transformer))
        learns = [each for each in pipe.transformer.parameters() if each.requires_grad]
        assert {id(each) for each in learns} == {id(each) for each in own.values()}
    assert learning(pipe) == before


def test_a_lora_of_the_users_own_that_is_switched_off_stays_so() -> None:
    pipe = tiny_pipe()
    add_lora(pipe.transformer, TOON, SMALL, name="style")
    randomise_lora(pipe.transformer, name="style")
    for parameter in named_lora_parameters(pipe.transformer, "style").values():
        parameter.requires_grad_(False)
    pipe.transformer.disable_adapters()
    before, drawn = learning(pipe), predict(pipe)
    with frozen(pipe.transformer), with_lora(pipe.transformer, TOON, SMALL, TINY_SETTINGS):
        assert torch.equal(predict(pipe), drawn)
    assert torch.equal(predict(pipe), drawn)
    assert learning(pipe) == before
    assert pipe.transformer.blocks[0].attn1.to_q.disable_adapters
