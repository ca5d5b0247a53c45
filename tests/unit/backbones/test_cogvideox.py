"""CogVideoX: text, video, noise and the two halves of a batch, against the stock pipeline."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from facekit.adapters.attach import attach
from facekit.backbones import detect_spec, get_spec
from facekit.backbones.cogvideox import COGVIDEOX, COGVIDEOX_2B, COGVIDEOX_5B
from facekit.backbones.sites import JOINT_AFTER_TEXT
from facekit.errors import AdapterError, UsageError
from tests.tiny.backbones import embeddings, predict, sample, tiny_adapter, tiny_pipe
from tests.tiny.network_calls import record_calls

REAL = {
    "cogvideox_2b": {"num_layers": 30, "num_attention_heads": 30},
    "cogvideox_5b": {
        "num_layers": 42,
        "num_attention_heads": 48,
        "use_rotary_positional_embeddings": True,
    },
}


@pytest.fixture(params=["cogvideox_2b", "cogvideox_5b"])
def backbone(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture
def pipe(backbone: str) -> Any:
    return tiny_pipe(backbone)


def network(**config: Any) -> Any:
    """A network without weights."""
    from diffusers import CogVideoXTransformer3DModel

    with torch.device("meta"):
        return CogVideoXTransformer3DModel(**config)


def frames(count: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.rand(2, 3, count, 32, 48, generator=generator) * 2 - 1


def test_the_real_networks_are_known_and_their_sites_are_counted(backbone: str) -> None:
    spec, real = get_spec(backbone), network(**REAL[backbone])
    assert detect_spec(real) is spec
    sites = spec.sites(real)
    layers = REAL[backbone]["num_layers"]
    assert sites == tuple(f"transformer_blocks.{i}.attn1" for i in range(0, layers, 2))
    assert {COGVIDEOX.site_kind(real, site) for site in sites} == {JOINT_AFTER_TEXT}


@pytest.mark.parametrize("changes", [{"in_channels": 32}, {"patch_size_t": 2, "patch_bias": False}])
def test_others_of_the_class_are_not_taken_for_it(changes: dict[str, Any]) -> None:
    """Models of images, and version 1.5."""
    with pytest.raises(UsageError, match="is not a backbone that facekit knows"):
        detect_spec(network(num_layers=42, num_attention_heads=1, **changes))


def test_tiny_is_the_same_on_every_call_and_told_apart(pipe: Any, backbone: str) -> None:
    torch.manual_seed(2)
    after = torch.rand(1)
    torch.manual_seed(2)
    assert torch.equal(predict(pipe), predict(tiny_pipe(backbone)))
    assert torch.equal(torch.rand(1), after), "the global generator is left alone"
    assert detect_spec(pipe).name == backbone


def test_text_and_prediction_are_the_pipelines(pipe: Any, backbone: str) -> None:
    spec, prompts = get_spec(backbone), ["a woman with red hair", ""]
    calls, _ = record_calls(pipe)
    sample(pipe, spec, prompt=prompts, negative_prompt=["", "a man"], height=32, width=48)
    first = calls[0].told
    text = COGVIDEOX.encode_text(pipe, spec, prompts)
    states = text["encoder_hidden_states"]
    assert states.shape == (2, 226, pipe.transformer.config.text_embed_dim)
    torch.testing.assert_close(first["encoder_hidden_states"][2:], states)
    assert (first["image_rotary_emb"] is not None) == (backbone == "cogvideox_5b")
    noisy, sigma_B = first["hidden_states"][2:], spec.process.sigma(first["timestep"][2:])
    assert noisy.shape == (2, 3, 4, 4, 6), "frames before channels"
    ours = COGVIDEOX.predict(pipe, spec, noisy.transpose(1, 2), sigma_B, text)
    assert ours.shape == (2, 4, 3, 4, 6)
    torch.testing.assert_close(ours.transpose(1, 2), calls[0].answer[2:], atol=1e-5, rtol=1e-5)
    assert calls[1].told["timestep"].tolist() == [499] * 4
    ours = COGVIDEOX.predict(
        pipe,
        spec,
        calls[1].told["hidden_states"][2:].transpose(1, 2),
        spec.process.sigma(calls[1].told["timestep"][2:]),
        text,
    )
    torch.testing.assert_close(ours.transpose(1, 2), calls[1].answer[2:], atol=1e-5, rtol=1e-5)


def test_noise_and_target_are_the_schedulers(pipe: Any, backbone: str) -> None:
    process, scheduler = get_spec(backbone).process, pipe.scheduler
    clean, noise = torch.randn(2, 3, 4, 3, 2, 2, generator=torch.Generator().manual_seed(0))
    timesteps = torch.tensor([20, 500, 999])
    sigma_B = process.sigma(timesteps)
    assert process.timestep(sigma_B).tolist() == timesteps.tolist()
    torch.testing.assert_close(
        process.add_noise(clean, noise, sigma_B),
        scheduler.add_noise(clean, noise, timesteps),
        atol=1e-4,
        rtol=1e-4,
    )
    torch.testing.assert_close(
        process.target(clean, noise, sigma_B),
        scheduler.get_velocity(clean, noise, timesteps),
        atol=1e-4,
        rtol=1e-4,
    )
    assert sigma_B[-1] == 1, "the last one is noise alone"


def test_the_smaller_model_is_noisier_in_between() -> None:
    half = torch.tensor([500])
    assert COGVIDEOX_2B.process.sigma(half) > COGVIDEOX_5B.process.sigma(half)


def test_only_the_conditional_half_hears_the_identity(pipe: Any, backbone: str) -> None:
    """The first step starts from the same noise, so nobody's half answers as the bare network."""
    spec = get_spec(backbone)
    calls, _ = record_calls(pipe)
    adapter = tiny_adapter(pipe.transformer, spec)
    folded = adapter.fold(adapter.tokens(embeddings(batch=2))).detached()
    for scale in (3.0, 1.0):
        calls.clear()
        sample(pipe, spec, scale)
        bare, calls[:] = calls[0], []
        with (
            attach(adapter, pipe.transformer, spec, pipe=pipe) as attachment,
            attachment.conditioned_on(folded),
        ):
            sample(pipe, spec, scale)
        same = [torch.equal(*pair) for pair in zip(calls[0].answer, bare.answer, strict=True)]
        assert same == ([True, True, False, False] if scale > 1 else [False, False])


