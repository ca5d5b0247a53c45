"""The video of LTX-2 against the stock pipeline: text, noise, gates, passes, no audio."""

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from facekit.adapters.attach import attach
from facekit.adapters.attention import SiteTerm, wrap_processor
from facekit.adapters.lora import LoraSettings, add_lora, named_lora_parameters
from facekit.backbones import BackboneSpec, detect_spec, get_spec
from facekit.backbones.ltx2 import LTX2
from facekit.errors import UsageError
from tests.tiny.backbones import (
    embeddings,
    predict,
    randomise_lora,
    tiny_adapter,
    tiny_pipe,
)

PROMPTS = ["a woman with red hair", "a man"]
ALL_PASSES = {
    "stg_scale": 1.0,
    "modality_scale": 3.0,
    "spatio_temporal_guidance_blocks": [1],
}


@pytest.fixture(params=["ltx_2", "ltx_2_3"])
def spec(request: pytest.FixtureRequest) -> BackboneSpec:
    return get_spec(request.param)


@pytest.fixture
def pipe(spec: BackboneSpec) -> Any:
    return tiny_pipe(spec.name)


def run(pipe: Any, **options: Any) -> Any:
    """Two steps of the stock pipeline, 2 x 2 x 3 latents."""
    spec = detect_spec(pipe)
    arguments = {
        "prompt": PROMPTS,
        "negative_prompt": ["", ""],
        "height": 64,
        "width": 96,
        "num_frames": 9,
        "num_inference_steps": 2,
        "generator": [torch.Generator().manual_seed(seed) for seed in (1, 2)],
        "output_type": "latent",
        **LTX2.sampling_options(spec, 2.0, spec.fps),
    }
    return pipe(**{**arguments, **options})


def calls(pipe: Any, **options: Any) -> list[tuple[str, dict[str, Any], Tensor]]:
    """What the stock pipeline asks its network: the names of its passes, and the answers."""
    network, own = pipe.transformer, pipe.transformer.cache_context
    names: list[str] = []
    seen: list[tuple[str, dict[str, Any], Tensor]] = []

    def named(name: str) -> Any:
        names.append(name)
        return own(name)

    def keep(module: Any, args: Any, kwargs: dict[str, Any], output: Any) -> None:
        seen.append((names[-1], dict(kwargs), output[0]))

    network.cache_context = named
    hook = network.register_forward_hook(keep, with_kwargs=True)
    run(pipe, **options)
    hook.remove()
    network.cache_context = own
    return seen


def test_tiny_is_the_same_on_every_call_and_told_apart(spec: BackboneSpec) -> None:
    torch.manual_seed(1)
    one = tiny_pipe(spec.name)
    torch.manual_seed(2)
    after = torch.rand(1)
    torch.manual_seed(2)
    assert torch.equal(predict(one), predict(tiny_pipe(spec.name)))
    assert torch.equal(torch.rand(1), after), "the global generator is left alone"
    assert detect_spec(one) == detect_spec(one.transformer) == spec


def test_the_real_configs_are_told_apart_and_a_later_model_is_not_taken_for_one() -> None:
    from diffusers import LTX2VideoTransformer3DModel

    with torch.device("meta"):
        for gated, biased, name in ((False, True, "ltx_2"), (True, True, "ltx_2_3")):
            network = LTX2VideoTransformer3DModel(gated_attn=gated, ff_bias=biased)
            assert detect_spec(network).name == name
            assert len(get_spec(name).sites(network)) == 24
        with pytest.raises(UsageError, match="not a backbone that facekit knows"):
            detect_spec(LTX2VideoTransformer3DModel(gated_attn=True, ff_bias=False))


def test_text_is_what_the_pipeline_feeds_its_network(pipe: Any, spec: BackboneSpec) -> None:
    text = LTX2.encode_text(pipe, spec, ["", "", *PROMPTS])
    _, told, _ = calls(pipe)[0]
    for name, tensor in text.items():
        assert tensor.shape[:2] == (4, spec.max_sequence_length)
        torch.testing.assert_close(told[name], tensor)
    assert not torch.allclose(text["encoder_hidden_states"][0], text["encoder_hidden_states"][2])


