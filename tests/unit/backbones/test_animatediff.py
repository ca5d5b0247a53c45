"""AnimateDiff against the stock pipeline, its two repositories, and what its sites see."""

import dataclasses
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import nn

from facekit.adapters.attach import attach
from facekit.adapters.attention import IdentityProcessor
from facekit.adapters.lora import LoraSettings, add_lora, named_lora_parameters
from facekit.backbones import detect_spec, get_spec
from facekit.backbones.animatediff import ANIMATEDIFF
from facekit.backbones.digest import pipeline_digest
from facekit.errors import AdapterError, UsageError, WeightsError, WeightsMissing
from tests.tiny.backbones import embeddings, predict, sample, tiny_adapter, tiny_pipe

SPEC = get_spec("animatediff_sd15")
IMAGE_REPO, IMAGE_REVISION = SPEC.family.repositories(SPEC)[1]


@pytest.fixture
def pipe() -> Any:
    return tiny_pipe(SPEC.name)


def frames(count: int = 3) -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.rand(2, 3, count, 32, 48, generator=generator) * 2 - 1


def calls_of(pipe: Any) -> list[tuple[tuple[Any, ...], dict[str, Any], torch.Tensor]]:
    """Positional and named arguments and the answer of every call of the UNet."""
    seen: list[Any] = []

    def keep(module: nn.Module, args: Any, kwargs: Any, output: Any) -> None:
        seen.append((args, kwargs, output[0] if isinstance(output, tuple) else output.sample))

    pipe.unet.register_forward_hook(keep, with_kwargs=True)
    return seen


def test_tiny_is_the_same_on_every_call_and_told_apart(pipe: Any) -> None:
    torch.manual_seed(2)
    after = torch.rand(1)
    torch.manual_seed(2)
    assert torch.equal(predict(pipe), predict(tiny_pipe(SPEC.name)))
    assert torch.equal(torch.rand(1), after), "the global generator is left alone"
    assert detect_spec(pipe) is detect_spec(pipe.unet) is SPEC


def test_the_motion_modules_are_those_of_the_adapter(pipe: Any) -> None:
    ours, theirs = pipe.unet.mid_block.motion_modules, pipe.motion_adapter.mid_block.motion_modules
    for one, other in zip(ours.parameters(), theirs.parameters(), strict=True):
        assert torch.equal(one, other)


def test_sites_are_the_spatial_attentions_to_the_text_and_no_others(pipe: Any) -> None:
    sites = SPEC.sites(pipe.unet)
    named = [name for name, _ in pipe.unet.named_modules() if name.endswith(".attn2")]
    assert set(sites) == {name for name in named if "motion_modules" not in name}
    assert len(sites) == 16 < len(named)
    assert sites[0].startswith("down_blocks.0.attentions.0.")
    assert sites[6].startswith("mid_block.attentions.0.")
    assert sites[-1].startswith("up_blocks.3.attentions.2.")
    few = dataclasses.replace(SPEC, site_every=4)
    assert few.sites(pipe.unet) == sites[::4]


def test_the_real_unet_has_these_sites() -> None:
    """The defaults of diffusers are those of both repositories but for the text's width."""
    from diffusers import MotionAdapter, UNet2DConditionModel, UNetMotionModel

    with torch.device("meta"):
        images = UNet2DConditionModel(cross_attention_dim=768)
        unet = UNetMotionModel.from_unet2d(images, MotionAdapter(), load_weights=False)
    assert detect_spec(unet) is SPEC
    sites = SPEC.sites(unet)
    assert sites == SPEC.sites(tiny_pipe(SPEC.name).unet)
    kind = ANIMATEDIFF.site_kind(unet, sites[0])
    widths = [kind.width(unet.get_submodule(site)) for site in sites]
    assert widths == [320] * 2 + [640] * 2 + [1280] * 6 + [640] * 3 + [320] * 3


