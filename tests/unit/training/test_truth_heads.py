"""The truth that hidden states must know: targets by hand, and heads that can learn them."""

import math

import numpy as np
import pytest
import torch

from facekit.training.truth_heads import TruthHeads, landmark_targets

FACE = [16, 16, 48, 48, 24, 28, 40, 28, 32, 34, 26, 40, 38, 40]
NOBODY = [math.nan] * 14


def _targets(*faces: list[float]) -> tuple[torch.Tensor, torch.Tensor]:
    rows = list(faces) + [NOBODY] * (3 - len(faces))
    return landmark_targets(torch.tensor([[rows]], dtype=torch.float32), 6, 6, 16)


def test_a_token_points_at_the_landmarks_in_face_heights() -> None:
    offsets, weight = _targets(FACE)
    assert offsets.shape == (1, 36, 10)
    # token of row 1, column 1 has its centre at (24, 24); the face is 32 px high
    expected = np.tanh((np.array(FACE[4:]) - 24.0) / 32.0)
    np.testing.assert_allclose(offsets[0, 7], expected, atol=1e-6)
    assert weight[0, 7] == 1.0
    assert 0.0 < weight[0, 35] < 0.1, "far from the face"


def test_every_token_takes_its_nearest_face() -> None:
    other = [value + (48 if index % 2 == 0 else 0) for index, value in enumerate(FACE)]
    both, alone = _targets(FACE, other)[0], _targets(other)[0]
    right_of_both = 1 * 6 + 4
    assert torch.equal(both[0, right_of_both], alone[0, right_of_both])
    assert not torch.equal(both[0, 7], alone[0, 7])


def test_a_picture_without_faces_weighs_nothing() -> None:
    offsets, weight = _targets()
    assert torch.isfinite(offsets).all()
    assert (weight == 0).all()


def _inputs() -> dict[str, torch.Tensor]:
    offsets, near = _targets(FACE)
    return {
        "face_tokens_BN": (near == 1.0).float(),
        "embeddings_BD": torch.nn.functional.normalize(torch.arange(1.0, 9.0)[None], dim=-1),
        "attributes_B8": torch.tensor([[0, 0, 1, 2, 1, 1, 0, 0]]),
        "landmarks_BN10": offsets,
        "near_BN": near,
    }


def test_heads_read_what_hidden_states_hold() -> None:
    torch.manual_seed(0)
    heads, hidden = TruthHeads(32, 8), torch.randn(1, 36, 32)
    optimizer = torch.optim.AdamW(heads.parameters(), lr=3e-3)
    first = heads.losses(hidden, **_inputs())
    for _ in range(150):
        optimizer.zero_grad()
        torch.stack(list(heads.losses(hidden, **_inputs()).values())).sum().backward()
        optimizer.step()
    last = heads.losses(hidden, **_inputs())
    assert set(last) == {"face_identity", "face_attributes", "face_landmarks"}
    assert all(last[name].item() < 0.2 * first[name].item() for name in last)


@pytest.mark.parametrize("unseen", ["nobody", "unknown"])
def test_nothing_to_see_costs_nothing(unseen: str) -> None:
    heads, inputs = TruthHeads(32, 8), _inputs()
    if unseen == "nobody":
        inputs["face_tokens_BN"] = torch.zeros(1, 36)
        inputs["near_BN"] = torch.zeros(1, 36)
    else:
        inputs["embeddings_BD"] = torch.full((1, 8), math.nan)
        inputs["attributes_B8"] = torch.full((1, 8), -1)
        inputs["near_BN"] = torch.zeros(1, 36)
    losses = heads.losses(torch.randn(1, 36, 32), **inputs)
    assert all(value.item() == 0.0 for value in losses.values())
