"""What is baked stands for the branch as far as it says, and the pipeline comes back."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from facekit.adapters.bake import Sampling, bake_identity
from facekit.adapters.character import load_character
from facekit.adapters.character_file import CharacterFile, CharacterHeader
from facekit.adapters.folded import FoldedIdentity
from facekit.adapters.lora import LoraSettings
from facekit.errors import AdapterError, UsageError
from tests.tiny.backbones import tiny_pipe

SAMPLING = Sampling(
    prompts=["a woman in the kitchen", "a man in the park", "a face", "a woman, happy", "street"],
    height=16,
    width=32,
    num_frames=5,
    num_inference_steps=2,
    guidance_scale=2.0,
)


def character(pipe: Any, folder: Path, *, same: bool) -> Any:
    """Somebody at every site; with the ``same`` value for all tokens, what is added is constant."""
    sites = ("blocks.0.attn2", "blocks.2.attn2")
    generator = torch.Generator().manual_seed(0)
    width = pipe.transformer.blocks[0].attn2.inner_dim
    values = {site: torch.randn(1, 1 if same else 4, width, generator=generator) for site in sites}
    keys = {site: 3 * torch.randn(1, 4, width, generator=generator) for site in sites}
    header = CharacterHeader(name="x", level="L1", backbone="toon", sites=sites)
    values = {site: value.expand(1, 4, width).contiguous() for site, value in values.items()}
    file = CharacterFile(header=header, identity=FoldedIdentity(keys=keys, values=values))
    file.save(folder / "adapter.safetensors")
    return load_character(folder / "adapter.safetensors")


def test_the_residual_is_measured_and_below_one(tmp_path: Path) -> None:
    pipe = tiny_pipe("toon")
    # One prompt, seen in other noise: what the text's attention reads is nearly the same.
    sampling = replace(SAMPLING, prompts=["a woman in the kitchen"] * 5, guidance_scale=1.0)
    baked = bake_identity(pipe, character(pipe, tmp_path, same=True), 1.0, sampling, rank=4)
    assert set(baked.modules) == {"blocks.0.attn2.to_out.0", "blocks.2.attn2.to_out.0"}
    assert all(each.rank == 4 for each in baked.modules.values())
    assert all(0 < each < 1 for each in baked.residuals.values())
    assert 0 < baked.velocity_residual < 1


def test_twice_the_strength_bakes_twice_as_much(tmp_path: Path) -> None:
    pipe = tiny_pipe("toon")
    who = character(pipe, tmp_path, same=True)
    one, two = (bake_identity(pipe, who, s, SAMPLING, rank=24) for s in (0.01, 0.02))
    first = "blocks.0.attn2.to_out.0"
    ratio = two.modules[first].delta().norm() / one.modules[first].delta().norm()
    assert float(ratio) == pytest.approx(2, rel=0.1)


def test_the_pipeline_comes_back_bit_by_bit(tmp_path: Path) -> None:
    pipe = tiny_pipe("toon")
    before = {name: t.clone() for name, t in pipe.transformer.state_dict().items()}
    named = dict(vars(pipe.transformer))
    bake_identity(pipe, character(pipe, tmp_path, same=False), 1.0, SAMPLING)
    after = pipe.transformer.state_dict()
    assert set(after) == set(before)
    assert all(torch.equal(after[name], tensor) for name, tensor in before.items())
    assert ("cache_context" in vars(pipe.transformer)) == ("cache_context" in named)
    assert not pipe.transformer._forward_pre_hooks
    assert not pipe.transformer.blocks[0].attn2._forward_hooks


def test_a_plain_lora_has_nothing_to_bake_and_bad_numbers_are_told(tmp_path: Path) -> None:
    pipe = tiny_pipe("toon")
    who = character(pipe, tmp_path, same=False)
    for strength, prompts in ((0.0, SAMPLING.prompts), (1.0, ["one", "two"])):
        sampling = Sampling(
            prompts=prompts,
            height=16,
            width=16,
            num_frames=5,
            num_inference_steps=1,
            guidance_scale=2.0,
        )
        with pytest.raises(UsageError, match="above 0 and three prompts"):
            bake_identity(pipe, who, strength, sampling)
    plain = CharacterFile(
        header=CharacterHeader(
            name="x", level="none", backbone="toon", lora=LoraSettings(rank=1, alpha=1.0)
        ),
        lora={
            "blocks.0.attn1.to_q.lora_A.weight": torch.ones(1, 24),
            "blocks.0.attn1.to_q.lora_B.weight": torch.ones(24, 1),
        },
    )
    plain.save(tmp_path / "plain.safetensors")
    with pytest.raises(AdapterError, match="has no identity branch"):
        bake_identity(pipe, load_character(tmp_path / "plain.safetensors"), 1.0, SAMPLING)
