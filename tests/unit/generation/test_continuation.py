import dataclasses

import numpy as np
import pytest
import torch

from facekit.adapters.conditioning import Conditioning
from facekit.backbones.spec import spec_names
from facekit.backbones.wan import TOON, WAN_2_1_T2V_1_3B
from facekit.errors import UsageError
from facekit.generation.continuation import continuation_pipeline, continue_clip
from facekit.generation.sample import SampleSettings, sample
from facekit.types import Clip, Shot

SETTINGS = SampleSettings(num_inference_steps=2, guidance_scale=2.0, fps=8.0)
SHOT = Shot(
    name="one",
    prompt="a woman in the kitchen",
    seed=3,
    num_frames=5,
    height=32,
    width=48,
    kind="close-up",
)


@pytest.fixture(scope="module")
def pipe():
    return TOON.tiny()


@pytest.fixture(scope="module")
def first(pipe):
    return next(sample(pipe, [SHOT], TOON, SETTINGS))


def test_the_parts_are_shared_and_not_copied(pipe):
    continued = continuation_pipeline(pipe)

    assert type(continued).__name__ == "WanImageToVideoPipeline"
    assert continued.transformer is pipe.transformer
    assert continued.vae is pipe.vae


def test_a_clip_is_continued_in_its_size_and_repeatably(pipe, first):
    continued = continuation_pipeline(pipe)

    one, two = (continue_clip(continued, first, SHOT, TOON, SETTINGS) for _ in range(2))
    other = continue_clip(continued, Clip(frames=255 - first.frames, fps=8.0), SHOT, TOON, SETTINGS)

    assert one.frames.shape == first.frames.shape
    assert np.array_equal(one.frames, two.frames)
    assert not np.array_equal(one.frames, other.frames), "the last frame is what is continued"


def test_a_continuation_keeps_the_size_and_moves(pipe, first):
    continued = continuation_pipeline(pipe)

    with pytest.raises(UsageError, match="one is 32x32, the clip that it continues 48x32"):
        continue_clip(continued, first, dataclasses.replace(SHOT, width=32), TOON, SETTINGS)
    with pytest.raises(UsageError, match="needs at least 2"):
        continue_clip(continued, first, dataclasses.replace(SHOT, num_frames=1), TOON, SETTINGS)


def test_a_backbone_without_a_clean_first_frame_is_refused():
    """The message once advised a backbone that is not there."""
    with pytest.raises(UsageError, match="does not take a clean first frame") as raised:
        continuation_pipeline(WAN_2_1_T2V_1_3B.tiny())
    _, _, advised = str(raised.value).partition("such as ")
    assert advised in spec_names()


def test_identities_without_an_attachment_are_refused(pipe, first):
    """They were dropped in silence."""
    somebody = Conditioning(identity=torch.zeros(1, 4, 8))
    with pytest.raises(UsageError, match="identities given without an attachment"):
        continue_clip(continuation_pipeline(pipe), first, SHOT, TOON, SETTINGS, identities=somebody)
