"""Text, video, noise, time and places of LTX-Video, against both stock pipelines."""

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from diffusers import (
    FlowMatchEulerDiscreteScheduler,
    LTXConditionPipeline,
    LTXPipeline,
)
from diffusers.pipelines.ltx.pipeline_ltx import calculate_shift
from PIL import Image

from facekit.adapters.attach import attach
from facekit.adapters.conditioning import Conditioning
from facekit.backbones import detect_spec, get_spec
from facekit.backbones.digest import backbone_digest, pipeline_digest
from facekit.backbones.ltx import LTX
from facekit.errors import AdapterError, UsageError
from tests.tiny.backbones import embeddings, predict, tiny_adapter, tiny_pipe

SPEC = get_spec("ltx_video_2b")
PROMPTS = ["a woman with red hair", "a man"]
DYNAMIC = {
    "use_dynamic_shifting": True,
    "base_shift": 0.95,
    "max_shift": 2.05,
    "base_image_seq_len": 1024,
    "max_image_seq_len": 4096,
}


def text_pipe(**scheduler: Any) -> Any:
    """The pipeline of 0.9 and 0.9.1, with the scheduler that they had."""
    parts = {**tiny_pipe("ltx_video_2b").components}
    parts["scheduler"] = FlowMatchEulerDiscreteScheduler(**(scheduler or DYNAMIC))
    pipe: Any = LTXPipeline(**parts)
    pipe.set_progress_bar_config(disable=True)
    return pipe


@pytest.fixture(params=["LTXConditionPipeline", "LTXPipeline"])
def pipe(request: pytest.FixtureRequest) -> Any:
    return text_pipe() if request.param == "LTXPipeline" else tiny_pipe("ltx_video_2b")


def run(pipe: Any, **options: Any) -> Any:
    """Two steps of the stock pipeline, 2 x 2 x 3 latents."""
    arguments = {
        "prompt": PROMPTS,
        "negative_prompt": ["", ""],
        "height": 64,
        "width": 96,
        "num_frames": 9,
        "num_inference_steps": 2,
        "generator": [torch.Generator().manual_seed(seed) for seed in (1, 2)],
        "output_type": "latent",
        **LTX.sampling_options(SPEC, 2.0, SPEC.fps),
    }
    return pipe(**{**arguments, **options}).frames


def calls(pipe: Any, **options: Any) -> list[tuple[dict[str, Any], torch.Tensor]]:
    """What the stock pipeline asks its network, and the answers."""
    seen: list[tuple[dict[str, Any], torch.Tensor]] = []

    def keep(module: Any, args: Any, kwargs: dict[str, Any], output: Any) -> None:
        seen.append((dict(kwargs), output[0]))

    hook = pipe.transformer.register_forward_hook(keep, with_kwargs=True)
    run(pipe, **options)
    hook.remove()
    return seen


def frames(count: int = 9) -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.rand(2, 3, count, 64, 96, generator=generator) * 2 - 1


@pytest.mark.parametrize("name", ["ltx_video_2b", "ltx_video_13b"])
def test_tiny_is_the_same_on_every_call_and_told_apart(name: str) -> None:
    torch.manual_seed(1)
    one = tiny_pipe(name)
    torch.manual_seed(2)
    after = torch.rand(1)
    torch.manual_seed(2)
    assert torch.equal(predict(one), predict(tiny_pipe(name)))
    assert torch.equal(torch.rand(1), after), "the global generator is left alone"
    assert type(one) is LTXConditionPipeline
    assert detect_spec(one).name == detect_spec(one.transformer).name == name


def test_text_is_what_the_pipeline_feeds_its_network(pipe: Any) -> None:
    text = LTX.encode_text(pipe, SPEC, ["", "", *PROMPTS])
    assert text["encoder_hidden_states"].shape == (4, SPEC.max_sequence_length, 16)
    assert text["encoder_attention_mask"].sum(dim=1).tolist() == [1, 1, 6, 3]
    told, _ = calls(pipe)[0]
    torch.testing.assert_close(told["encoder_hidden_states"], text["encoder_hidden_states"])
    assert torch.equal(told["encoder_attention_mask"], text["encoder_attention_mask"])


