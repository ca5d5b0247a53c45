from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from facekit.errors import NonFiniteLoss, TrainingError
from facekit.training.checkpoint import TrainState
from facekit.training.guards import check_moved, watch_step
from tests.tiny.training import RECIPE_SETTINGS

STATE = TrainState(step=3, total_steps=20)


def _batch(present: float = 1.0, sigma: float = 0.5) -> Any:
    return SimpleNamespace(
        present_B=torch.tensor([0.0, present]),
        sigma_B=torch.tensor([sigma, sigma]),
        named_B=torch.tensor([True, True]),
    )


def _watch(
    state: TrainState, norms: dict[str, float] | None, batch: Any = None, **changes: Any
) -> TrainState:
    return watch_step(
        state,
        total=1.0,
        norms=norms,
        batch=batch or _batch(),
        settings=replace(RECIPE_SETTINGS, **changes),
        kept=Path("state.safetensors"),
    )


def test_a_good_step_ends_every_streak() -> None:
    state = _watch(replace(STATE, bad_steps=3, zero_steps={"lora": 2}), {"lora": 0.5, "tokens": 1})
    assert (state.step, state.bad_steps, state.zero_steps) == (4, 0, {})
    assert state.is_good


def test_steps_that_are_not_finite_are_counted_up_to_five() -> None:
    state = STATE
    for _ in range(5):
        state = _watch(state, None)
    assert (state.step, state.bad_steps, state.is_good) == (8, 5, False)
    with pytest.raises(NonFiniteLoss, match=r"step 8: 6 steps in a row .* state\.safetensors"):
        _watch(state, None)


def test_a_gradient_that_stays_zero_stops_the_run() -> None:
    state = STATE
    for _ in range(5):
        state = _watch(state, {"tokens": 0.7, "lora": 0.0})
    assert (state.zero_steps, state.is_good) == ({"lora": 5}, False)
    with pytest.raises(TrainingError, match=r"step 8: the gradient of lora was exactly zero in 6"):
        _watch(state, {"tokens": 0.7, "lora": 0.0})


@pytest.mark.parametrize(
    ("name", "batch", "changes"),
    [
        ("tokens", _batch(present=0.0), {}),
        ("tokens", _batch(sigma=0.9), {"sigma_window": (0.0, 0.5)}),
        ("lora", _batch(sigma=0.9), {"weights": replace(RECIPE_SETTINGS.weights, flow=0.0)}),
        (
            "tokens",
            _batch(present=0.0, sigma=0.1),
            {"weights": replace(RECIPE_SETTINGS.weights, flow=0.0)},
        ),
    ],
)
def test_zero_is_right_where_dropout_or_noise_leaves_a_group_out(
    name: str, batch: Any, changes: dict[str, Any]
) -> None:
    state = STATE
    for _ in range(30):
        state = _watch(state, {name: 0.0}, batch, **changes)
    assert (state.step, state.zero_steps) == (33, {})


@pytest.mark.parametrize("name", ["tokens", "lora"])
def test_zero_is_wrong_where_the_identity_loss_alone_teaches(name: str) -> None:
    weights = replace(RECIPE_SETTINGS.weights, flow=0.0)
    state = _watch(STATE, {name: 0.0}, _batch(sigma=0.1), weights=weights)
    assert state.zero_steps == {name: 1}


def test_what_has_not_moved_is_named() -> None:
    check_moved(4, ())
    with pytest.raises(TrainingError, match="after 4 steps nothing in tokens and lora has changed"):
        check_moved(4, ("tokens", "lora"))
