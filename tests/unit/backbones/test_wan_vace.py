"""Wan VACE: what its further blocks read, and what is left alone, against the stock pipeline."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from facekit.adapters.lora import LoraSettings, add_lora, lora_state
from facekit.backbones import detect_spec, get_spec
from facekit.backbones.wan_vace import WAN_VACE
from facekit.errors import SiteMissing
from facekit.generation.sample import SampleSettings
from facekit.generation.sample import sample as generate
from facekit.types import Shot
from tests.tiny.backbones import predict, sample, tiny_pipe

SPEC = get_spec("wan2_1_vace_1_3b")


@pytest.fixture
def pipe() -> Any:
    return tiny_pipe(SPEC.name)


def test_a_prediction_is_what_the_stock_pipeline_computes_of_a_prompt_alone(pipe: Any) -> None:
    calls: list[tuple[dict[str, Any], torch.Tensor]] = []
    pipe.transformer.register_forward_hook(
        lambda module, args, kwargs, output: calls.append((kwargs, output[0])), with_kwargs=True
    )
    sample(pipe, SPEC, guidance_scale=1.0)
    prompts = ["a woman in the park", "a woman in the park", "a man", "a man"]
    text = WAN_VACE.encode_text(pipe, SPEC, prompts)
    noisy, sigma_B = (
        torch.cat([asked[name] for asked, _ in calls]) for name in ("hidden_states", "timestep")
    )
    answers = torch.cat([answer for _, answer in calls])
    predicted = WAN_VACE.predict(pipe, SPEC, noisy, sigma_B / 1000, text)
    torch.testing.assert_close(predicted, answers)
    control = calls[-1][0]["control_hidden_states"]
    assert torch.equal(control[:1], calls[0][0]["control_hidden_states"])


def test_sites_and_lora_are_those_of_the_main_blocks(pipe: Any) -> None:
    """Endings of module paths alone would have found the further blocks as well."""
    assert SPEC.sites(pipe.transformer) == ("blocks.0.attn2", "blocks.2.attn2")
    add_lora(pipe.transformer, SPEC, LoraSettings(rank=2, alpha=2.0))
    state = lora_state(pipe.transformer)
    assert len(state) == 4 * 2 * 4 * 2
    assert all(key.startswith("blocks.") for key in state)
    outside = LoraSettings(rank=2, alpha=2.0, targets=("vace_blocks.0.attn1.to_q",))
    with pytest.raises(SiteMissing, match="matches no layer"):
        add_lora(pipe.transformer, SPEC, outside, name="other")


def test_shots_are_sampled_one_at_a_time(pipe: Any) -> None:
    """The stock pipeline takes a single prompt."""
    shots = [
        Shot(name=name, prompt=name, seed=seed, num_frames=5, height=32, width=32, kind="unknown")
        for seed, name in enumerate(("a woman", "a man"))
    ]
    settings = SampleSettings(num_inference_steps=1, guidance_scale=2.0, fps=8.0)
    clips = list(generate(pipe, shots, SPEC, settings))
    theirs = pipe(
        "a man",
        negative_prompt="",
        height=32,
        width=32,
        num_frames=5,
        num_inference_steps=1,
        guidance_scale=2.0,
        generator=torch.Generator().manual_seed(1),
    ).frames
    assert len(clips) == 2
    assert np.array_equal(clips[1].frames, np.rint(theirs[0] * 255).astype(np.uint8))


def test_saved_and_loaded_it_is_the_same(pipe: Any, tmp_path: Path) -> None:
    pipe.save_pretrained(tmp_path)
    loaded = SPEC.load(tmp_path)
    assert detect_spec(loaded) is SPEC
    assert torch.equal(predict(loaded), predict(pipe))
