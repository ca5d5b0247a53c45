"""LoRAs of characters by their places."""

import torch

from facekit.adapters.character_loras import CharacterLoras
from facekit.adapters.lora import LoraSettings, lora_state
from facekit.backbones import get_spec
from tests.tiny.backbones import tiny_character, tiny_pipe

SMALL = LoraSettings(rank=2, alpha=4.0)


def test_a_place_is_filled_anew_rebuilt_or_left() -> None:
    pipe, spec = tiny_pipe(), get_spec("toon")
    network = pipe.transformer
    states = [tiny_character(pipe, seed=seed).lora for seed in (0, 1)]
    bare = dict(network.named_modules())
    loras = CharacterLoras(network, spec)

    loras.put([None, (SMALL, states[0])])
    assert loras.names == ("facekit_1",)
    layers = dict(network.named_modules())
    loras.put([None, (SMALL, states[1])])
    assert dict(network.named_modules()) == layers, "filled anew"
    found = lora_state(network, "facekit_1")
    assert all(torch.equal(found[key], states[1][key]) for key in found)

    wider = {
        key: tensor.repeat_interleave(2, int("lora_B" in key)) for key, tensor in states[0].items()
    }
    loras.put([(LoraSettings(rank=4, alpha=4.0), wider)])
    assert loras.names == ("facekit_0",)
    assert not any(parameter.requires_grad for parameter in network.parameters())

    loras.put([])
    assert loras.names == ()
    loras.take_off()
    loras.take_off()
    assert dict(network.named_modules()) == bare
