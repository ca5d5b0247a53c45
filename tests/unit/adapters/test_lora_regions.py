"""LoRAs of characters kept to regions: where they act, what stays as it was, what is refused."""

from collections.abc import Iterator
from typing import Any

import accelerate
import pytest
import torch
from torch import Tensor

from facekit.adapters.attention import IdentityProcessor
from facekit.adapters.character import attach_characters
from facekit.adapters.character_loras import CharacterLoras
from facekit.adapters.lora import LoraSettings
from facekit.adapters.lora_regions import LoraRegions
from facekit.backbones import get_spec
from facekit.errors import AdapterError
from tests.tiny.backbones import predict, sample, tiny_pipe
from tests.tiny.drawn import Case, character

HALF = torch.zeros(2, 2)
HALF[:, 0] = 1
SMALL = LoraSettings(rank=2, alpha=4.0)


@pytest.fixture(scope="module")
def mira() -> Case:
    return Case("toon", True)


def layer_outputs(pipe: Any, path: str) -> tuple[list[Tensor], Any]:
    seen: list[Tensor] = []
    module = pipe.transformer.get_submodule(path)
    return seen, module.register_forward_hook(lambda _m, _a, out: seen.append(out.detach()))


@pytest.mark.parametrize("backbone", ["toon", "ltx_video_2b", "wan2_2_t2v_a14b"])
def test_a_mask_of_ones_is_the_same_as_none(backbone: str) -> None:
    case = Case(backbone, True)
    with case.attach(masks_LHW=[torch.ones(4, 4)]) as attached:
        assert torch.equal(case.draw(), case.drawn)
        attached.set_strength(0.0)
        assert torch.equal(case.draw(), case.base)
    assert torch.equal(case.draw(), case.base)


@pytest.fixture
def two() -> Iterator[tuple[Any, Any]]:
    """A transformer with the LoRAs of two characters, and what puts them on with masks."""
    pipe = tiny_pipe()
    loras = CharacterLoras(pipe.transformer, get_spec("toon"))
    wanted = [(SMALL, character(seed=seed).file.lora) for seed in (0, 1)]
    yield (
        pipe,
        lambda masks, who=(0, 1): loras.put(
            [wanted[place] if place in who else None for place in (0, 1)], masks
        ),
    )
    loras.take_off()


def test_each_acts_on_the_tokens_of_its_region(two: tuple[Any, Any]) -> None:
    """The first layer sees the same tokens whoever is on it, so what is added can be compared."""
    pipe, put = two

    def first_layer(*put_arguments: Any) -> Tensor:
        put(*put_arguments)
        seen, hook = layer_outputs(pipe, "blocks.0.attn1.to_q")
        predict(pipe)
        hook.remove()
        tokens: Tensor = seen[0].unflatten(1, (-1, 2, 3))  # frames, height, width
        return tokens

    base = first_layer(None, ())
    alone = [first_layer(None, (place,)) - base for place in (0, 1)]
    wide = torch.zeros(2, 3)
    wide[:, 0] = 1
    added = first_layer([wide, 0.25 * (1 - wide)]) - base
    torch.testing.assert_close(added[..., :1, :], alone[0][..., :1, :])
    torch.testing.assert_close(added[..., 1:, :], 0.25 * alone[1][..., 1:, :])


def test_each_token_reads_the_text_as_the_lora_of_its_region() -> None:
    """Only the projections of the text differ here, so the answers can be mixed by hand."""
    pipe = tiny_pipe()
    states = [dict(character(seed=seed).file.lora) for seed in (0, 1)]
    for state in states:
        for key, tensor in state.items():
            if "lora_B" in key and not any(name in key for name in ("attn2.to_k", "attn2.to_v")):
                state[key] = torch.zeros_like(tensor)
    loras = CharacterLoras(pipe.transformer, get_spec("toon"))

    def answers(*masked: tuple[int, Tensor | None]) -> Tensor:
        loras.put(
            [(SMALL, states[place]) for place, _ in masked], [mask for _, mask in masked] or None
        )
        seen, hook = layer_outputs(pipe, "blocks.0.attn2")
        predict(pipe)
        hook.remove()
        tokens: Tensor = seen[0].unflatten(1, (-1, 2, 3))
        return tokens

    nobody, alone = answers(), [answers((place, None)) for place in (0, 1)]
    wide = torch.zeros(2, 3)
    wide[:, 0] = 1
    middle = torch.zeros(2, 3)
    middle[:, 1] = 0.5
    mixed = answers((0, wide), (1, middle))
    torch.testing.assert_close(mixed[..., 0, :], alone[0][..., 0, :])
    expected = 0.5 * (alone[1] + nobody)[..., 1, :]
    torch.testing.assert_close(mixed[..., 1, :], expected)
    torch.testing.assert_close(mixed[..., 2, :], nobody[..., 2, :])
    loras.take_off()


