"""What Wan from a first frame is given beside its latents, against the stock pipeline."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from facekit.adapters.attach import attach
from facekit.backbones import detect_spec, get_spec
from facekit.backbones.wan_image import WAN_IMAGE
from facekit.errors import UsageError
from facekit.generation.continuation import continuation_pipeline, continue_clip
from facekit.generation.sample import SampleSettings, run_pipeline
from facekit.recipe import load_recipe
from facekit.types import Clip, NoProgress, Shot
from facekit.workflows import shoot_warnings, train_checks
from facekit.workflows.shoot import plan_shoot
from facekit.workflows.train import plan_train
from tests.tiny.backbones import (
    embeddings,
    network_of,
    predict,
    sample,
    tiny_adapter,
    tiny_character,
    tiny_pipe,
)
from tests.tiny.photos import good_photos

PHOTO = Image.linear_gradient("L").convert("RGB").rotate(30)


@pytest.fixture(params=["wan2_1_i2v_14b", "wan2_2_i2v_a14b"])
def backbone(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture
def pipe(backbone: str) -> Any:
    return tiny_pipe(backbone)


def asked_and_answered(pipe: Any) -> list[tuple[dict[str, Any], torch.Tensor]]:
    """Collect the calls of the networks from here on."""
    calls: list[tuple[dict[str, Any], torch.Tensor]] = []
    for network in WAN_IMAGE.networks(pipe):
        network.register_forward_hook(
            lambda module, args, kwargs, output: calls.append((kwargs, output[0])),
            with_kwargs=True,
        )
    return calls


def test_where_no_frame_is_given_all_is_as_the_pipeline_makes_it(pipe: Any, backbone: str) -> None:
    """Its empty frames are zeros; a first frame of zeros differs from them by its mark alone."""
    spec = get_spec(backbone)
    calls = asked_and_answered(pipe)
    zeros = torch.full((1, 3, 32, 32), 0.5)  # of 0..1
    sample(pipe, spec, guidance_scale=1.0, image=zeros)
    text = WAN_IMAGE.encode_text(pipe, spec, ["a woman in the park", "a man"])
    for asked, _ in list(calls):
        given = asked["hidden_states"]
        noisy, marks, latents = given.split([4, 4, 4], dim=1)
        assert marks[:, :, 0].min() == 1
        assert not marks[:, :, 1:].any()
        sigma_B = asked["timestep"] / 1000
        network = WAN_IMAGE.networks(pipe)[0 if sigma_B[0] >= 0.9 else -1]
        predicted = WAN_IMAGE.predict(pipe, spec, noisy, sigma_B, text)
        ours = calls[-1][0]["hidden_states"]
        torch.testing.assert_close(ours, torch.cat([noisy, 0 * marks, latents], dim=1))
        theirs = network(**{**asked, "hidden_states": ours, **text})[0]
        torch.testing.assert_close(predicted, theirs)


def test_the_picture_that_is_not_there_is_embedded_as_the_pipeline_does() -> None:
    pipe, spec = tiny_pipe("wan2_1_i2v_14b"), get_spec("wan2_1_i2v_14b")
    calls = asked_and_answered(pipe)
    sample(pipe, spec)
    text = WAN_IMAGE.encode_text(pipe, spec, ["a woman in the park", "a man"])
    for name, tensor in text.items():
        torch.testing.assert_close(calls[0][0][name], tensor)
    assert text["encoder_hidden_states_image"].shape == (2, 5, 8)
    other = tiny_pipe("wan2_2_i2v_a14b")
    text = WAN_IMAGE.encode_text(other, get_spec("wan2_2_i2v_a14b"), ["a man"])
    assert set(text) == {"encoder_hidden_states"}, "Wan 2.2 has no image encoder"


def test_identity_leaves_the_split_of_text_and_picture_alone() -> None:
    """diffusers' processor takes the last 512 tokens for the text, the others for the picture."""
    name = "wan2_1_i2v_14b"
    pipe, spec = tiny_pipe(name), get_spec(name)
    adapter = tiny_adapter(pipe.transformer, spec)
    site = pipe.transformer.get_submodule(spec.sites(pipe.transformer)[0])
    heard: list[torch.Tensor] = []
    for layer in (site.to_k, site.add_k_proj):
        layer.register_forward_pre_hook(lambda module, args: heard.append(args[0]))

    def run() -> torch.Tensor:
        return sample(pipe, spec, image=PHOTO)

    base = run()
    alone = list(heard)
    assert [tokens.shape[1] for tokens in alone[:2]] == [512, 5]
    attachment = attach(adapter, pipe.transformer, spec, pipe=pipe)
    folded = adapter.fold(adapter.tokens(embeddings())).detached()
    with attachment.conditioned_on(folded):
        attachment.set_strength(0.0)
        assert torch.equal(run(), base)
        attachment.set_strength(1.0)
        heard.clear()
        assert not torch.allclose(run(), base)
    assert len(heard) == len(alone)
    # Later on the latents differ, but what is attended to does not depend on them.
    assert all(torch.equal(one, other) for one, other in zip(heard, alone, strict=True))


