"""HunyuanVideo-1.5: texts, condition, guider and autoencoder, against the stock pipeline."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from facekit.adapters.attach import attach
from facekit.adapters.lora import LoraSettings, add_lora, named_lora_parameters
from facekit.backbones import detect_spec
from facekit.backbones.hunyuan15 import HUNYUAN15, HUNYUANVIDEO_1_5
from facekit.backbones.hunyuan15_tiny import shorten
from facekit.backbones.sites import JOINT
from facekit.errors import UsageError
from facekit.generation.sample import SampleSettings
from facekit.generation.sample import sample as sample_clips
from facekit.types import NoProgress, Shot
from tests.tiny.backbones import embeddings, predict, sample, tiny_adapter, tiny_pipe
from tests.tiny.network_calls import record_calls

NAME = "hunyuanvideo_1_5"


@pytest.fixture
def pipe() -> Any:
    return tiny_pipe(NAME)


def real_network(**changes: Any) -> Any:
    """The network in its real size, without weights."""
    from diffusers import HunyuanVideo15Transformer3DModel

    with torch.device("meta"):
        return HunyuanVideo15Transformer3DModel(**{"task_type": "t2v", **changes})


def frames(count: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.rand(2, 3, count, 32, 48, generator=generator) * 2 - 1


def test_the_real_network_is_known_and_its_sites_are_counted() -> None:
    network = real_network()
    assert detect_spec(network) is HUNYUANVIDEO_1_5
    sites = HUNYUANVIDEO_1_5.sites(network)
    assert sites == tuple(f"transformer_blocks.{index}.attn" for index in range(0, 54, 2))
    assert {HUNYUAN15.site_kind(network, site) for site in sites} == {JOINT}


@pytest.mark.parametrize("changes", [{"task_type": "i2v"}, {"target_size": 960}])
def test_others_of_its_class_are_not_taken_for_it(changes: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match="is not a backbone that facekit knows"):
        detect_spec(real_network(num_attention_heads=1, **changes))


def test_tiny_is_the_same_on_every_call(pipe: Any) -> None:
    torch.manual_seed(2)
    after = torch.rand(1)
    torch.manual_seed(2)
    assert torch.equal(predict(pipe), predict(tiny_pipe(NAME)))
    assert torch.equal(torch.rand(1), after), "the global generator is left alone"
    assert detect_spec(pipe) is HUNYUANVIDEO_1_5


def test_text_and_prediction_are_the_pipelines(pipe: Any) -> None:
    """What stands in quotes is spelt out by the second text encoder."""
    prompts = ['a woman with "hair"', ""]
    calls, _ = record_calls(pipe)
    sample(pipe, HUNYUANVIDEO_1_5, prompt=prompts, negative_prompt=["", "a man"])
    first = calls[0]
    text = HUNYUAN15.encode_text(pipe, HUNYUANVIDEO_1_5, prompts)
    for name, tensor in text.items():
        assert torch.equal(first.told[name], tensor), name
    assert text["encoder_hidden_states"].shape == (2, 12, 16)
    assert text["encoder_attention_mask"].sum(1).diff().item() < 0, "the longer prompt first"
    assert text["encoder_attention_mask_2"].sum(1).tolist() == [6, 0]
    channels = first.told["hidden_states"]
    assert channels.shape[1] == 9
    assert not channels[:, 4:].any(), "no image"
    sigma_B = first.told["timestep"] / 1000
    ours = HUNYUAN15.predict(pipe, HUNYUANVIDEO_1_5, channels[:, :4], sigma_B, text)
    assert torch.equal(ours, first.answer)


def test_the_guider_takes_the_scale_and_gets_its_own_back(pipe: Any) -> None:
    low, high = (sample(pipe, HUNYUANVIDEO_1_5, scale) for scale in (2.0, 4.0))
    assert not torch.allclose(low, high)
    calls, _ = record_calls(pipe)
    one = sample(pipe, HUNYUANVIDEO_1_5, 1.0)
    assert len(calls) == 2, "one pass for each of two steps"
    assert not torch.allclose(one, low)
    assert pipe.guider.guidance_scale == 6.0
    with HUNYUAN15.sampling(pipe, 3.0):
        assert (pipe.guider.guidance_scale, pipe.vae.use_slicing) == (3.0, True)
    with pytest.raises(ZeroDivisionError), HUNYUAN15.sampling(pipe, 3.0):
        raise ZeroDivisionError
    assert (pipe.guider.guidance_scale, pipe.vae.use_slicing) == (6.0, False)


def test_the_two_passes_of_the_guider_are_told_apart(pipe: Any) -> None:
    calls, _ = record_calls(pipe)
    base = sample(pipe, HUNYUANVIDEO_1_5, 3.0)
    bare, calls[:] = calls[:2], []
    adapter = tiny_adapter(pipe.transformer, HUNYUANVIDEO_1_5)
    folded = adapter.fold(adapter.tokens(embeddings())).detached()
    with attach(adapter, pipe.transformer, HUNYUANVIDEO_1_5, pipe=pipe) as attachment:
        with attachment.conditioned_on(folded):
            two_way = sample(pipe, HUNYUANVIDEO_1_5, 3.0)
        with attachment.conditioned_on(
            folded, guidance="three_way", identity_guidance=3.0, guidance_scale=3.0
        ):
            # With g_i = g it is the pipeline's own guidance against a pass without anybody.
            three_way = sample(pipe, HUNYUANVIDEO_1_5, 3.0)
    assert not torch.equal(calls[0].answer, bare[0].answer), "with the prompt"
    assert torch.equal(calls[1].answer, bare[1].answer), "without it"
    assert not torch.allclose(two_way, base)
    torch.testing.assert_close(three_way, two_way, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("count", [1, 5])
def test_latents_are_the_autoencoders_one_clip_at_a_time(pipe: Any, count: int) -> None:
    """Its attention's mask does not fit a batch; nothing of the setting is left behind."""
    scale = pipe.vae.config.scaling_factor
    latents = HUNYUAN15.encode_video(pipe, frames(count))
    assert latents.shape == (2, 4, (count - 1) // 4 + 1, 2, 3)
    decoded = HUNYUAN15.decode_latents(pipe, latents)
    assert decoded.shape == frames(count).shape
    for index in range(2):
        raw = pipe.vae.encode(frames(count)[index : index + 1]).latent_dist.mode()
        torch.testing.assert_close(latents[index : index + 1], raw * scale)
        alone = pipe.vae.decode(latents[index : index + 1] / scale).sample
        torch.testing.assert_close(decoded[index : index + 1], alone)
    assert not pipe.vae.use_slicing


def test_gradients_flow_through_the_decoder(pipe: Any) -> None:
    pipe.vae.requires_grad_(False)
    latents = HUNYUAN15.encode_video(pipe, frames(1)).requires_grad_()
    HUNYUAN15.decode_latents(pipe, latents).sum().backward()
    assert latents.grad is not None
    assert latents.grad.abs().max() > 0


def test_lora_leaves_what_refines_the_text_out(pipe: Any) -> None:
    add_lora(pipe.transformer, HUNYUANVIDEO_1_5, LoraSettings(rank=2, alpha=2.0))
    layers = {path.rsplit(".lora_", 1)[0] for path in named_lora_parameters(pipe.transformer)}
    assert layers == {
        f"transformer_blocks.{block}.{target}"
        for block in range(4)
        for target in HUNYUANVIDEO_1_5.lora_targets
    }


class _Counted(NoProgress):
    def __init__(self) -> None:
        self.total = self.done = 0

    def start(self, total: int, label: str) -> None:
        self.total = total

    def advance(self, n: int = 1, info: str = "") -> None:
        self.done += n


def test_shots_are_made_together_and_counted_though_the_pipeline_reports_no_steps(
    pipe: Any,
) -> None:
    settings = SampleSettings(num_inference_steps=2, guidance_scale=2.0, fps=24.0)
    shots = [
        Shot(name=name, prompt=name, seed=3, num_frames=5, height=32, width=48, kind="close-up")
        for name in ("kitchen", "street")
    ]
    progress = _Counted()
    clips = list(sample_clips(pipe, shots, HUNYUANVIDEO_1_5, settings, progress=progress))
    assert [clip.frames.shape for clip in clips] == [(5, 32, 48, 3)] * 2
    assert progress.done == progress.total == 4


def test_saved_and_loaded_it_is_the_same(pipe: Any, tmp_path: Path) -> None:
    pipe.save_pretrained(tmp_path / "backbone")
    loaded: Any = shorten(HUNYUANVIDEO_1_5.load(tmp_path / "backbone"))
    assert torch.equal(predict(loaded), predict(pipe))
    assert loaded.guider.guidance_scale == 6.0
    alone = HUNYUANVIDEO_1_5.tokenizer(tmp_path / "backbone")
    assert alone("a man, smiling")["input_ids"] == pipe.tokenizer("a man, smiling")["input_ids"]


def test_it_draws_in_half_precision_with_an_identity(pipe: Any, tmp_path: Path) -> None:
    pipe.save_pretrained(tmp_path)
    loaded: Any = shorten(HUNYUANVIDEO_1_5.load(tmp_path, torch.bfloat16))
    loaded.set_progress_bar_config(disable=True)
    loaded.transformer.requires_grad_(False)
    adapter = tiny_adapter(loaded.transformer, HUNYUANVIDEO_1_5)
    folded = adapter.fold(adapter.tokens(embeddings())).detached()
    with attach(adapter, loaded.transformer, HUNYUANVIDEO_1_5, pipe=loaded) as attachment:
        base = sample(loaded, HUNYUANVIDEO_1_5, output_type="np")
        with attachment.conditioned_on(folded):
            drawn = sample(loaded, HUNYUANVIDEO_1_5, output_type="np")
    assert np.isfinite(drawn).all()
    assert drawn.shape == (2, 5, 32, 32, 3)
    assert not np.array_equal(drawn, base)