def test_everything_is_given_back(mira: Case) -> None:
    keys = list(mira.network.state_dict())
    bare = {path: type(m.processor) for path, m in attentions(mira.network)}
    attached = mira.attach(masks_LHW=[HALF])
    inner = [
        m.processor.wrapped if isinstance(m.processor, IdentityProcessor) else m.processor
        for path, m in attentions(mira.network)
        if path.endswith("attn2")
    ]
    assert all(hasattr(processor, "wrapped") for processor in inner), "every reading of the text"
    attached.detach()
    assert list(mira.network.state_dict()) == keys
    assert {path: type(m.processor) for path, m in attentions(mira.network)} == bare
    assert torch.equal(mira.draw(), mira.base)


def attentions(network: Any) -> list[tuple[str, Any]]:
    return [(path, m) for path, m in network.named_modules() if hasattr(m, "processor")]


def test_without_a_mask_nothing_is_put_on(mira: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(LoraRegions, "__init__", lambda *_: pytest.fail("put on"))
    with mira.attach():
        assert torch.equal(mira.draw(), mira.drawn)
    light = character("toon", False)
    with attach_characters(mira.pipe, light, masks_LHW=[HALF]):
        mira.draw()


def test_offload_and_checkpointing_draw_the_same(mira: Case) -> None:
    with mira.attach(masks_LHW=[HALF]):
        expected = mira.draw()
    case = Case("toon", True)
    case.network.enable_gradient_checkpointing()
    with case.attach(masks_LHW=[HALF]):
        torch.testing.assert_close(case.draw(), expected)
    for order in ("before", "after"):
        case = Case("toon", True)
        cpu = torch.device("cpu")
        if order == "before":
            case.network.enable_group_offload(cpu, cpu, offload_type="leaf_level")
        with case.attach(masks_LHW=[HALF]):
            if order == "after":
                accelerate.cpu_offload(case.network, cpu)
            torch.testing.assert_close(case.draw(), expected)


def test_gradients_are_the_same_with_checkpointing() -> None:
    pipe = tiny_pipe()
    loras = CharacterLoras(pipe.transformer, get_spec("toon"))
    loras.put([(SMALL, character().file.lora)], [HALF])
    learning = [p for name, p in pipe.transformer.named_parameters() if "lora_" in name]
    for parameter in learning:
        parameter.requires_grad_(True)

    def gradients() -> list[Tensor]:
        return list(torch.autograd.grad(predict(pipe).square().mean(), learning))

    plain = gradients()
    pipe.transformer.enable_gradient_checkpointing()
    again = gradients()
    assert any(gradient.abs().max() > 0 for gradient in plain)
    torch.testing.assert_close(plain, again)
    loras.take_off()


def test_layers_that_read_more_than_the_picture_are_refused() -> None:
    for name in ("hunyuanvideo", "animatediff_sd15"):
        assert get_spec(name).family.lora_place("transformer_blocks.0.attn1.to_q") is None
    pipe, spec = tiny_pipe("cogvideox_2b"), get_spec("cogvideox_2b")
    base = sample(pipe, spec)
    both = character("cogvideox_2b")
    assert not both.keeps_to_region(spec)
    assert character("cogvideox_2b", has_lora=False).keeps_to_region(spec)
    assert character("toon").keeps_to_region(get_spec("toon"))
    with pytest.raises(AdapterError, match="expected layers that a mask can be laid on"):
        attach_characters(pipe, both, masks_LHW=[HALF])
    assert torch.equal(sample(pipe, spec), base)


def test_a_processor_that_was_changed_is_noticed(mira: Case) -> None:
    with mira.attach(masks_LHW=[HALF]):
        attention = mira.network.blocks[1].attn2  # no site of the identity
        own = attention.processor
        attention.set_processor(own.wrapped)
        with pytest.raises(AdapterError, match="would let LoRAs out of their regions"):
            mira.draw()
        attention.set_processor(own)