def test_a_prediction_is_what_the_pipeline_computes(pipe: Any) -> None:
    """Layout, coordinates, timesteps and text: the same call, so the same numbers."""
    text = LTX.encode_text(pipe, SPEC, ["", "", *PROMPTS])
    for told, answer in calls(pipe):
        noisy, expected = (
            pipe._unpack_latents(x, 2, 2, 3) for x in (told["hidden_states"], answer)
        )
        sigma = told["timestep"].flatten() / 1000
        got = LTX.predict(pipe, SPEC, noisy, sigma, text)
        assert got.shape == (4, 4, 2, 2, 3)
        torch.testing.assert_close(got, expected)
        slower = LTX.predict(pipe, get_spec("ltx_2"), noisy, sigma, text)
        assert not torch.allclose(slower, expected), "the frame rate is part of the places"


@pytest.mark.parametrize("count", [1, 9, 17])
def test_latents_have_the_pipelines_shape_and_are_normalised(pipe: Any, count: int) -> None:
    latents = LTX.encode_video(pipe, frames(count))
    assert latents.shape == (2, 4, (count - 1) // 8 + 1, 2, 3)
    raw = pipe.vae.encode(frames(count)).latent_dist.mode()
    torch.testing.assert_close(latents[:, 1], (raw[:, 1] + 0.2) / 0.8)


def test_frames_that_would_be_dropped_are_refused(pipe: Any) -> None:
    with pytest.raises(UsageError, match=r"num_frames is 5, expected 8 \* n \+ 1"):
        LTX.encode_video(pipe, frames(5))


@pytest.mark.parametrize("told", [True, False])
def test_decoding_is_the_pipelines_own_without_its_noise(pipe: Any, told: bool) -> None:
    if not told:
        pipe.vae.register_to_config(timestep_conditioning=False)
        pipe.vae.decoder.timestep_scale_multiplier = pipe.vae.decoder.time_embedder = None
        for block in [pipe.vae.decoder.mid_block, *pipe.vae.decoder.up_blocks]:
            block.time_embedder = None
            for resnet in block.resnets:
                resnet.scale_shift_table = None
    latents = run(pipe)
    if isinstance(pipe, LTXPipeline):
        latents = pipe._unpack_latents(latents, 2, 2, 3)
    decoded = LTX.decode_latents(pipe, latents, clamp=True)
    theirs = run(pipe, output_type="pt", decode_noise_scale=0.0)
    assert decoded.shape == (2, 3, 9, 64, 96)
    torch.testing.assert_close(decoded.transpose(1, 2) / 2 + 0.5, theirs)


def test_gradients_flow_where_the_decoder_saturates(pipe: Any) -> None:
    pipe.vae.requires_grad_(False)
    with torch.no_grad():
        pipe.vae.decoder.conv_out.conv.bias += 1.0
    latents = LTX.encode_video(pipe, frames()).requires_grad_()
    decoded = LTX.decode_latents(pipe, latents)
    saturated = decoded.abs() > 1
    assert saturated.any()
    decoded[saturated].sum().backward()
    assert latents.grad is not None
    assert latents.grad.abs().max() > 0


def test_the_shift_is_that_of_a_picture() -> None:
    """As the stock scheduler moves levels for 1024 tokens, as many as a large picture has."""
    pipe = text_pipe()
    levels = np.linspace(1.0, 0.1, 10)
    mu = calculate_shift(1024, 1024, 4096, 0.95, 2.05)
    pipe.scheduler.set_timesteps(sigmas=levels, mu=mu)
    shift = LTX.shift(pipe)
    moved = shift * levels / (1 + (shift - 1) * levels)
    np.testing.assert_allclose(pipe.scheduler.sigmas[:-1], moved, rtol=1e-5)
    assert shift == pytest.approx(math.exp(0.95))
    assert LTX.shift(tiny_pipe("ltx_video_2b")) == shift, "its scheduler has none, its models have"
    assert LTX.shift(text_pipe(**DYNAMIC, time_shift_type="linear")) == 0.95
    assert LTX.shift(text_pipe(shift=3.0)) == 3.0


def test_both_halves_of_a_batch_are_told_apart(pipe: Any) -> None:
    adapter = tiny_adapter(pipe.transformer, SPEC)
    [(_, base), *_] = calls(pipe)
    [(_, alone), *_] = calls(pipe, guidance_scale=1.0)
    assert (len(base), len(alone)) == (4, 2)
    identity = adapter.fold(adapter.tokens(embeddings())).detached()
    with attach(adapter, pipe.transformer, SPEC, pipe=pipe) as attachment:
        attachment.condition(identity)
        [(_, guided), *_] = calls(pipe)
        [(_, single), *_] = calls(pipe, guidance_scale=1.0)
        attachment.condition(identity, unconditional="same")
        [(_, same), *_] = calls(pipe)
    assert torch.equal(guided[:2], base[:2]), "nobody without the prompt"
    torch.testing.assert_close(guided[2:], single)
    assert not torch.allclose(single, alone)
    assert not torch.allclose(same[:2], base[:2])
    torch.testing.assert_close(same[2:], guided[2:])


def test_three_way_guidance_is_its_formula(pipe: Any) -> None:
    """v0 + g_i (v_id - v0) + g (v - v_id), out of the stock formula v' + g (v - v')."""
    adapter = tiny_adapter(pipe.transformer, SPEC)
    identity = adapter.fold(adapter.tokens(embeddings())).detached()
    options: dict[str, Any] = {"identity_guidance": 1.5, "guidance_scale": 2.0}
    [(_, base), *_] = calls(pipe)
    with attach(adapter, pipe.transformer, SPEC, pipe=pipe) as attachment:
        attachment.condition(identity, unconditional="same")
        [(_, known), *_] = calls(pipe)
        attachment.condition(identity, guidance="three_way", **options)
        [(_, mixed), *_] = calls(pipe)
    nobody, somebody, both = base[:2], known[:2], known[2:]
    expected = nobody + 1.5 * (somebody - nobody) + 2.0 * (both - somebody)
    theirs = mixed[:2] + 2.0 * (mixed[2:] - mixed[:2])
    torch.testing.assert_close(theirs, expected, rtol=1e-4, atol=1e-4)


def test_a_call_is_read_from_sizes_or_coordinates_by_place_or_name(pipe: Any) -> None:
    told, _ = calls(pipe)[0]
    names = ("hidden_states", "encoder_hidden_states", "timestep", "encoder_attention_mask")
    args = tuple(told.pop(name) for name in names)
    call = LTX.read_call(pipe.transformer, args, told)
    assert (call.batch, call.grid) == (4, (2, 2, 3))
    assert call.timestep_B.tolist() == [1000.0] * 4


def test_a_first_frame_is_fine_and_later_conditions_are_refused() -> None:
    """Those stand among the tokens, where no mask would find its place."""
    pipe = tiny_pipe("ltx_video_2b")
    adapter = tiny_adapter(pipe.transformer, SPEC)
    identity = adapter.fold(adapter.tokens(embeddings())).detached()
    given: dict[str, Any] = {
        "image": Image.new("RGB", (96, 64), (90, 120, 60)),
        "prompt": "a man",
        "negative_prompt": "",
        "generator": torch.Generator().manual_seed(0),
    }
    left = torch.zeros(2, 3)
    left[:, 0] = 1
    base = run(pipe, **given, frame_index=0)
    given["generator"].manual_seed(0)
    with attach(adapter, pipe.transformer, SPEC, pipe=pipe) as attachment:
        attachment.condition(Conditioning(identity=identity, mask_LHW=left))
        assert not torch.allclose(run(pipe, **given, frame_index=0), base)
        with pytest.raises(AdapterError, match=r"18 latent tokens, some of pictures .* frame 0"):
            run(pipe, **given, frame_index=8)
    assert run(pipe, **given, frame_index=8).isfinite().all()


def test_frames_come_out_of_both_pipelines(pipe: Any) -> None:
    output = pipe(
        prompt=PROMPTS,
        height=64,
        width=64,
        num_frames=9,
        num_inference_steps=2,
        output_type="np",
        **LTX.sampling_options(SPEC, 2.0, 25.0),
    )
    drawn = LTX.frames_of(output)
    assert drawn.shape == (2, 9, 64, 64, 3)
    assert np.isfinite(drawn).all()
    assert drawn.min() >= 0
    assert drawn.max() <= 1


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_saved_and_loaded_it_is_the_same_and_draws(tmp_path: Path, dtype: torch.dtype) -> None:
    """In half precision too: the pipeline hands its decoder latents in the dtype of the text."""
    pipe = tiny_pipe("ltx_video_13b")
    pipe.save_pretrained(tmp_path)
    spec = get_spec("ltx_video_13b")
    loaded: Any = spec.load(tmp_path, dtype)
    loaded.set_progress_bar_config(disable=True)
    assert {loaded.transformer.dtype, loaded.vae.dtype, loaded.text_encoder.dtype} == {dtype}
    assert run(loaded, output_type="pt").isfinite().all()
    if dtype is torch.float32:
        assert torch.equal(predict(loaded), predict(pipe))
    assert pipeline_digest(loaded) == backbone_digest(tmp_path)
    alone = spec.tokenizer(tmp_path)
    assert alone("a man, smiling")["input_ids"] == pipe.tokenizer("a man, smiling")["input_ids"]
