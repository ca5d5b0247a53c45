"""HunyuanVideo: text, video, guidance and sites, against the stock pipeline."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from facekit.adapters.attach import attach
from facekit.adapters.lora import LoraSettings, add_lora, named_lora_parameters
from facekit.backbones import detect_spec
from facekit.backbones.digest import backbone_digest, pipeline_digest
from facekit.backbones.hunyuan import HUNYUAN, HUNYUANVIDEO
from facekit.backbones.sites import JOINT, JOINT_UNPROJECTED
from facekit.errors import UsageError, WeightsMissing
from tests.tiny.backbones import embeddings, predict, sample, tiny_adapter, tiny_pipe
from tests.tiny.network_calls import record_calls

NAME = "hunyuanvideo"


@pytest.fixture
def pipe() -> Any:
    return tiny_pipe(NAME)


def real_network(**changes: Any) -> Any:
    """The network in its real size, without weights."""
    from diffusers import HunyuanVideoTransformer3DModel

    with torch.device("meta"):
        return HunyuanVideoTransformer3DModel(**changes)


def frames(count: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.rand(2, 3, count, 32, 48, generator=generator) * 2 - 1


def test_the_real_network_is_known_and_its_sites_are_counted() -> None:
    network = real_network()
    assert detect_spec(network) is HUNYUANVIDEO
    sites = HUNYUANVIDEO.sites(network)
    assert sites[:2] == ("transformer_blocks.0.attn", "transformer_blocks.2.attn")
    assert sites[-1] == "single_transformer_blocks.36.attn"
    assert [sum(site.startswith(kind) for site in sites) for kind in ("trans", "single")] == [
        10
    ] * 2
    kinds = {HUNYUAN.site_kind(network, site) for site in sites[:10]}
    assert kinds == {JOINT}
    assert {HUNYUAN.site_kind(network, site) for site in sites[10:]} == {JOINT_UNPROJECTED}


@pytest.mark.parametrize(
    "changes", [{"image_condition_type": "latent_concat"}, {"guidance_embeds": False}]
)
def test_others_of_its_class_are_not_taken_for_it(changes: dict[str, Any]) -> None:
    few = {"num_layers": 20, "num_single_layers": 1, "num_attention_heads": 1}
    with pytest.raises(UsageError, match="is not a backbone that facekit knows"):
        detect_spec(real_network(**few, **changes))


def test_tiny_is_the_same_on_every_call(pipe: Any) -> None:
    torch.manual_seed(2)
    after = torch.rand(1)
    torch.manual_seed(2)
    assert torch.equal(predict(pipe), predict(tiny_pipe(NAME)))
    assert torch.equal(torch.rand(1), after), "the global generator is left alone"
    assert detect_spec(pipe) is HUNYUANVIDEO


def test_text_and_prediction_are_the_pipelines(pipe: Any) -> None:
    """Told the guidance of training, it computes what training computes."""
    prompts = ["a woman with red hair", "a man"]
    calls, _ = record_calls(pipe)
    sample(pipe, HUNYUANVIDEO, guidance_scale=1.0, prompt=prompts)
    first = calls[0]
    text = HUNYUAN.encode_text(pipe, HUNYUANVIDEO, prompts)
    for name, tensor in text.items():
        assert torch.equal(first.told[name], tensor), name
    states = text["encoder_hidden_states"]
    assert states.shape == (2, HUNYUANVIDEO.max_sequence_length, 16)
    assert not torch.equal(states[0], states[1])
    assert text["encoder_attention_mask"].sum(1).diff().item() < 0, "the longer prompt first"
    assert not torch.equal(*text["pooled_projections"])
    sigma_B = first.told["timestep"] / 1000
    ours = HUNYUAN.predict(pipe, HUNYUANVIDEO, first.told["hidden_states"], sigma_B, text)
    assert torch.equal(ours, first.answer)


def test_sampling_tells_the_network_its_own_guidance(pipe: Any) -> None:
    calls, _ = record_calls(pipe)
    sample(pipe, HUNYUANVIDEO, guidance_scale=6.0)
    assert [call.told["guidance"].tolist() for call in calls] == [[6000.0] * 2] * 2
    predict(pipe)
    assert calls[-1].told["guidance"].tolist() == [1000.0] * 2


def test_the_two_passes_of_true_guidance_are_told_apart(pipe: Any) -> None:
    """The first step starts from the same noise, so nobody's pass answers as the bare network."""
    true = {"true_cfg_scale": 3.0, "negative_prompt": ["", ""]}
    calls, _ = record_calls(pipe)
    base = sample(pipe, HUNYUANVIDEO, **true)
    bare, calls[:] = calls[:2], []
    adapter = tiny_adapter(pipe.transformer, HUNYUANVIDEO)
    folded = adapter.fold(adapter.tokens(embeddings())).detached()
    with attach(adapter, pipe.transformer, HUNYUANVIDEO, pipe=pipe) as attachment:
        with attachment.conditioned_on(folded):
            two_way = sample(pipe, HUNYUANVIDEO, **true)
        with attachment.conditioned_on(
            folded, guidance="three_way", identity_guidance=3.0, guidance_scale=3.0
        ):
            # With g_i = g it is the pipeline's own guidance against a pass without anybody.
            three_way = sample(pipe, HUNYUANVIDEO, **true)
    assert not torch.equal(calls[0].answer, bare[0].answer), "with the prompt"
    assert torch.equal(calls[1].answer, bare[1].answer), "without it"
    assert not torch.allclose(two_way, base)
    torch.testing.assert_close(three_way, two_way, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("count", [1, 5, 9])
def test_latents_are_the_autoencoders_and_scaled(pipe: Any, count: int) -> None:
    latents = HUNYUAN.encode_video(pipe, frames(count))
    assert latents.shape == (2, 4, (count - 1) // 4 + 1, 4, 6)
    raw = pipe.vae.encode(frames(count)).latent_dist.mode()
    torch.testing.assert_close(latents, raw * 0.476986)
    decoded = HUNYUAN.decode_latents(pipe, latents)
    assert torch.equal(decoded, pipe.vae.decode(latents / 0.476986).sample)
    assert decoded.shape == frames(count).shape
    assert HUNYUAN.decode_latents(pipe, 99 * latents, clamp=True).abs().max() == 1


def test_frames_that_would_be_dropped_are_refused(pipe: Any) -> None:
    with pytest.raises(UsageError, match=r"num_frames is 7, expected 4 \* n \+ 1"):
        HUNYUAN.encode_video(pipe, frames(7))


def test_gradients_flow_through_the_decoder(pipe: Any) -> None:
    pipe.vae.requires_grad_(False)
    latents = HUNYUAN.encode_video(pipe, frames(1)).requires_grad_()
    HUNYUAN.decode_latents(pipe, latents).sum().backward()
    assert latents.grad is not None
    assert latents.grad.abs().max() > 0


def test_lora_is_in_both_streams_and_not_in_what_refines_the_text(pipe: Any) -> None:
    add_lora(pipe.transformer, HUNYUANVIDEO, LoraSettings(rank=2, alpha=2.0))
    layers = {path.rsplit(".lora_", 1)[0] for path in named_lora_parameters(pipe.transformer)}
    assert layers == {
        *(
            f"transformer_blocks.{block}.{target}"
            for block in range(3)
            for target in HUNYUANVIDEO.lora_targets
        ),
        *(
            f"single_transformer_blocks.{block}.attn.{linear}"
            for block in range(5)
            for linear in ("to_q", "to_k", "to_v")
        ),
    }


def test_saved_and_loaded_it_is_the_same(pipe: Any, tmp_path: Path) -> None:
    pipe.save_pretrained(tmp_path / "backbone")
    loaded = HUNYUANVIDEO.load(tmp_path / "backbone")
    assert torch.equal(predict(loaded), predict(pipe))
    alone = HUNYUANVIDEO.tokenizer(tmp_path / "backbone")
    assert alone("a man, smiling")["input_ids"] == pipe.tokenizer("a man, smiling")["input_ids"]
    assert pipeline_digest(loaded) == backbone_digest(tmp_path / "backbone")
    with pytest.raises(WeightsMissing, match=r"hf download hunyuanvideo-community/HunyuanVideo "):
        HUNYUANVIDEO.load()


def test_it_draws_in_half_precision_with_an_identity(pipe: Any, tmp_path: Path) -> None:
    pipe.save_pretrained(tmp_path)
    loaded: Any = HUNYUANVIDEO.load(tmp_path, torch.bfloat16)
    loaded.set_progress_bar_config(disable=True)
    loaded.transformer.requires_grad_(False)
    adapter = tiny_adapter(loaded.transformer, HUNYUANVIDEO)
    folded = adapter.fold(adapter.tokens(embeddings())).detached()
    with attach(adapter, loaded.transformer, HUNYUANVIDEO, pipe=loaded) as attachment:
        base = sample(loaded, HUNYUANVIDEO, output_type="np")
        with attachment.conditioned_on(folded):
            drawn = sample(loaded, HUNYUANVIDEO, output_type="np")
    assert np.isfinite(drawn).all()
    assert drawn.shape == (2, 5, 32, 32, 3)
    assert not np.array_equal(drawn, base)