def test_a_callers_own_first_frame_takes_the_place_of_the_empty_one(backbone: str) -> None:
    pipe, spec = tiny_pipe(backbone), get_spec(backbone)
    calls = asked_and_answered(pipe)
    shot = Shot(
        name="one", prompt="a man", seed=1, num_frames=5, height=32, width=32, kind="unknown"
    )
    settings = SampleSettings(num_inference_steps=1, guidance_scale=1.0, fps=8.0)
    seen = []
    for extra in ({}, {"image": PHOTO}):
        run_pipeline(pipe, [shot], spec, settings, NoProgress(), extra)
        seen.append(calls[-1][0]["hidden_states"][:, -4:])
    assert not torch.allclose(*seen)


def test_plans_say_that_clips_begin_with_an_empty_picture(
    backbone: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = load_recipe(f"{backbone}/train")
    for module in (train_checks, shoot_warnings):
        monkeypatch.setattr(module, "load_tokenizer", lambda recipe: tiny_pipe(backbone).tokenizer)
    good_photos(tmp_path / "photos")
    trained = plan_train(
        [tmp_path / "photos"], name="mira", recipe=recipe, out=tmp_path, drawn=True
    )
    assert any("its score says nothing" in warning for warning in trained.warnings)
    assert recipe.validate.every == 0
    tiny_character(tiny_pipe(backbone), backbone).save(tmp_path / "adapter.safetensors")
    shots = plan_shoot(["@mira0 in the park"], character=str(tmp_path), recipe=recipe)
    assert any("an empty grey one begins them" in warning for warning in shots.warnings)
    tiny_character(tiny_pipe()).save(tmp_path / "adapter.safetensors")
    recipe = load_recipe("toon/train")
    shots = plan_shoot(["@mira0 in the park"], character=str(tmp_path), recipe=recipe)
    assert not any("grey" in warning for warning in shots.warnings)


def test_saved_and_loaded_it_is_the_same(pipe: Any, backbone: str, tmp_path: Path) -> None:
    pipe.save_pretrained(tmp_path)
    loaded: Any = get_spec(backbone).load(tmp_path)
    assert detect_spec(loaded).name == backbone
    assert torch.equal(predict(loaded), predict(pipe))
    assert network_of(loaded) is WAN_IMAGE.networks(loaded)[-1]


def test_a_clip_goes_on_from_a_frame_and_ends_with_one_where_it_can(backbone: str) -> None:
    pipe, spec = tiny_pipe(backbone), get_spec(backbone)
    shot = Shot(
        name="one", prompt="a man", seed=1, num_frames=5, height=32, width=32, kind="unknown"
    )
    settings = SampleSettings(num_inference_steps=1, guidance_scale=1.0, fps=8.0)
    first, other = (
        Clip(frames=np.full((1, 32, 32, 3), grey, np.uint8), fps=8.0) for grey in (0, 200)
    )
    continued = continuation_pipeline(pipe)
    assert continued is pipe

    def draw(clip: Clip, last: np.ndarray | None = None) -> np.ndarray:
        return continue_clip(continued, clip, shot, spec, settings, last=last).frames

    plain = draw(first)
    assert not np.array_equal(plain, draw(other))
    if spec.ends_with_frame:
        assert not np.array_equal(plain, draw(first, other.frames[0]))
    else:
        with pytest.raises(UsageError, match="takes clean frames at the beginning alone"):
            draw(first, other.frames[0])