def test_a_prediction_is_the_pipelines_pass_without_the_audio(
    pipe: Any, spec: BackboneSpec
) -> None:
    """The same latents, places, time and text; another sound, of which the video knows nothing."""
    text = LTX2.encode_text(pipe, spec, PROMPTS)
    alone = [call for call in calls(pipe, **ALL_PASSES) if call[0] == "uncond_modality"]
    assert len(alone) == 2
    for _, told, answer in alone:
        assert told["audio_hidden_states"].shape[1] > 1
        noisy, expected = (
            pipe._unpack_latents(x, 2, 2, 3) for x in (told["hidden_states"], answer)
        )
        got = LTX2.predict(pipe, spec, noisy, told["timestep"] / 1000, text)
        assert got.shape == (2, 4, 2, 2, 3)
        torch.testing.assert_close(got, expected)


def test_together_with_its_audio_the_call_is_the_joint_pass(pipe: Any, spec: BackboneSpec) -> None:
    """Only the streams' separation and the sound tell `predict` from the pipeline's main pass."""
    text = LTX2.encode_text(pipe, spec, ["", "", *PROMPTS])
    _, told, expected = calls(pipe)[0]
    joint = {name: told[name] for name in ("audio_hidden_states", "audio_num_frames")}
    joint |= {"isolate_modalities": False, "use_cross_timestep": told["use_cross_timestep"]}
    network, own = pipe.transformer, pipe.transformer.forward
    network.forward = lambda **kwargs: own(**(kwargs | joint))
    noisy = pipe._unpack_latents(told["hidden_states"], 2, 2, 3)
    got = LTX2.predict(pipe, spec, noisy, told["timestep"] / 1000, text)
    torch.testing.assert_close(got, pipe._unpack_latents(expected, 2, 2, 3))


def test_sites_and_lora_are_of_the_video_only(pipe: Any, spec: BackboneSpec) -> None:
    sites = [f"transformer_blocks.{index}.attn2" for index in (0, 2)]
    assert list(spec.sites(pipe.transformer)) == sites
    add_lora(pipe.transformer, spec, LoraSettings(rank=2, alpha=2.0))
    names = list(named_lora_parameters(pipe.transformer))
    assert len(names) == 4 * 2 * 4 * 2
    assert all(".attn1." in name or ".attn2." in name for name in names)
    randomise_lora(pipe.transformer)
    for parameter in named_lora_parameters(pipe.transformer).values():
        parameter.requires_grad_(True)
    text = LTX2.encode_text(pipe, spec, PROMPTS)
    noisy = torch.randn(2, 4, 1, 2, 3, generator=torch.Generator().manual_seed(0))
    LTX2.predict(pipe, spec, noisy, torch.tensor([0.3, 0.8]), text).square().mean().backward()
    without = [
        name
        for name, parameter in named_lora_parameters(pipe.transformer).items()
        if parameter.grad is None or not parameter.grad.any()
    ]
    assert without == []


def test_gates_are_the_processors_own(pipe: Any, spec: BackboneSpec) -> None:
    """An identity that is the text itself adds the same again, but for the bias."""
    attention = pipe.transformer.transformer_blocks[0].attn2
    assert (attention.to_gate_logits is not None) == (spec.name == "ltx_2_3")
    if attention.to_gate_logits is not None:
        torch.nn.init.normal_(attention.to_gate_logits.weight)
    generator = torch.Generator().manual_seed(0)
    hidden, text = (torch.randn(2, length, 24, generator=generator) for length in (6, 5))
    base = attention(hidden, encoder_hidden_states=text)
    kind = LTX2.site_kind(pipe.transformer, "transformer_blocks.0.attn2")
    processor = wrap_processor(attention.processor, "site", kind)
    key = attention.norm_k(attention.to_k(text))
    processor.terms = (SiteTerm(key, attention.to_v(text), None),)
    attention.set_processor(processor)
    attention.norm_q.register_forward_hook(processor.hear)
    twice = attention(hidden, encoder_hidden_states=text)
    torch.testing.assert_close(twice, 2 * base - attention.to_out[0].bias)