def test_without_the_pipeline_a_batch_of_both_halves_is_refused(pipe: Any, backbone: str) -> None:
    spec = get_spec(backbone)
    adapter = tiny_adapter(pipe.transformer, spec)
    with (
        attach(adapter, pipe.transformer, spec) as attachment,
        attachment.conditioned_on(adapter.fold(adapter.tokens(embeddings())).detached()),
        pytest.raises(AdapterError, match=r"both halves of its guidance"),
    ):
        sample(pipe, spec)


def test_three_way_guidance_answers_in_the_unconditional_half(pipe: Any, backbone: str) -> None:
    """With g_i = g it is the pipeline's own guidance against a half without anybody."""
    spec = get_spec(backbone)
    adapter = tiny_adapter(pipe.transformer, spec)
    folded = adapter.fold(adapter.tokens(embeddings())).detached()
    clips = {}
    with attach(adapter, pipe.transformer, spec, pipe=pipe) as attachment:
        with attachment.conditioned_on(folded):
            clips["two_way"] = sample(pipe, spec, 3.0)
        for strength in (3.0, 1.0):
            with attachment.conditioned_on(
                folded, guidance="three_way", identity_guidance=strength, guidance_scale=3.0
            ):
                clips[f"{strength}"] = sample(pipe, spec, 3.0)
    torch.testing.assert_close(clips["3.0"], clips["two_way"], atol=1e-4, rtol=1e-4)
    assert not torch.allclose(clips["1.0"], clips["two_way"])


@pytest.mark.parametrize("count", [1, 9, 17])
def test_latents_are_the_autoencoders_and_scaled(pipe: Any, count: int) -> None:
    scale = pipe.vae.config.scaling_factor
    latents = COGVIDEOX.encode_video(pipe, frames(count))
    assert latents.shape == (2, 4, (count - 1) // 4 + 1, 4, 6)
    raw = pipe.vae.encode(frames(count)).latent_dist.mode()
    torch.testing.assert_close(latents, raw * scale)
    decoded = COGVIDEOX.decode_latents(pipe, latents)
    theirs = pipe.decode_latents(latents.transpose(1, 2))
    torch.testing.assert_close(decoded, theirs)
    assert decoded.shape == frames(count).shape


def test_frames_that_would_be_dropped_are_refused(pipe: Any, backbone: str) -> None:
    with pytest.raises(UsageError, match=r"num_frames is 5, expected 8 \* n \+ 1"):
        COGVIDEOX.encode_video(pipe, frames(5))
    with pytest.raises(UsageError, match=r"num_frames is 45, expected 8 \* n \+ 1 up to 49"):
        get_spec(backbone).check_frames(45)


def test_gradients_flow_through_the_decoder(pipe: Any) -> None:
    pipe.vae.requires_grad_(False)
    latents = COGVIDEOX.encode_video(pipe, frames(9)).requires_grad_()
    COGVIDEOX.decode_latents(pipe, latents).sum().backward()
    assert latents.grad is not None
    assert latents.grad.abs().max() > 0


def test_training_draws_its_timesteps_without_a_shift(pipe: Any) -> None:
    assert COGVIDEOX.shift(pipe) == 1.0


def test_saved_and_loaded_it_is_the_same(pipe: Any, backbone: str, tmp_path: Path) -> None:
    spec = get_spec(backbone)
    pipe.save_pretrained(tmp_path / "backbone")
    loaded = spec.load(tmp_path / "backbone")
    assert torch.equal(predict(loaded), predict(pipe))
    alone = spec.tokenizer(tmp_path / "backbone")
    assert alone("a man, smiling")["input_ids"] == pipe.tokenizer("a man, smiling")["input_ids"]


def test_it_draws_in_half_precision_with_an_identity(
    pipe: Any, backbone: str, tmp_path: Path
) -> None:
    spec = get_spec(backbone)
    pipe.save_pretrained(tmp_path)
    loaded: Any = spec.load(tmp_path, torch.bfloat16)
    loaded.set_progress_bar_config(disable=True)
    loaded.transformer.requires_grad_(False)
    adapter = tiny_adapter(loaded.transformer, spec)
    folded = adapter.fold(adapter.tokens(embeddings())).detached()
    with attach(adapter, loaded.transformer, spec, pipe=loaded) as attachment:
        base = sample(loaded, spec, output_type="np")
        with attachment.conditioned_on(folded):
            drawn = sample(loaded, spec, output_type="np")
    assert np.isfinite(drawn).all()
    assert drawn.shape == (2, 9, 32, 32, 3)
    assert not np.array_equal(drawn, base)