@pytest.mark.parametrize(
    ("height", "width"), [(4, 6), (3, 5), pytest.param(54, 96, marks=pytest.mark.slow)]
)
def test_every_site_sees_the_grid_that_is_said(pipe: Any, height: int, width: int) -> None:
    seen: dict[str, tuple[int, ...]] = {}

    def keep(site: str) -> Any:
        return lambda module, args, output: seen.__setitem__(site, tuple(output.shape))

    for site in SPEC.sites(pipe.unet):
        pipe.unet.get_submodule(site).register_forward_hook(keep(site))
    text = torch.zeros(1, 77, 16)
    with torch.no_grad():
        ANIMATEDIFF.predict(
            pipe,
            SPEC,
            torch.zeros(1, 4, 2, height, width),
            torch.ones(1),
            {"encoder_hidden_states": text},
        )
    for site, (batch, tokens, _) in seen.items():
        grid = ANIMATEDIFF.site_grid((2, height, width), site)
        assert (batch, tokens) == (grid[0], grid[1] * grid[2]), site
    assert len({tokens for _, tokens, _ in seen.values()}) > 2


def test_text_is_what_the_pipeline_feeds_its_unet(pipe: Any) -> None:
    text = ANIMATEDIFF.encode_text(pipe, SPEC, ["a woman with red hair", ""])
    embeds = text["encoder_hidden_states"]
    assert embeds.shape == (2, 77, pipe.unet.config.cross_attention_dim)
    calls = calls_of(pipe)
    pipe(
        "a woman with red hair",
        height=32,
        width=32,
        num_frames=3,
        num_inference_steps=1,
        output_type="latent",
        **ANIMATEDIFF.sampling_options(SPEC, 2.0, 8.0),
    )
    ((_, kwargs, _),) = calls
    fed = kwargs["encoder_hidden_states"]
    # First without the prompt, and every frame is told.
    torch.testing.assert_close(fed, embeds.flip(0).repeat_interleave(3, dim=0))
    assert not torch.allclose(fed[:3], fed[3:])


def test_a_prediction_is_what_the_pipeline_is_given(pipe: Any) -> None:
    calls = calls_of(pipe)
    sample(pipe, SPEC)
    text = ANIMATEDIFF.encode_text(pipe, SPEC, ["", "", "a woman in the park", "a man"])
    assert len(calls) == 2
    for args, _, given in list(calls):
        latents, timestep = args
        sigma_B = SPEC.process.sigma(timestep.reshape(1)).expand(len(latents))
        with torch.no_grad():
            noise = ANIMATEDIFF.predict(pipe, SPEC, latents, sigma_B, text)
        torch.testing.assert_close(noise, given)


@pytest.mark.parametrize("count", [1, 2, 5])
def test_latents_have_the_pipelines_shape_and_scale(pipe: Any, count: int) -> None:
    clip = frames(count)
    latents = ANIMATEDIFF.encode_video(pipe, clip)
    assert latents.shape == (2, 4, count, 4, 6)
    alone = pipe.vae.encode(clip[1:, :, -1]).latent_dist.mode() * 0.18215
    torch.testing.assert_close(latents[1:, :, -1], alone)


def test_decoding_is_the_pipelines_own(pipe: Any) -> None:
    latents = ANIMATEDIFF.encode_video(pipe, frames())
    with torch.no_grad():
        pipe.vae.decoder.conv_out.bias += 1.5
        theirs = pipe.decode_latents(latents)
        free = ANIMATEDIFF.decode_latents(pipe, latents)
    torch.testing.assert_close(free, theirs)
    assert free.shape == (2, 3, 3, 32, 48)
    assert free.max() > 1
    clamped = ANIMATEDIFF.decode_latents(pipe, latents, clamp=True)
    assert torch.equal(clamped, free.clamp(-1, 1))


def test_gradients_flow_where_the_decoder_saturates(pipe: Any) -> None:
    pipe.vae.requires_grad_(False)
    with torch.no_grad():
        pipe.vae.decoder.conv_out.bias += 1.5
    latents = ANIMATEDIFF.encode_video(pipe, frames()).requires_grad_()
    decoded = ANIMATEDIFF.decode_latents(pipe, latents)
    decoded[decoded > 1].sum().backward()
    assert latents.grad is not None
    assert latents.grad.abs().max() > 0


def test_noise_is_that_of_the_pipelines_scheduler(pipe: Any) -> None:
    latents, noise = torch.randn(2, 3, 4, 1, 5, 5)
    sigma_B = torch.tensor([0.1, 0.5, 0.9])
    timesteps = SPEC.process.timestep(sigma_B).long()
    theirs = pipe.scheduler.add_noise(latents, noise, timesteps)
    torch.testing.assert_close(SPEC.process.add_noise(latents, noise, sigma_B), theirs)
    assert torch.equal(SPEC.process.target(latents, noise, sigma_B), noise)