def test_every_pass_with_the_prompt_sees_the_characters(pipe: Any, spec: BackboneSpec) -> None:
    adapter = tiny_adapter(pipe.transformer, spec)
    seen, hook = site_outputs_of_one_step(pipe, spec)
    identity = adapter.fold(adapter.tokens(embeddings())).detached()
    with attach(adapter, pipe.transformer, spec, pipe=pipe) as attachment:
        attachment.condition(identity)
        passes = [name for name, _, _ in calls(pipe, **ALL_PASSES)][:3]
    hook.remove()
    assert passes == ["cond_uncond", "uncond_stg", "uncond_modality"]
    base, known = seen[:3], seen[6:9]  # two steps of three passes each
    assert torch.equal(known[0][:2], base[0][:2]), "nobody without the prompt"
    assert not torch.allclose(known[0][2:], base[0][2:])
    for place in (1, 2):
        assert len(known[place]) == 2
        torch.testing.assert_close(known[place], known[0][2:])


def site_outputs_of_one_step(pipe: Any, spec: BackboneSpec) -> tuple[list[Tensor], Any]:
    """Collect what the first site gives, from one run without anybody on."""
    seen: list[Tensor] = []
    site = pipe.transformer.get_submodule(spec.sites(pipe.transformer)[0])
    hook = site.register_forward_hook(lambda module, args, output: seen.append(output.detach()))
    run(pipe, **ALL_PASSES)
    return seen, hook


def test_each_model_is_asked_for_the_guidance_it_was_made_for(
    pipe: Any, spec: BackboneSpec
) -> None:
    names = {name for name, _, _ in calls(pipe)}
    more = {"uncond_stg", "uncond_modality"} if spec.name == "ltx_2_3" else set()
    assert names == {"cond_uncond"} | more
    (halves,) = {len(answer) for name, _, answer in calls(pipe) if name == "cond_uncond"}
    assert halves == 4
    if spec.name == "ltx_2":
        asked = LTX2.sampling_options(spec, 1.0, spec.fps)
        assert [len(answer) for _, _, answer in calls(pipe, **asked)] == [2, 2]


def test_the_picture_is_decoded_as_the_pipeline_does(pipe: Any, spec: BackboneSpec) -> None:
    vae = pipe.vae
    raw = run(pipe).frames  # the stock pipeline takes the statistics out of its latents
    latents = pipe._normalize_latents(raw, vae.latents_mean, vae.latents_std)
    drawn = LTX2.frames_of(run(pipe, output_type="np"))
    assert drawn.shape == (2, 9, 64, 96, 3)
    ours = LTX2.decode_latents(pipe, latents, clamp=True).permute(0, 2, 3, 4, 1) / 2 + 0.5
    np.testing.assert_allclose(ours.detach().numpy(), drawn, atol=1e-5)
    again = LTX2.encode_video(pipe, LTX2.decode_latents(pipe, latents))
    assert again.shape == latents.shape
    with pytest.raises(UsageError, match=r"expected 8 \* n \+ 1"):
        LTX2.encode_video(pipe, torch.zeros(1, 3, 8, 64, 64))


def test_saved_and_loaded_it_is_the_same(pipe: Any, spec: BackboneSpec, tmp_path: Any) -> None:
    pipe.save_pretrained(tmp_path)
    assert torch.equal(predict(spec.load(tmp_path)), predict(pipe))
    halved: Any = spec.load(tmp_path, torch.bfloat16)
    halved.set_progress_bar_config(disable=True)
    assert np.isfinite(LTX2.frames_of(run(halved, output_type="np"))).all()
