"""Blocks that wait in main memory are on the device while they are computed with, and only then."""

import gc
import weakref
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from facekit.adapters.lora import LoraSettings
from facekit.backbones import get_spec
from facekit.errors import UsageError
from facekit.training import offload
from facekit.training.offload import check_offloaded, move_frozen, offloaded, repeated_blocks
from facekit.training.scopes import checkpointed, frozen, with_lora
from tests.tiny.backbones import predict, tiny_pipe
from tests.tiny.far_device import FAR, far_device
from tests.tiny.training import TINY_SETTINGS

CPU = torch.device("cpu")
TOON = get_spec("toon")
SMALL = LoraSettings(rank=2, alpha=2.0)


def places(block: nn.Module) -> set[str]:
    return {each.device.type for each in block.parameters()}


@pytest.mark.parametrize("every", [0, 1])
def test_a_block_is_far_away_when_it_is_called_and_near_otherwise(every: int) -> None:
    """Gradients are those of the near network; anything left on the CPU is an error."""
    steps: list[dict[str, Tensor]] = []
    during: list[set[str]] = []
    for where in (CPU, FAR):
        pipe = tiny_pipe()
        network = pipe.transformer
        arguments = _arguments(pipe)
        with far_device(), frozen(network), offloaded(network, 2, where) as waiting:
            move_frozen(network, where, but=waiting.waiting)
            blocks = [network.blocks[index] for index in (1, 3)]
            during.clear()
            for block in blocks:
                assert places(block) == {"cpu"}
                block.attn1.register_forward_hook(
                    lambda module, args, output: during.append(places(module)), always_call=True
                )
            assert places(network.blocks[0]) == {where.type}
            with with_lora(network, TOON, SMALL, TINY_SETTINGS) as learned:
                if every:
                    with checkpointed(network):
                        network(**_there(arguments, where))[0].square().mean().backward()
                else:
                    network(**_there(arguments, where))[0].square().mean().backward()
                assert {each.device for each in learned.values()} == {where}
                steps.append({n: x.grad.to(CPU) for n, x in learned.items() if x.grad is not None})
                assert len(during) == (4 if every else 2)
                assert all(seen == {where.type} for seen in during)
            assert all(places(block) == {"cpu"} for block in blocks)
    assert steps[0].keys() == steps[1].keys()
    for name, gradient in steps[0].items():
        torch.testing.assert_close(steps[1][name], gradient)


def _arguments(pipe: Any) -> dict[str, Any]:
    from tests.tiny.backbones import wan_inputs

    return wan_inputs(pipe)


def _there(arguments: dict[str, Any], where: torch.device) -> dict[str, Any]:
    return {k: x.to(where) if isinstance(x, Tensor) else x for k, x in arguments.items()}


@pytest.mark.parametrize("every", [0, 1])
def test_no_copy_outlives_its_block(every: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither between the passes, nor after both; what was saved of them is fetched again."""
    pipe = tiny_pipe()
    network = pipe.transformer
    copies: list[weakref.ref[Tensor]] = []
    real = offload._copied

    def copied(host: Tensor, device: torch.device) -> Tensor:
        copy = real(host, device)
        copies.append(weakref.ref(copy.untyped_storage()))  # type: ignore[arg-type]
        return copy

    monkeypatch.setattr(offload, "_copied", copied)
    with (
        frozen(network),
        offloaded(network, 4, CPU),
        with_lora(network, TOON, SMALL, TINY_SETTINGS),
    ):
        if every:
            with checkpointed(network):
                loss = predict(pipe).sum()
        else:
            loss = predict(pipe).sum()
        fetched = len(copies)
        gc.collect()
        assert fetched >= 4
        assert not [each for each in copies if each() is not None]
        loss.backward()
        del loss
        gc.collect()
        assert len(copies) > fetched
        assert not [each for each in copies if each() is not None]


def test_the_network_is_as_it_was_afterwards() -> None:
    pipe = tiny_pipe()
    network = pipe.transformer
    before, drawn = dict(network.named_parameters()), predict(pipe)
    with offloaded(network, 3, CPU) as waiting:
        assert waiting.waiting_bytes == sum(
            each.nbytes for index in (0, 2, 3) for each in network.blocks[index].parameters()
        )
        assert torch.equal(predict(pipe), drawn)
    after = dict(network.named_parameters())
    assert all(after[name] is each for name, each in before.items())
    assert not any(block._forward_hooks for block in network.blocks)
    assert torch.equal(predict(pipe), drawn)


def test_more_blocks_than_there_are() -> None:
    network = tiny_pipe().transformer
    assert len(repeated_blocks(network)) == 4
    check_offloaded(4, network)
    with pytest.raises(UsageError, match=r"blocks is 5, expected at most 4, .*; lower it"):
        check_offloaded(5, network)
