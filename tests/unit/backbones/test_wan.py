"""Text, video, noise and time of the Wan family, against the stock pipeline."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar

import pytest
import torch

from facekit.backbones import detect_spec, get_spec
from facekit.backbones.digest import backbone_digest, pipeline_digest
from facekit.backbones.wan import WAN
from facekit.errors import UsageError, WeightsError, WeightsMissing
from tests.tiny.backbones import predict, sample, tiny_pipe


@pytest.fixture(params=["toon", "wan2_1_t2v_1_3b", "wan2_2_t2v_a14b", "wan2_2_ti2v_5b"])
def backbone(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture
def pipe(backbone: str) -> Any:
    return tiny_pipe(backbone)


def encode_text(pipe: Any, prompts: list[str]) -> torch.Tensor:
    return WAN.encode_text(pipe, detect_spec(pipe), prompts)["encoder_hidden_states"]


def frames(pipe: Any, count: int = 5) -> torch.Tensor:
    """Two clips of 4 x 6 latents."""
    generator = torch.Generator().manual_seed(0)
    height, width = (side * pipe.vae_scale_factor_spatial for side in (4, 6))
    return torch.rand(2, 3, count, height, width, generator=generator) * 2 - 1


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


NETWORKS = {
    # The configs of the repositories, as far as they differ.
    "wan2_1_t2v_1_3b": {"num_layers": 30, "in_channels": 16},
    "wan2_1_t2v_14b": {"num_layers": 40, "in_channels": 16},
    "wan2_1_i2v_14b": {"num_layers": 40, "in_channels": 36, "image_dim": 1280},
    "wan2_2_t2v_a14b": {"num_layers": 40, "in_channels": 16},
    "wan2_2_i2v_a14b": {"num_layers": 40, "in_channels": 36, "image_dim": None},
    "wan2_2_ti2v_5b": {"num_layers": 30, "in_channels": 48},
}


@pytest.mark.parametrize("name", NETWORKS)
def test_the_real_ones_are_told_apart(name: str) -> None:
    """TI2V-5B has as many layers as T2V-1.3B; the two A14B differ from 14B by a second network."""

    class WanTransformer3DModel:
        config: ClassVar = {"text_dim": 4096, **NETWORKS[name]}

    two = get_spec(name).num_experts == 2
    pipe = SimpleNamespace(transformer=WanTransformer3DModel(), transformer_2=two or None)
    assert detect_spec(pipe).name == name


def test_an_unknown_model_is_named() -> None:
    with pytest.raises(UsageError, match=r"Linear is not a backbone .* toon, .*wan2_1_t2v_1_3b"):
        detect_spec(torch.nn.Linear(1, 1))


def test_text_is_what_the_pipeline_feeds_its_transformer(pipe: Any, backbone: str) -> None:
    spec = get_spec(backbone)
    prompts = ["a woman with red hair", ""]
    text = encode_text(pipe, prompts)
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
    latents = WAN.encode_video(pipe, frames(pipe, count))
    temporal = pipe.vae_scale_factor_temporal
    assert latents.shape == (2, 4, (count - 1) // temporal + 1, 4, 6)
    raw = pipe.vae.encode(frames(pipe, count)).latent_dist.mode()
    channel = 2
    mean, std = (
        numbers[channel] for numbers in (pipe.vae.config.latents_mean, pipe.vae.config.latents_std)
    )
    torch.testing.assert_close(latents[:, channel], (raw[:, channel] - mean) / std)


def test_frames_that_would_be_dropped_are_refused(pipe: Any) -> None:
    with pytest.raises(UsageError, match=r"num_frames is 7, expected 4 \* n \+ 1"):
        WAN.encode_video(pipe, frames(pipe, 7))


def _saturate(pipe: Any) -> None:
    with torch.no_grad():
        pipe.vae.decoder.conv_out.bias += 1.0


def test_decoding_is_the_vaes_own_without_the_clamp(pipe: Any) -> None:
    _saturate(pipe)
    latents = WAN.encode_video(pipe, frames(pipe))
    config = pipe.vae.config
    mean, std = (
        torch.tensor(numbers).view(1, -1, 1, 1, 1)
        for numbers in (config.latents_mean, config.latents_std)
    )
    theirs = pipe.vae.decode(latents * std + mean).sample
    assert torch.equal(WAN.decode_latents(pipe, latents, clamp=True), theirs)
    free = WAN.decode_latents(pipe, latents)
    assert free.shape == frames(pipe).shape
    assert free.abs().max() > 1


def test_gradients_flow_where_the_decoder_saturates(pipe: Any) -> None:
    pipe.vae.requires_grad_(False)
    _saturate(pipe)
    latents = WAN.encode_video(pipe, frames(pipe)).requires_grad_()
    decoded = WAN.decode_latents(pipe, latents)
    saturated = decoded.abs() > 1
    assert saturated.any()
    decoded[saturated].sum().backward()
    assert latents.grad is not None
    assert latents.grad.abs().max() > 0


def test_a_prediction_is_what_the_stock_pipeline_computes(pipe: Any, backbone: str) -> None:
    spec = get_spec(backbone)
    calls: list[tuple[dict[str, Any], torch.Tensor]] = []
    for network in WAN.networks(pipe):
        network.register_forward_hook(
            lambda module, args, kwargs, output: calls.append((kwargs, output[0])),
            with_kwargs=True,
        )
    sample(pipe, spec, guidance_scale=1.0)
    text = WAN.encode_text(pipe, spec, ["a woman in the park", "a man"])
    assert len(calls) == 2
    for asked, answer in list(calls):
        sigma_B = asked["timestep"].reshape(2, -1).amax(dim=1) / 1000
        predicted = WAN.predict(pipe, spec, asked["hidden_states"], sigma_B, text)
        torch.testing.assert_close(predicted, answer)


def test_time_per_sample_or_per_token() -> None:
    sigma = torch.tensor([0.25, 1.0])
    assert times(tiny_pipe("wan2_1_t2v_1_3b"), sigma).tolist() == [250.0, 1000.0]
    tokens = times(tiny_pipe("toon"), sigma)
    assert tokens.shape == (2, 36)
    assert tokens[0].unique().tolist() == [250.0]
    assert tokens[1].unique().tolist() == [1000.0]


def times(pipe: Any, sigma: torch.Tensor) -> torch.Tensor:
    """What the transformer is told of the noise level."""
    seen: list[torch.Tensor] = []
    pipe.transformer.register_forward_pre_hook(
        lambda module, args, kwargs: seen.append(kwargs["timestep"]), with_kwargs=True
    )
    spec = detect_spec(pipe)
    text = WAN.encode_text(pipe, spec, ["a man", "a woman"])
    WAN.predict(pipe, spec, torch.zeros(2, 4, 3, 4, 12), sigma, text)
    return seen[0]


def test_saved_and_loaded_it_is_the_same(pipe: Any, backbone: str, tmp_path: Path) -> None:
    spec = get_spec(backbone)
    pipe.save_pretrained(tmp_path / "backbone")
    loaded = spec.load(tmp_path / "backbone")
    assert torch.equal(predict(loaded), predict(pipe))
    alone = spec.tokenizer(tmp_path / "backbone")
    assert alone("a man, smiling")["input_ids"] == pipe.tokenizer("a man, smiling")["input_ids"]
    text = encode_text(loaded, ["a man"])
    torch.testing.assert_close(text, encode_text(pipe, ["a man"]))
    assert pipeline_digest(pipe) == ""
    digest = backbone_digest(tmp_path / "backbone")
    assert len(digest) == 64
    assert pipeline_digest(loaded) == digest
    alone = backbone_digest(tmp_path / "backbone" / "transformer")
    assert (alone == digest) == (spec.num_experts == 1)


def test_the_digest_follows_the_content(tmp_path: Path) -> None:
    folder = tmp_path / "transformer"
    folder.mkdir()
    (folder / "b.safetensors").write_bytes(b"second")
    (folder / "a.safetensors").write_bytes(b"first")
    before = backbone_digest(tmp_path)
    (folder / "config.json").write_text("{}")
    assert backbone_digest(tmp_path) == before
    (folder / "b.safetensors").write_bytes(b"altered")
    assert backbone_digest(tmp_path) != before
    with pytest.raises(WeightsMissing, match="no safetensors files"):
        backbone_digest(tmp_path / "nowhere")


def test_weights_that_are_not_there(tmp_path: Path) -> None:
    with pytest.raises(WeightsMissing, match=r"no model_index\.json"):
        get_spec("toon").load(tmp_path)
    with pytest.raises(WeightsMissing, match=r"run: hf download Wan-AI/.* --revision 0fad780"):
        get_spec("wan2_1_t2v_1_3b").load()
    (tmp_path / "model_index.json").write_text("{")
    with pytest.raises(WeightsError, match=r"transformer/config\.json: cannot be read"):
        get_spec("toon").load(tmp_path)
    get_spec("toon").family.network(tiny_pipe()).save_config(tmp_path / "transformer")
    with pytest.raises(WeightsError, match="cannot be loaded as toon"):
        get_spec("toon").load(tmp_path)
    with pytest.raises(WeightsError, match="cannot be loaded as toon"):
        get_spec("toon").tokenizer(tmp_path)
    with pytest.raises(WeightsMissing, match="run: hf download"):
        get_spec("wan2_1_t2v_1_3b").tokenizer()