def test_noise_levels_are_drawn_around_the_middle_timestep(pipe: Any) -> None:
    shift = ANIMATEDIFF.shift(pipe)
    median = shift * 0.5 / (1 + (shift - 1) * 0.5)
    assert SPEC.process.timestep(torch.tensor([median])).item() == pytest.approx(500, abs=1)


def test_calls_are_told_apart_by_how_they_tell_the_timestep(pipe: Any) -> None:
    calls = calls_of(pipe)
    predict(pipe)
    sample(pipe, SPEC)
    kinds = [ANIMATEDIFF.pass_kind(None, kwargs) for _, kwargs, _ in calls]
    assert kinds == ["conditional", "both", "both"]
    for kwargs in ({"timestep": 500}, {"timestep": torch.tensor(500)}, {}):
        assert ANIMATEDIFF.pass_kind(None, kwargs) == "both"


def test_only_the_half_with_the_prompt_sees_the_identity(pipe: Any) -> None:
    calls = calls_of(pipe)
    adapter = tiny_adapter(pipe.unet, SPEC)
    attachment = attach(adapter, pipe.unet, SPEC, pipe=pipe)
    folded = adapter.fold(adapter.tokens(embeddings())).detached()
    once: dict[str, Any] = {"num_inference_steps": 1}
    sample(pipe, SPEC, **once)
    for unconditional in ("null", "same"):
        with attachment.conditioned_on(folded, unconditional=unconditional):
            sample(pipe, SPEC, **once)
    bare, null, same = (given for _, _, given in calls)
    assert torch.equal(null[:2], bare[:2])
    assert not torch.allclose(null[2:], bare[2:])
    assert torch.equal(same[2:], null[2:])
    assert not torch.allclose(same[:2], bare[:2])


def test_without_guidance_everything_is_told_of_the_identity(pipe: Any) -> None:
    adapter = tiny_adapter(pipe.unet, SPEC)
    attachment = attach(adapter, pipe.unet, SPEC, pipe=pipe)
    folded = adapter.fold(adapter.tokens(embeddings())).detached()
    calls = calls_of(pipe)
    with attachment.conditioned_on(folded):
        sample(pipe, SPEC, guidance_scale=1.0, num_inference_steps=1)
        latents, timestep = calls[0][0]
        text = ANIMATEDIFF.encode_text(pipe, SPEC, ["a woman in the park", "a man"])
        sigma_B = SPEC.process.sigma(timestep.reshape(1)).expand(2)
        with torch.no_grad():
            noise = ANIMATEDIFF.predict(pipe, SPEC, latents, sigma_B, text)
    torch.testing.assert_close(noise, calls[0][2])


def test_a_pipeline_that_is_not_known_is_asked_for(pipe: Any) -> None:
    adapter = tiny_adapter(pipe.unet, SPEC)
    attachment = attach(adapter, pipe.unet, SPEC)
    folded = adapter.fold(adapter.tokens(embeddings())).detached()
    with (
        attachment.conditioned_on(folded),
        pytest.raises(AdapterError, match="both halves of its guidance in one batch"),
    ):
        sample(pipe, SPEC)


def test_equal_noise_without_guidance_is_not_taken_for_guidance(pipe: Any) -> None:
    adapter = tiny_adapter(pipe.unet, SPEC)
    attachment = attach(adapter, pipe.unet, SPEC, pipe=pipe)
    folded = adapter.fold(adapter.tokens(embeddings())).detached()
    same = [torch.Generator().manual_seed(1) for _ in range(2)]
    with (
        attachment.conditioned_on(folded),
        pytest.raises(AdapterError, match="cannot be told from the halves"),
    ):
        sample(pipe, SPEC, guidance_scale=1.0, generator=same)


