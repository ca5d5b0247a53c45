import pytest
import torch

from facekit.training.losses import (
    contrastive_loss,
    flow_loss,
    identity_loss,
    low_noise_gain,
    preservation_loss,
)


def _error(value_in: float, value_out: float, area: int) -> tuple[torch.Tensor, torch.Tensor]:
    """A prediction that is wrong by one value on a square face and by another around it."""
    mask = torch.zeros(1, 1, 8, 8)
    mask[..., :area, :area] = 1.0
    wrong = mask * value_in + (1 - mask) * value_out
    return wrong[:, None].expand(-1, 3, -1, -1, -1).clone(), mask


@pytest.mark.parametrize("area", [1, 3, 6])
def test_masked_loss_does_not_depend_on_the_area_of_the_face(area: int) -> None:
    velocity, mask = _error(2.0, 0.0, area)
    loss = flow_loss(velocity, torch.zeros_like(velocity), mask, torch.tensor([True]))
    assert float(loss) == pytest.approx(4.0)


def test_unmasked_loss_is_the_mean_squared_error() -> None:
    velocity, mask = _error(2.0, 1.0, 4)
    loss = flow_loss(velocity, torch.zeros_like(velocity), mask, torch.tensor([False]))
    assert float(loss) == pytest.approx(float(velocity.square().mean()))


def test_each_frame_is_normalised_by_itself_and_empty_frames_are_left_out() -> None:
    velocity = torch.zeros(1, 2, 3, 4, 4)
    velocity[:, :, 0] = 1.0
    velocity[:, :, 1] = 2.0
    velocity[:, :, 2] = 100.0
    masks = torch.zeros(1, 3, 4, 4)
    masks[:, 0] = 1.0
    masks[:, 1, :1, :1] = 1.0
    loss = flow_loss(velocity, torch.zeros_like(velocity), masks, torch.tensor([True]))
    assert float(loss) == pytest.approx((1.0 + 4.0) / 2)


def test_a_masked_sample_without_a_face_counts_as_a_whole() -> None:
    velocity = torch.ones(1, 2, 1, 4, 4)
    empty = torch.zeros(1, 1, 4, 4)
    loss = flow_loss(velocity, torch.zeros_like(velocity), empty, torch.tensor([True]))
    assert float(loss) == pytest.approx(1.0)


def test_masks_of_another_shape_are_an_error() -> None:
    velocity = torch.ones(1, 2, 1, 4, 4)
    with pytest.raises(ValueError, match="masks have shape"):
        flow_loss(velocity, velocity, torch.ones(1, 1, 2, 4), torch.tensor([True]))


def test_gain_trusts_low_noise_only() -> None:
    gain = low_noise_gain(torch.tensor([0.0, 0.25, 0.5, 0.9]), 0.5)
    assert gain.tolist() == pytest.approx([1.0, 0.5625, 0.0, 0.0])


def test_identity_loss_is_a_mean_over_the_whole_batch() -> None:
    loss = identity_loss(torch.tensor([0.5, 1.0]), torch.tensor([1.0, 0.3]), batch_size=4)
    assert float(loss) == pytest.approx(0.5 / 4)


def test_contrastive_loss_prefers_the_own_face() -> None:
    own = torch.tensor([[1.0, 0.0]])
    others = torch.tensor([[0.0, 1.0]])
    gain = torch.ones(1)
    near = contrastive_loss(torch.tensor([[0.9, 0.436]]), own, others, gain, 1)
    far = contrastive_loss(torch.tensor([[0.436, 0.9]]), own, others, gain, 1)
    assert float(near) < 0.1 < float(far)


def test_preservation_loss_is_zero_for_the_base_itself() -> None:
    x = torch.randn(2, 3)
    assert float(preservation_loss(x, x)) == 0.0
