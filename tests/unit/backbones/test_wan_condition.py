"""What is kept of an empty condition; the families' tests compare it with the stock pipeline."""

from typing import Any

import pytest
import torch

from facekit.backbones import get_spec
from tests.tiny.backbones import predict, tiny_pipe

NOISY = torch.zeros(2, 4, 2, 4, 4)


@pytest.fixture(params=["wan2_1_i2v_14b", "wan2_2_i2v_a14b", "wan2_1_vace_1_3b"])
def backbone(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture
def pipe(backbone: str) -> Any:
    return tiny_pipe(backbone)


def test_it_is_made_once_for_every_size_and_autoencoder(pipe: Any, backbone: str) -> None:
    family: Any = get_spec(backbone).family
    made: list[int] = []
    encode = pipe.vae.encode
    pipe.vae.encode = lambda *given: (made.append(1), encode(*given))[1]
    one = family.empty_condition(pipe, NOISY)
    once = len(made)
    assert once > 0
    assert torch.equal(family.empty_condition(pipe, NOISY), one)
    assert len(made) == once
    wider = family.empty_condition(pipe, torch.zeros(1, 4, 1, 4, 6))
    assert len(made) == 2 * once
    assert (one.shape[0], *one.shape[2:]) == (2, 2, 4, 4)
    assert (wider.shape[0], *wider.shape[2:]) == (1, 1, 4, 6)


def test_the_precision_of_a_training_run_is_not_that_of_what_is_kept(
    pipe: Any, backbone: str
) -> None:
    family: Any = get_spec(backbone).family
    plain = family.empty_condition(tiny_pipe(backbone), NOISY)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(family.empty_condition(pipe, NOISY), plain)


def test_asking_draws_nothing_from_the_global_generator(pipe: Any) -> None:
    torch.manual_seed(3)
    expected = torch.rand(1)
    torch.manual_seed(3)
    predict(pipe)
    assert torch.equal(torch.rand(1), expected)
