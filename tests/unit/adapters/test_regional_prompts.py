"""Prompts of regions: which tokens read them, in which pass, and what is refused."""

from typing import Any

import pytest
import torch
from torch import Tensor

from facekit.adapters.character import CharacterAttachment, attach_characters
from facekit.backbones import get_spec
from facekit.errors import AdapterError
from tests.tiny.backbones import predict, sample, tiny_pipe
from tests.tiny.drawn import Case, as_plain_lora, character

LEFT, RIGHT = torch.zeros(2, 3), torch.zeros(2, 3)
LEFT[:, 0] = 1
RIGHT[:, 1] = 1
BOTH = ("a woman in the park", "a man")
"""What the tiny pipelines are called with, one for each of two clips."""
TWO = [["a woman with long red hair"], ["a person in the kitchen"]]


def two(pipe: Any, backbone: str = "toon", *, lora: bool = True) -> CharacterAttachment:
    given = [character(backbone, lora, seed) for seed in (0, 1)]
    return attach_characters(pipe, given, masks_LHW=[LEFT, RIGHT])


def answers(pipe: Any, path: str = "blocks.1.attn2", text: Any = None) -> Tensor:
    """What an attention to the text gives, (clips, frames, height, width, channels)."""
    seen: list[Tensor] = []
    module = pipe.transformer.get_submodule(path)
    hook = module.register_forward_hook(lambda _m, _a, out: seen.append(out.detach()))
    with torch.no_grad():
        predict(pipe, text=text)
    hook.remove()
    return seen[0].unflatten(1, (-1, 2, 3))


def encoded(pipe: Any, *prompts: str) -> Any:
    with torch.no_grad():
        return get_spec("toon").family.encode_text(pipe, get_spec("toon"), prompts)


@pytest.mark.parametrize("lora", [False, True])
def test_each_token_reads_the_prompt_of_its_region(lora: bool) -> None:
    """The first attention to the text sees the same tokens whatever the prompt is."""
    pipe = tiny_pipe()
    attached = two(pipe, lora=lora)
    first = "blocks.0.attn2"
    bare = answers(pipe, first)
    whole = [answers(pipe, first, encoded(pipe, *one, *one)) for one in TWO]
    attached.set_regional_prompts(TWO)
    mixed = answers(pipe, first)
    for column, expected in enumerate([*whole, bare]):
        torch.testing.assert_close(mixed[..., column, :], expected[..., column, :])
    assert not torch.allclose(mixed[..., :2, :], bare[..., :2, :], atol=1e-4)


def test_each_clip_of_a_call_reads_its_own() -> None:
    pipe = tiny_pipe()
    attached = two(pipe, lora=False)
    attached.set_regional_prompts(TWO)
    alone = answers(pipe)
    attached.set_regional_prompts([[*TWO[0], BOTH[1]], [*TWO[1], BOTH[1]]])
    each = answers(pipe)
    torch.testing.assert_close(each[0], alone[0])
    assert not torch.allclose(each[1], alone[1], atol=1e-4)
    attached.set_regional_prompts([[text, text, text] for (text,) in TWO])
    with pytest.raises(AdapterError, match="3 prompts of a region in a pass of 2 clips"):
        predict(pipe)


@pytest.mark.parametrize("backbone", ["toon", "wan2_2_t2v_a14b"])
def test_the_prompt_of_all_in_every_region_changes_nothing(backbone: str) -> None:
    pipe, spec = tiny_pipe(backbone), get_spec(backbone)
    bare = sample(pipe, spec)
    with two(pipe, backbone) as attached:
        plain = sample(pipe, spec)
        attached.set_regional_prompts([BOTH, BOTH])
        torch.testing.assert_close(sample(pipe, spec), plain)
        attached.set_regional_prompts(TWO)
        assert not torch.allclose(sample(pipe, spec), plain, atol=1e-3)
        attached.set_strength(0.0)
        assert torch.equal(sample(pipe, spec), bare)
        attached.set_strength(1.0)
        attached.set_regional_prompts(None)
        assert torch.equal(sample(pipe, spec), plain)
    assert torch.equal(sample(pipe, spec), bare)


def test_the_pass_without_the_prompt_does_not_read_them() -> None:
    case = Case("toon", False)
    other = tiny_pipe()
    seen: dict[int, list[Tensor]] = {}
    for number, pipe in enumerate((case.pipe, other)):
        attached = two(pipe, lora=False)
        if number:
            attached.set_regional_prompts(TWO)
        rows = seen.setdefault(number, [])
        pipe.transformer.blocks[0].attn2.register_forward_hook(
            lambda _m, _a, out, rows=rows: rows.append(out.detach())
        )
        sample(pipe, case.spec)
    conditional, unconditional = (
        [torch.allclose(a, b, atol=1e-6) for a, b in zip(*seen.values(), strict=True)][place]
        for place in (0, 1)
    )
    assert not conditional
    assert unconditional


def test_offload_draws_the_same() -> None:
    case = Case("toon", True)
    with two(case.pipe) as attached:
        attached.set_regional_prompts(TWO)
        expected = case.draw()
    cpu = torch.device("cpu")
    case.network.enable_group_offload(cpu, cpu, offload_type="leaf_level")
    with two(case.pipe) as attached:
        attached.set_regional_prompts(TWO)
        torch.testing.assert_close(case.draw(), expected)


def test_what_cannot_read_them_is_refused_and_left_as_it_was() -> None:
    case = Case("toon", True)
    with case.attach() as attached, pytest.raises(AdapterError, match="a region for each"):
        attached.set_regional_prompts(TWO[:1])
    plain = as_plain_lora(case.character)
    with attach_characters(case.pipe, plain, masks_LHW=[LEFT]) as attached:
        assert not attached.takes_regional_prompts
        with pytest.raises(AdapterError, match="got prompts of regions, expected none"):
            attached.set_regional_prompts(TWO[:1])
    assert torch.equal(case.draw(), case.base)
    pipe, spec = tiny_pipe("ltx_video_2b"), get_spec("ltx_video_2b")
    with two(pipe, "ltx_video_2b") as attached:
        before = sample(pipe, spec)
        assert not attached.takes_regional_prompts
        with pytest.raises(AdapterError, match="prompts of regions on ltx_video_2b"):
            attached.set_regional_prompts(TWO)
        assert torch.equal(sample(pipe, spec), before)
