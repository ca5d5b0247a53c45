"""What saves memory in training changes no number, or as much as its precision says."""

from contextlib import ExitStack
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from facekit.adapters.attach import attach
from facekit.adapters.lora import LoraSettings
from facekit.backbones import get_spec
from facekit.backbones.held import hold_weights, narrow
from facekit.training.denoiser import Denoiser, autocast
from facekit.training.offload import offloaded, repeated_blocks
from facekit.training.scopes import checkpointed, frozen, with_lora
from tests.tiny.backbones import (
    FEW_KINDS,
    clip,
    embeddings,
    network_of,
    randomise_lora,
    tiny_adapter,
    tiny_pipe,
)
from tests.tiny.training import TINY_SETTINGS

CPU = torch.device("cpu")


class Case:
    """One training step of a backbone with an identity and a LoRA."""

    def __init__(self, backbone: str) -> None:
        self.spec, self.pipe = get_spec(backbone), tiny_pipe(backbone)
        self.network = network_of(self.pipe)
        self.denoiser = Denoiser(pipe=self.pipe, spec=self.spec)
        self.clean = self.denoiser.encode_video(clip(self.spec, batch=1))
        self.text = self.denoiser.encode_text(["a woman in the park"])
        self.adapter = tiny_adapter(self.network, self.spec)
        self.blocks = repeated_blocks(self.network)
        self.calls: list[nn.Module] = []
        """Blocks in the order in which they were called."""
        self.on_the_graph: set[int] = set()
        """Those that a gradient goes back through, by `id`."""
        for block in self.blocks:
            block.register_forward_hook(self._called, always_call=True)

    def _called(self, block: nn.Module, args: object, output: Any) -> None:
        self.calls.append(block)
        found = output if isinstance(output, tuple) else (output,)
        if any(isinstance(x, Tensor) and x.requires_grad for x in found):
            self.on_the_graph.add(id(block))

    def step(
        self, every: int = 0, waiting: int = 0, precision: Any = "float32"
    ) -> dict[str, Tensor]:
        """The gradients of the LoRA, and what was predicted."""
        self.calls.clear()
        lora = LoraSettings(rank=2, alpha=2.0)
        with ExitStack() as stack:
            stack.enter_context(frozen(self.network))
            if waiting:
                stack.enter_context(offloaded(self.network, waiting, CPU))
            learned = stack.enter_context(with_lora(self.network, self.spec, lora, TINY_SETTINGS))
            randomise_lora(self.network)
            if every:
                stack.enter_context(checkpointed(self.network, every))
            attachment = stack.enter_context(attach(self.adapter, self.network, self.spec))
            stack.enter_context(attachment.conditioned_on(self.adapter.tokens(embeddings())))
            with autocast(CPU, precision):
                found = self.denoiser.predict(self.clean, torch.tensor([0.6]), self.text).float()
            found.square().mean().backward()
            return {"": found.detach()} | {
                name: x.grad for name, x in learned.items() if x.grad is not None
            }


def assert_equal(one: dict[str, Tensor], other: dict[str, Tensor]) -> None:
    assert one.keys() == other.keys()
    assert all(torch.equal(one[name], other[name]) for name in one)


def distance(one: dict[str, Tensor], other: dict[str, Tensor]) -> float:
    """Of all gradients, as a part of their size."""
    first, second = (
        torch.cat([each[name].flatten() for name in one if name]) for each in (one, other)
    )
    return float((first - second).norm() / second.norm())


@pytest.mark.parametrize("backbone", FEW_KINDS)
def test_recomputed_and_waiting_blocks_give_the_same_gradients(backbone: str) -> None:
    case = Case(backbone)
    expected = case.step()
    order = list(case.calls)
    assert len(order) == len(case.blocks) > 3
    assert set(order) == set(case.blocks)
    for every in (1, 2):
        assert_equal(case.step(every), expected)
        again = case.calls[len(order) :]
        assert {id(block) for block in again} == recomputed(case, every)
        assert len(set(again)) == len(again)
    assert_equal(case.step(waiting=len(order)), expected)


def recomputed(case: Case, every: int) -> set[int]:
    """Every so-manieth block of those that the network would have recomputed, by `id`."""
    given: list[nn.Module] = []

    def note(block: nn.Module, *args: Any) -> Any:
        given.append(block)
        return block(*args)

    case.network.enable_gradient_checkpointing(note)
    case.denoiser.predict(case.clean, torch.tensor([0.6]), case.text)
    case.network.disable_gradient_checkpointing()
    inside = {id(module) for each in given[::every] for module in each.modules()}
    return inside & case.on_the_graph


FAMILIES = ("toon", "hunyuanvideo_1_5")
"""One whose norms diffusers keeps in float32, and one where it does not."""


@pytest.mark.parametrize("backbone", FAMILIES)
@pytest.mark.parametrize("how", ["bfloat16", "float8"])
def test_what_is_held_in_fewer_bits_learns_the_same_within_them(backbone: str, how: Any) -> None:
    case = Case(backbone)
    expected = case.step()
    narrow(case.network)
    hold_weights(case.network, how, torch.bfloat16)
    found = case.step(precision="bfloat16")
    assert 0 < distance(found, expected) < (0.15 if how == "bfloat16" else 0.4)
    assert_equal(case.step(1, waiting=2, precision="bfloat16"), found)


@pytest.mark.parametrize(("how", "within"), [("bfloat16", 0.02), ("float8", 0.2)])
def test_few_bits_and_arithmetic_in_float32(how: Any, within: float) -> None:
    case = Case("toon")
    expected = case.step()
    narrow(case.network)
    hold_weights(case.network, how, torch.float32)
    assert 0 < distance(case.step(), expected) < within
