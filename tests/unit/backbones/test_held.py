"""Weights in fewer bits: what is stored, what is left out, what a machine cannot do."""

import sys
from typing import Any

import pytest
import torch
from torch import nn

from facekit.adapters.lora import LoraSettings
from facekit.backbones import get_spec
from facekit.backbones.held import (
    check_held,
    has_stored_layers,
    hold_weights,
    load_dtype,
    narrow,
    stored_bytes,
)
from facekit.errors import PackageMissing, UsageError
from facekit.training.denoiser import autocast
from facekit.training.scopes import checkpointed, frozen, with_lora
from tests.tiny.backbones import predict, tiny_pipe
from tests.tiny.training import TINY_SETTINGS

CPU = torch.device("cpu")
BITS = {"int8": 8, "nf4": 4}


def held(how: Any, compute: torch.dtype = torch.bfloat16) -> Any:
    pipe = tiny_pipe()
    narrow(pipe.transformer)
    hold_weights(pipe.transformer, how, compute)
    return pipe


def test_float8_is_in_the_linear_layers_of_the_blocks_and_norms_are_float32() -> None:
    network = held("float8").transformer
    block = network.blocks[0]
    assert block.attn1.to_q.weight.dtype == block.ffn.net[2].weight.dtype == torch.float8_e4m3fn
    assert network.patch_embedding.weight.dtype == torch.bfloat16
    assert network.condition_embedder.time_proj.weight.dtype == torch.bfloat16
    assert block.attn1.norm_q.weight.dtype == block.scale_shift_table.dtype == torch.float32
    assert has_stored_layers(network)
    assert not has_stored_layers(tiny_pipe().transformer)


def test_convolutions_are_not_stored_in_fewer_bits() -> None:
    """Their backward pass would meet the eight bits."""
    net = nn.Sequential(nn.Conv1d(2, 2, 1), nn.Linear(3, 3)).to(torch.bfloat16)
    hold_weights(net, "float8", torch.float32)
    assert [net[0].weight.dtype, net[1].weight.dtype] == [torch.float32, torch.float8_e4m3fn]
    asked = torch.ones(1, 2, 3, requires_grad=True)
    net(asked).sum().backward()
    assert asked.grad is not None


def test_fewer_bits_take_fewer_bytes() -> None:
    sizes = [stored_bytes(tiny_pipe().transformer)]
    sizes += [stored_bytes(held(how).transformer) for how in ("bfloat16", "float8")]
    assert sizes == sorted(sizes, reverse=True)
    plain = tiny_pipe().transformer
    assert sizes[0] == sum(each.nbytes for each in (*plain.parameters(), *plain.buffers()))
    assert sizes[1] < 0.6 * sizes[0]
    assert sizes[2] < 0.7 * sizes[1]


def test_nothing_changes_in_float32() -> None:
    pipe = tiny_pipe()
    before = predict(pipe)
    hold_weights(pipe.transformer, "float32", torch.bfloat16)
    assert torch.equal(predict(pipe), before)
    assert load_dtype("float32") == torch.float32


@pytest.mark.parametrize("compute", [torch.float32, torch.bfloat16])
def test_a_lora_starts_from_the_same_numbers_as_in_float32(compute: torch.dtype) -> None:
    starts = []
    for pipe in (tiny_pipe(), held("float8", compute)):
        lora = LoraSettings(rank=2, alpha=2.0)
        with with_lora(pipe.transformer, get_spec("toon"), lora, TINY_SETTINGS) as learned:
            starts.append({name: each.detach().clone() for name, each in learned.items()})
    assert starts[0].keys() == starts[1].keys()
    for name, start in starts[0].items():
        assert starts[1][name].dtype == torch.float32
        assert torch.equal(starts[1][name], start)


def test_recomputed_layers_go_back_to_eight_bits() -> None:
    """A recomputation that stops early would leave the last layer of each block in full width."""
    pipe = held("float8", torch.float32)
    network, spec = pipe.transformer, get_spec("toon")
    before = stored_bytes(network)
    lora = LoraSettings(rank=2, alpha=2.0)
    with frozen(network), with_lora(network, spec, lora, TINY_SETTINGS), checkpointed(network):
        predict(pipe).sum().backward()
    assert stored_bytes(network) == before


@pytest.mark.parametrize("how", ["int8", "nf4"])
@pytest.mark.parametrize("compute", [torch.float32, torch.bfloat16])
def test_quantised_layers_train_a_lora(how: Any, compute: torch.dtype) -> None:
    pytest.importorskip("torchao" if how == "int8" else "bitsandbytes")
    check_held(how, CPU)
    pipe, expected = held(how, compute), predict(tiny_pipe())
    network = pipe.transformer
    weight = network.blocks[0].attn1.to_q.weight
    if how == "nf4":
        assert weight.nbytes == weight.quant_state.shape.numel() / 2
    else:
        assert weight.qdata.dtype == torch.int8
    assert type(network.patch_embedding) is nn.Conv3d
    with autocast(CPU, "bfloat16" if compute == torch.bfloat16 else "float32"):
        found = predict(pipe).float()
        distance = float((found - expected).norm() / expected.norm())
        assert 0 < distance < (0.02 if how == "int8" else 0.2)
        lora = LoraSettings(rank=2, alpha=2.0)
        with frozen(network), with_lora(network, get_spec("toon"), lora, TINY_SETTINGS) as learned:
            predict(pipe).square().mean().backward()
            gradients = [x.grad for x in learned.values() if x.grad is not None]
        assert sum(float(x.abs().sum()) for x in gradients) > 0


@pytest.mark.parametrize(("how", "package"), [("int8", "torchao"), ("nf4", "bitsandbytes")])
def test_a_missing_package_names_its_extra(
    how: Any, package: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in sys.modules if name.partition(".")[0] == package]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(PackageMissing, match=r"expected what the extra quant brings") as caught:
        check_held(how, CPU)
    assert caught.value.next_step == "pip install 'facekit[quant]'"


def test_a_device_that_cannot_is_refused_by_trying(monkeypatch: pytest.MonkeyPatch) -> None:
    check_held("float8", CPU)
    real = nn.Module.to

    def to(self: nn.Module, *args: Any, **kwargs: Any) -> Any:
        if "dtype" in kwargs:
            raise TypeError("Trying to convert Float8_e4m3fn to a backend that has none")
        return real(self, *args, **kwargs)

    monkeypatch.setattr(nn.Module, "to", to)
    with pytest.raises(
        UsageError, match=r"float8, which cpu cannot do \(Trying to convert"
    ) as caught:
        check_held("float8", CPU)
    assert "bfloat16" in caught.value.next_step
