import dataclasses

import numpy as np
import pytest
import torch

from facekit.adapters.attach import attach
from facekit.adapters.conditioning import Conditioning
from facekit.adapters.identity_adapter import IdentityAdapter
from facekit.backbones import get_spec, spec_names
from facekit.backbones.hunyuan import HUNYUANVIDEO
from facekit.backbones.hunyuan15 import HUNYUANVIDEO_1_5
from facekit.backbones.wan import TOON
from facekit.errors import UsageError
from facekit.generation.sample import (
    MAX_BATCH_PIXELS,
    SampleSettings,
    conditioned,
    guidance_options,
    plan_batches,
    sample,
)
from facekit.recipe import SampleSection
from facekit.types import Shot
from tests.tiny.backbones import sample as sample_latents
from tests.tiny.backbones import tiny_pipe

SETTINGS = SampleSettings(num_inference_steps=2, guidance_scale=2.0, fps=8.0)


def shot(name: str, seed: int, *, width: int = 32, num_frames: int = 5) -> Shot:
    return Shot(
        name=name,
        prompt=f"a woman in the {name}",
        seed=seed,
        num_frames=num_frames,
        height=32,
        width=width,
        kind="close-up",
    )


SHOTS = (
    shot("kitchen", 3),
    shot("street", 4, width=48),
    shot("park", 5),
    shot("face", 6),
    shot("hair", 7, num_frames=1),
)


@pytest.fixture(scope="module")
def pipe():
    return TOON.tiny()


@pytest.fixture(scope="module")
def adapter(pipe):
    made = IdentityAdapter.from_transformer(pipe.transformer, TOON, embedding_dim=16, num_tokens=4)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(5)
        for _, branch in made.branches():
            torch.nn.init.normal_(branch.to_v.weight, std=0.5)
    return made.eval()


