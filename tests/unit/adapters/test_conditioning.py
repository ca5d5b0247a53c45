"""Strength over frames, region masks, windows."""

import pytest
import torch

from facekit.adapters.conditioning import Conditioning, as_conditionings
from facekit.adapters.folded import FoldedIdentity

NOBODY = FoldedIdentity({}, {})
LIKE = (torch.device("cpu"), torch.float32)


def test_keyframes_are_spread_over_the_frames() -> None:
    gain = Conditioning(identity=NOBODY, strength=(1.0, 0.0)).gain_per_token((3, 1, 2), *LIKE)
    assert gain is not None
    assert gain.flatten().tolist() == [1.0, 1.0, 0.5, 0.5, 0.0, 0.0]


def test_one_keyframe_is_a_constant() -> None:
    gain = Conditioning(identity=NOBODY, strength=(0.5,)).gain_per_token((2, 1, 1), *LIKE)
    assert gain is not None
    assert gain.flatten().tolist() == [0.5, 0.5]


@pytest.mark.parametrize("shape", [(2, 2), (1, 2, 2), (3, 2, 2), (1, 3, 2, 2)])
def test_masks_of_every_rank(shape: tuple[int, ...]) -> None:
    mask = torch.zeros(shape)
    mask[..., 0] = 1
    gain = Conditioning(identity=NOBODY, mask_LHW=mask).gain_per_token((3, 2, 2), *LIKE)
    assert gain is not None
    assert gain.shape == (1, 12, 1)
    assert gain.flatten().tolist() == [1.0, 0.0] * 6


def test_a_mask_in_pixels_is_pooled_to_the_grid() -> None:
    mask = torch.zeros(1, 8, 8)
    mask[:, :, :2] = 1
    gain = Conditioning(identity=NOBODY, mask_LHW=mask).gain_per_token((2, 2, 2), *LIKE)
    assert gain is not None
    assert gain.flatten().tolist() == [0.5, 0.0] * 4


def test_strength_and_presence_multiply() -> None:
    present = torch.tensor([1.0, 0.0])
    gain = Conditioning(identity=NOBODY, strength=0.5, present_B=present).gain_per_sample(
        0.5, torch.tensor([0.3, 0.3])
    )
    assert isinstance(gain, torch.Tensor)
    assert gain.flatten().tolist() == [0.25, 0.0]


def test_what_is_constant() -> None:
    value = torch.zeros(1, 1, 2)
    folded = FoldedIdentity({"a": value}, {"a": value})
    assert Conditioning(identity=folded).is_constant
    assert not Conditioning(identity=folded, window=(0.0, 0.8)).is_constant
    assert Conditioning(identity=folded, window=(0.0, 1.0)).is_constant, "that is everywhere"
    assert not Conditioning(identity=value).is_constant
    learned = FoldedIdentity({"a": value.clone().requires_grad_()}, {"a": value})
    assert not Conditioning(identity=learned).is_constant


def test_every_way_to_say_who() -> None:
    tokens = torch.zeros(1, 1, 2)
    one = Conditioning(identity=tokens)
    assert as_conditionings(one) == (one,)
    assert as_conditionings([one, one]) == (one, one)
    assert as_conditionings(tokens)[0].identity is tokens
    assert as_conditionings(NOBODY)[0].identity is NOBODY


def test_keyframes_for_all_multiply_those_of_one() -> None:
    one = Conditioning(identity=NOBODY, strength=(1.0, 0.5))
    gain = one.gain_per_token((3, 1, 1), *LIKE, factor=(0.0, 1.0))
    assert gain is not None
    assert gain.flatten().tolist() == [0.0, 0.375, 0.5]
    assert one.gain_per_sample((0.0, 1.0), torch.ones(1)) == 1.0
    assert one.gain_per_sample(0.25, torch.ones(1)) == 0.25