def test_three_way_guidance_in_one_batch(pipe: Any) -> None:
    """As strong as the text's, the guidance of the identity is the two-way one."""
    adapter = tiny_adapter(pipe.unet, SPEC)
    attachment = attach(adapter, pipe.unet, SPEC, pipe=pipe)
    folded = adapter.fold(adapter.tokens(embeddings())).detached()
    with attachment.conditioned_on(folded):
        two_way = sample(pipe, SPEC)
    options: dict[str, Any] = {"guidance": "three_way", "guidance_scale": 2.0}
    with attachment.conditioned_on(folded, identity_guidance=2.0, **options):
        torch.testing.assert_close(sample(pipe, SPEC), two_way, rtol=1e-4, atol=1e-4)
    with attachment.conditioned_on(folded, identity_guidance=1.2, **options):
        assert not torch.allclose(sample(pipe, SPEC), two_way)


def test_free_noise_draws_long_clips_with_the_identity(pipe: Any) -> None:
    """Its windows live inside the motion modules; the spatial sites see frames as ever."""
    pipe.enable_free_noise(context_length=4, context_stride=2)

    def run() -> torch.Tensor:
        latents: torch.Tensor = pipe(
            "a woman",
            height=16,
            width=24,
            num_frames=6,
            num_inference_steps=1,
            generator=torch.Generator().manual_seed(0),
            output_type="latent",
        ).frames
        return latents

    adapter = tiny_adapter(pipe.unet, SPEC)
    base = run()
    with attach(adapter, pipe.unet, SPEC, pipe=pipe) as attachment:
        attachment.condition(adapter.fold(adapter.tokens(embeddings())).detached())
        assert not torch.allclose(run(), base)
    assert torch.equal(run(), base)


def test_neither_identity_nor_lora_touches_motion(pipe: Any) -> None:
    attach(tiny_adapter(pipe.unet, SPEC), pipe.unet, SPEC)
    add_lora(pipe.unet, SPEC, LoraSettings(rank=2, alpha=2.0))
    names = named_lora_parameters(pipe.unet)
    assert len(names) == 16 * 2 * 4 * 2, "sites, attentions, linear layers, halves"
    assert not [name for name in names if "motion_modules" in name]
    moved = [m for name, m in pipe.unet.named_modules() if "motion_modules" in name]
    processors = [getattr(module, "processor", None) for module in moved]
    assert not any(isinstance(processor, IdentityProcessor) for processor in processors)


def test_saved_and_loaded_it_is_the_same(pipe: Any, tmp_path: Path) -> None:
    pipe.save_pretrained(tmp_path)
    loaded: Any = SPEC.load(tmp_path)
    torch.testing.assert_close(predict(loaded), predict(pipe))
    assert loaded.vae.dtype == torch.float32
    half: Any = SPEC.load(tmp_path, torch.float16)
    assert (half.unet.dtype, half.vae.dtype) == (torch.float16, torch.float32)
    alone = SPEC.tokenizer(tmp_path)
    assert alone("a man, smiling")["input_ids"] == pipe.tokenizer("a man, smiling")["input_ids"]
    assert len(pipeline_digest(loaded)) == 64


