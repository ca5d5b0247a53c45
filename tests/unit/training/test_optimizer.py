import pytest
import torch
from torch import nn

from facekit.training.optimizer import Group, Optimizer


def _make(ema: float = 0.0, warmup: int = 0) -> Optimizer:
    torch.manual_seed(0)
    tokens = Group(name="tokens", parameters={"t": nn.Parameter(torch.ones(4))}, lr=0.1)
    lora = Group(name="lora", parameters={"l": nn.Parameter(torch.ones(3))}, lr=0.01)
    return Optimizer((tokens, lora), warmup=warmup, grad_clip=1.0, ema=ema)


def _grads(optimizer: Optimizer, value: float) -> None:
    for parameter in optimizer.parameters.values():
        parameter.grad = torch.full_like(parameter, value)


def test_groups_learn_at_their_own_rate() -> None:
    optimizer = _make()
    _grads(optimizer, 1.0)
    norms = optimizer.step(0)
    assert norms == pytest.approx({"tokens": 2.0, "lora": 3**0.5})
    assert float(optimizer.parameters["t"].detach()[0]) == pytest.approx(0.9, abs=1e-4)
    assert float(optimizer.parameters["l"].detach()[0]) == pytest.approx(0.99, abs=1e-4)


def test_warmup_starts_slowly() -> None:
    optimizer = _make(warmup=10)
    _grads(optimizer, 1.0)
    optimizer.step(0)
    assert float(optimizer.parameters["t"].detach()[0]) == pytest.approx(0.99, abs=1e-4)


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_a_gradient_that_is_not_finite_changes_nothing(bad: float) -> None:
    optimizer = _make()
    before = optimizer.state()
    _grads(optimizer, 1.0)
    optimizer.parameters["l"].grad[0] = bad
    assert optimizer.step(0) is None
    assert all(p.grad is None for p in optimizer.parameters.values())
    after = optimizer.state()
    assert all(torch.equal(after[name], tensor) for name, tensor in before.items())
    assert optimizer.unmoved() == ("tokens", "lora")


def test_state_goes_on_exactly() -> None:
    straight, stopped = _make(ema=0.9), _make(ema=0.9)
    for step in range(6):
        for optimizer in (straight, stopped):
            _grads(optimizer, 0.3 * (step + 1))
            optimizer.step(step)
        if step == 2:
            kept = stopped.state()
            stopped = _make(ema=0.9)
            stopped.load_state(kept)
    first, second = straight.state(), stopped.state()
    assert first.keys() == second.keys()
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert torch.equal(straight.best_guess()["t"], stopped.best_guess()["t"])


def test_the_average_lags_behind() -> None:
    optimizer = _make(ema=0.99)
    for step in range(5):
        _grads(optimizer, 1.0)
        optimizer.step(step)
    assert float(optimizer.best_guess()["t"][0]) > float(optimizer.parameters["t"].detach()[0])


def test_other_weights_are_only_borrowed() -> None:
    optimizer = _make()
    with optimizer.using({"t": torch.zeros(4), "l": torch.zeros(3)}):
        assert float(optimizer.parameters["t"].detach().sum()) == 0.0
    assert float(optimizer.parameters["t"].detach().sum()) == 4.0