def tokens(adapter, seed: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    face = torch.nn.functional.normalize(torch.randn(1, 1, 16, generator=generator), dim=-1)
    with torch.no_grad():
        return adapter.tokens(face)


def frames(clips) -> list[np.ndarray]:
    return [clip.frames.astype(np.int16) for clip in clips]


def test_clips_come_in_the_order_and_the_size_of_the_shots(pipe):
    clips = list(sample(pipe, SHOTS, TOON, SETTINGS))

    assert [clip.frames.shape for clip in clips] == [
        (s.num_frames, s.height, s.width, 3) for s in SHOTS
    ]
    assert {clip.fps for clip in clips} == {8.0}


def test_a_clip_does_not_depend_on_its_batch(pipe):
    together = frames(sample(pipe, SHOTS, TOON, SETTINGS))
    alone = frames(sample(pipe, SHOTS, TOON, SETTINGS, max_batch=1))
    turned = frames(sample(pipe, SHOTS[::-1], TOON, SETTINGS))[::-1]

    for first, second, third in zip(together, alone, turned, strict=True):
        assert np.abs(first - second).max() <= 1
        assert np.abs(first - third).max() <= 1


def test_the_seed_decides(pipe):
    first, again = (next(sample(pipe, SHOTS[:1], TOON, SETTINGS)) for _ in range(2))
    other = next(sample(pipe, [dataclasses.replace(SHOTS[0], seed=9)], TOON, SETTINGS))

    assert np.array_equal(first.frames, again.frames)
    assert not np.array_equal(first.frames, other.frames)


def test_the_character_is_in_the_picture_and_leaves_no_trace(pipe, adapter):
    before = next(sample(pipe, SHOTS[:1], TOON, SETTINGS)).frames
    with attach(adapter, pipe.transformer, TOON) as attachment:

        def shoot(seed: int):
            who = Conditioning(identity=tokens(adapter, seed))
            return next(
                sample(pipe, SHOTS[:1], TOON, SETTINGS, attachment=attachment, identities=who)
            ).frames

        one, two = shoot(1), shoot(2)
        after = next(sample(pipe, SHOTS[:1], TOON, SETTINGS)).frames
    assert not np.array_equal(one, two)
    assert not np.array_equal(one, before)
    assert np.array_equal(after, before)


def test_batches_do_not_mix_characters_strength_with_order(pipe, adapter):
    with attach(adapter, pipe.transformer, TOON) as attachment:
        who = Conditioning(identity=tokens(adapter, 1))
        options = {"attachment": attachment, "identities": who}
        together = frames(sample(pipe, SHOTS, TOON, SETTINGS, **options))
        alone = frames(sample(pipe, SHOTS, TOON, SETTINGS, max_batch=1, **options))

    for first, second in zip(together, alone, strict=True):
        assert np.abs(first - second).max() <= 1


def test_identity_guidance_changes_the_clip_and_one_times_text_is_plain(pipe, adapter):
    """v0 + g (v_id - v0) + g (v - v_id) is two-way guidance."""
    three = dataclasses.replace(SETTINGS, identity_guidance=SETTINGS.guidance_scale)
    strong = dataclasses.replace(SETTINGS, identity_guidance=4.0)
    with attach(adapter, pipe.transformer, TOON) as attachment:
        who = Conditioning(identity=tokens(adapter, 1))
        options = {"attachment": attachment, "identities": who}
        plain, same, more = (
            frames(sample(pipe, SHOTS[:1], TOON, settings, **options))[0]
            for settings in (SETTINGS, three, strong)
        )

    assert np.abs(plain - same).max() <= 1
    assert np.abs(plain - more).max() > 1


def test_guidance_of_the_identity_is_never_left_away():
    """Where the text was not guided, the option was dropped without a word."""
    with pytest.raises(UsageError, match=r"identity_guidance is 2 and sample\.guidance_scale 1"):
        dataclasses.replace(SETTINGS, identity_guidance=2.0, guidance_scale=1.0)
    assert guidance_options(SETTINGS) == {}
    assert guidance_options(dataclasses.replace(SETTINGS, identity_guidance=3.0)) == {
        "guidance": "three_way",
        "identity_guidance": 3.0,
        "guidance_scale": 2.0,
    }


def test_guidance_of_the_identity_needs_a_pass_without_the_prompt():
    asked = SampleSection(identity_guidance=3.0)
    assert SampleSettings.of(HUNYUANVIDEO_1_5, asked).identity_guidance == 3.0
    with pytest.raises(UsageError, match=r"identity_guidance is 3, expected none for hunyuanvideo"):
        SampleSettings.of(HUNYUANVIDEO, asked)


@pytest.mark.parametrize("name", spec_names())
def test_the_fewest_steps_that_are_allowed_make_numbers(name):
    spec = get_spec(name)
    least = spec.min_inference_steps
    drawn = sample_latents(tiny_pipe(name), spec, num_inference_steps=least)
    assert drawn.isfinite().all()
    if least > 1:
        few = SampleSection(num_inference_steps=least - 1)
        with pytest.raises(UsageError, match=f"steps is {least - 1}, expected {least} or more"):
            SampleSettings.of(spec, few)


def test_progress_counts_every_step_of_every_shot(pipe):
    class Counted:
        total = done = 0
        finished = False

        def start(self, total, label):
            self.total = total

        def advance(self, n=1, info=""):
            self.done += n

        def finish(self):
            self.finished = True

    progress = Counted()
    list(sample(pipe, SHOTS, TOON, SETTINGS, progress=progress))

    assert progress.total == progress.done == len(SHOTS) * 2
    assert progress.finished


def test_the_pipeline_keeps_its_own_progress_bar(pipe):
    pipe.set_progress_bar_config(desc="mine")

    list(sample(pipe, SHOTS[:1], TOON, SETTINGS))

    assert pipe._progress_bar_config == {"desc": "mine"}


def test_mistakes_are_told_before_anything_is_sampled(pipe):
    with pytest.raises(UsageError, match="num_frames is 6"):
        sample(pipe, [dataclasses.replace(SHOTS[0], num_frames=6)], TOON, SETTINGS)
    with pytest.raises(UsageError, match="identities given without an attachment"):
        sample(pipe, SHOTS[:1], TOON, SETTINGS, identities=Conditioning(identity=torch.zeros(1)))


def test_batches_hold_one_size_and_not_too_many_pixels():
    batches = plan_batches(SHOTS, 2)

    assert batches == [[0, 2], [1], [3], [4]]
    large = [dataclasses.replace(SHOTS[0], height=1024, width=1024) for _ in range(3)]
    assert MAX_BATCH_PIXELS < 1024 * 1024 * 5
    assert plan_batches(large) == [[0], [1], [2]]


def test_nobody_needs_no_scope():
    with conditioned(None, None, SETTINGS) as scope:
        assert scope is None


def test_what_is_not_to_be_seen_changes_the_picture(pipe):
    plain, other = (
        next(sample(pipe, SHOTS[:1], TOON, SETTINGS, negative_prompt=text)).frames
        for text in ("", "night light")
    )
    assert not np.array_equal(plain, other)
