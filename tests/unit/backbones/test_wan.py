"""Text, video, noise and time of the Wan family, against the stock pipeline."""

from pathlib import Path
from typing import Any

import pytest
import torch

from facekit.backbones import detect_spec, get_spec, wan
from facekit.errors import UsageError, WeightsError, WeightsMissing
from tests.tiny.backbones import BACKBONES, predict, tiny_pipe


@pytest.fixture(params=BACKBONES)
def backbone(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture
def pipe(backbone: str) -> Any:
    return tiny_pipe(backbone)


def frames(count: int = 5) -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.rand(2, 3, count, 32, 48, generator=generator) * 2 - 1


def test_tiny_is_the_same_on_every_call_and_told_apart(backbone: str) -> None:
    torch.manual_seed(1)
    one = tiny_pipe(backbone)
    torch.manual_seed(2)
    after = torch.rand(1)
    torch.manual_seed(2)
    assert torch.equal(predict(one), predict(tiny_pipe(backbone)))
    assert torch.equal(torch.rand(1), after), "the global generator is left alone"
    assert detect_spec(one).name == backbone
    assert detect_spec(one.transformer).name == backbone


def test_an_unknown_model_is_named() -> None:
    with pytest.raises(UsageError, match=r"Linear is not a backbone .* toon, wan2_1_t2v_1_3b"):
        detect_spec(torch.nn.Linear(1, 1))


def test_text_is_what_the_pipeline_feeds_its_transformer(pipe: Any, backbone: str) -> None:
    spec = get_spec(backbone)
    prompts = ["a woman with red hair", ""]
    text = wan.encode_text(pipe, prompts)
    assert text.shape == (2, spec.max_sequence_length, pipe.transformer.config.text_dim)
    assert text[0, :5].abs().sum(-1).min() > 0
    assert not text[0, 6:].any(), "zeros after the end mark"
    assert not text[1, 1:].any()
    seen = []
    pipe.transformer.register_forward_pre_hook(
        lambda module, args, kwargs: seen.append(kwargs["encoder_hidden_states"]),
        with_kwargs=True,
    )
    pipe(
        prompts[0],
        height=32,
        width=32,
        num_frames=1,
        num_inference_steps=1,
        guidance_scale=2.0,
        max_sequence_length=spec.max_sequence_length,
        output_type="latent",
    )
    torch.testing.assert_close(seen[0], text[:1])
    torch.testing.assert_close(seen[1], text[1:])


@pytest.mark.parametrize("count", [1, 5, 9])
def test_latents_have_the_pipelines_shape_and_are_normalised(pipe: Any, count: int) -> None:
    latents = wan.encode_video(pipe, frames(count))
    temporal = pipe.vae_scale_factor_temporal
    assert latents.shape == (2, 4, (count - 1) // temporal + 1, 4, 6)
    raw = pipe.vae.encode(frames(count)).latent_dist.mode()
    channel = 2
    mean, std = (
        numbers[channel] for numbers in (pipe.vae.config.latents_mean, pipe.vae.config.latents_std)
    )
    torch.testing.assert_close(latents[:, channel], (raw[:, channel] - mean) / std)


def test_frames_that_would_be_dropped_are_refused(pipe: Any) -> None:
    with pytest.raises(UsageError, match=r"num_frames is 7, expected 4 \* n \+ 1"):
        wan.encode_video(pipe, frames(7))


def _saturate(pipe: Any) -> None:
    with torch.no_grad():
        pipe.vae.decoder.conv_out.bias += 1.0


def test_decoding_is_the_vaes_own_without_the_clamp(pipe: Any) -> None:
    _saturate(pipe)
    latents = wan.encode_video(pipe, frames())
    config = pipe.vae.config
    mean, std = (
        torch.tensor(numbers).view(1, -1, 1, 1, 1)
        for numbers in (config.latents_mean, config.latents_std)
    )
    theirs = pipe.vae.decode(latents * std + mean).sample
    assert torch.equal(wan.decode_latents(pipe, latents, clamp=True), theirs)
    free = wan.decode_latents(pipe, latents)
    assert free.shape == (2, 3, 5, 32, 48)
    assert free.abs().max() > 1


def test_gradients_flow_where_the_decoder_saturates(pipe: Any) -> None:
    pipe.vae.requires_grad_(False)
    _saturate(pipe)
    latents = wan.encode_video(pipe, frames()).requires_grad_()
    decoded = wan.decode_latents(pipe, latents)
    saturated = decoded.abs() > 1
    assert saturated.any()
    decoded[saturated].sum().backward()
    assert latents.grad is not None
    assert latents.grad.abs().max() > 0


def test_the_straight_path() -> None:
    clean, noise = torch.ones(2, 1, 1, 2, 2), torch.full((2, 1, 1, 2, 2), 3.0)
    sigma = torch.tensor([0.0, 0.5])
    noisy = wan.add_noise(clean, noise, sigma)
    assert noisy[0].unique().tolist() == [1.0]
    assert noisy[1].unique().tolist() == [2.0]
    assert wan.velocity(clean, noise).unique().tolist() == [2.0]
    torch.testing.assert_close(wan.predict_clean(noisy, noise - clean, sigma), clean)


def test_the_path_is_the_schedulers(pipe: Any, backbone: str) -> None:
    """One Euler step with the true velocity moves along the same line."""
    clean, noise = torch.zeros(1, 2, 1, 2, 2), torch.randn(1, 2, 1, 2, 2)
    pipe.scheduler.set_timesteps(4)
    sigmas = pipe.scheduler.sigmas
    noisy = wan.add_noise(clean, noise, sigmas[:1])
    velocity = wan.velocity(clean, noise)
    moved = pipe.scheduler.step(velocity, pipe.scheduler.timesteps[0], noisy).prev_sample
    torch.testing.assert_close(moved, wan.add_noise(clean, noise, sigmas[1:2]))
    steps = get_spec(backbone).num_train_timesteps
    assert pipe.scheduler.config.num_train_timesteps == steps
    torch.testing.assert_close(pipe.scheduler.timesteps / steps, sigmas[:-1])


def test_time_per_sample_or_per_token() -> None:
    latents, sigma = torch.zeros(2, 4, 3, 4, 6), torch.tensor([0.25, 1.0])
    each = wan.model_timestep(tiny_pipe("wan2_1_t2v_1_3b"), sigma, latents)
    assert each.tolist() == [250.0, 1000.0]
    pipe = tiny_pipe("toon")
    tokens = wan.model_timestep(pipe, sigma, latents)
    assert tokens.shape == (2, 18)
    assert tokens[0].unique().tolist() == [250.0]
    assert tokens[1].unique().tolist() == [1000.0]


def test_saved_and_loaded_it_is_the_same(pipe: Any, backbone: str, tmp_path: Path) -> None:
    spec = get_spec(backbone)
    pipe.save_pretrained(tmp_path / "backbone")
    loaded = spec.load(tmp_path / "backbone")
    assert torch.equal(predict(loaded), predict(pipe))
    alone = spec.tokenizer(tmp_path / "backbone")
    assert alone("a man, smiling")["input_ids"] == pipe.tokenizer("a man, smiling")["input_ids"]
    text = wan.encode_text(loaded, ["a man"])
    torch.testing.assert_close(text, wan.encode_text(pipe, ["a man"]))
    assert wan.pipeline_digest(pipe) == ""
    digest = wan.backbone_digest(tmp_path / "backbone")
    assert len(digest) == 64
    assert wan.pipeline_digest(loaded) == digest
    assert wan.backbone_digest(tmp_path / "backbone" / "transformer") == digest


def test_the_digest_follows_the_content(tmp_path: Path) -> None:
    folder = tmp_path / "transformer"
    folder.mkdir()
    (folder / "b.safetensors").write_bytes(b"second")
    (folder / "a.safetensors").write_bytes(b"first")
    before = wan.backbone_digest(tmp_path)
    (folder / "config.json").write_text("{}")
    assert wan.backbone_digest(tmp_path) == before
    (folder / "b.safetensors").write_bytes(b"altered")
    assert wan.backbone_digest(tmp_path) != before
    with pytest.raises(WeightsMissing, match="no safetensors files"):
        wan.backbone_digest(tmp_path / "nowhere")


def test_weights_that_are_not_there(tmp_path: Path) -> None:
    with pytest.raises(WeightsMissing, match=r"no model_index\.json"):
        get_spec("toon").load(tmp_path)
    with pytest.raises(WeightsMissing, match=r"run: hf download Wan-AI/.* --revision 0fad780"):
        get_spec("wan2_1_t2v_1_3b").load()
    (tmp_path / "model_index.json").write_text("{")
    with pytest.raises(WeightsError, match="cannot be loaded as toon"):
        get_spec("toon").load(tmp_path)
    with pytest.raises(WeightsError, match="cannot be loaded as toon"):
        get_spec("toon").tokenizer(tmp_path)
    with pytest.raises(WeightsMissing, match="run: hf download"):
        get_spec("wan2_1_t2v_1_3b").tokenizer()