def image_pipeline(pipe: Any, seed: int = 0) -> Any:
    """A pipeline for pictures whose parts, put together with the motion, make a tiny one."""
    from diffusers import PNDMScheduler, StableDiffusionPipeline, UNet2DConditionModel

    config = pipe.unet.config
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        unet = UNet2DConditionModel(
            block_out_channels=config.block_out_channels,
            norm_num_groups=config.norm_num_groups,
            cross_attention_dim=config.cross_attention_dim,
            attention_head_dim=config.num_attention_heads,
        )
    return StableDiffusionPipeline(
        vae=pipe.vae,
        text_encoder=pipe.text_encoder,
        tokenizer=pipe.tokenizer,
        unet=unet,
        scheduler=PNDMScheduler(
            beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", steps_offset=1
        ),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The Hub's cache, empty."""
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    return tmp_path / "hub"


def place(hub: Path, repo: str, revision: str) -> Path:
    return hub / f"models--{repo.replace('/', '--')}" / "snapshots" / revision


def test_two_repositories_make_one_pipeline(pipe: Any, hub: Path) -> None:
    with pytest.raises(WeightsMissing, match=f"hf download {SPEC.repo} --revision 6167b88"):
        SPEC.load()
    pipe.motion_adapter.save_pretrained(place(hub, SPEC.repo, SPEC.revision))
    with pytest.raises(WeightsMissing, match=f"hf download {IMAGE_REPO} --revision 451f4fe"):
        SPEC.load()
    images = image_pipeline(pipe)
    images.save_pretrained(place(hub, IMAGE_REPO, IMAGE_REVISION))

    loaded: Any = SPEC.load()
    assert detect_spec(loaded) is SPEC
    outline: Any = ANIMATEDIFF.outline(SPEC, None)
    assert outline.device.type == "meta"
    assert list(outline.state_dict()) == list(loaded.unet.state_dict())
    spatial = SPEC.sites(loaded.unet)[0] + ".to_q"
    ours, theirs = (net.get_submodule(spatial).weight for net in (loaded.unet, images.unet))
    assert torch.equal(ours, theirs)
    motion = "mid_block.motion_modules.0.transformer_blocks.0.attn1.to_q"
    ours, theirs = (net.get_submodule(motion).weight for net in (loaded.unet, pipe.unet))
    assert torch.equal(ours, theirs)
    config = loaded.scheduler.config
    assert (config.beta_schedule, config.clip_sample) == ("linear", False)
    assert SPEC.tokenizer()("a man")["input_ids"] == pipe.tokenizer("a man")["input_ids"]
    sample(loaded, SPEC)

    digest = pipeline_digest(loaded)
    assert len(digest) == 64, "of both"
    image_pipeline(pipe, seed=1).save_pretrained(place(hub, IMAGE_REPO, IMAGE_REVISION))
    other = pipeline_digest(SPEC.load())
    assert other != digest
    with torch.no_grad():
        pipe.motion_adapter.mid_block.motion_modules[0].proj_in.bias += 1
    pipe.motion_adapter.save_pretrained(place(hub, SPEC.repo, SPEC.revision))
    assert pipeline_digest(SPEC.load()) not in (digest, other)


def test_an_image_model_of_ones_own_gets_the_motion(pipe: Any, hub: Path, tmp_path: Path) -> None:
    """The stock pipeline would give it motion modules of random numbers."""
    images = image_pipeline(pipe, seed=5)
    images.save_pretrained(tmp_path / "own")
    with pytest.raises(WeightsMissing, match=f"hf download {SPEC.repo}"):
        SPEC.load(tmp_path / "own")
    pipe.motion_adapter.save_pretrained(place(hub, SPEC.repo, SPEC.revision))
    loaded: Any = SPEC.load(tmp_path / "own")
    motion = "mid_block.motion_modules.0.transformer_blocks.0.attn1.to_q"
    ours, theirs = (net.get_submodule(motion).weight for net in (loaded.unet, pipe.unet))
    assert torch.equal(ours, theirs)
    assert torch.equal(loaded.unet.conv_in.weight, images.unet.conv_in.weight)
    assert loaded.scheduler.config.beta_schedule == "linear"
    assert len(pipeline_digest(loaded)) == 64


def test_folders_that_are_no_pipeline(tmp_path: Path) -> None:
    with pytest.raises(WeightsMissing, match=r"no model_index\.json"):
        SPEC.load(tmp_path)
    for text in ("{", "[]", '{"transformer": ["diffusers", "WanTransformer3DModel"]}'):
        (tmp_path / "model_index.json").write_text(text)
        with pytest.raises(WeightsError, match="expected AnimateDiff or Stable Diffusion"):
            SPEC.load(tmp_path)


@pytest.mark.parametrize("num_frames", [1, 2, 16, 32])
def test_any_number_of_frames_up_to_the_length_of_the_motion_modules(num_frames: int) -> None:
    SPEC.check_frames(num_frames)


@pytest.mark.parametrize(("num_frames", "near"), [(0, 1), (33, 32), (100, 32)])
def test_other_numbers_of_frames(num_frames: int, near: int) -> None:
    with pytest.raises(UsageError, match=f"expected 1 to 32 for animatediff_sd15; use {near}$"):
        SPEC.check_frames(num_frames)


def test_what_is_no_unet_has_no_sites() -> None:
    assert ANIMATEDIFF.find_sites(nn.Linear(1, 1), 1) == ()
    with pytest.raises(UsageError, match="is not a backbone"):
        detect_spec(SimpleNamespace(unet=nn.Linear(1, 1)))
