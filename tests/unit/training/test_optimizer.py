from typing import Any

import pytest
import torch
from safetensors.torch import load, save
from torch import nn

from facekit.training.optimizer import Group, Optimizer, lr_factor


def _make(ema: float = 0.0, warmup: int = 0, **options: Any) -> Optimizer:
    torch.manual_seed(0)
    tokens = Group(name="tokens", parameters={"t": nn.Parameter(torch.ones(4))}, lr=0.1)
    lora = Group(name="lora", parameters={"l": nn.Parameter(torch.ones(3))}, lr=0.01)
    return Optimizer((tokens, lora), warmup=warmup, grad_clip=1.0, ema=ema, **options)


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


def _wide(kind: Any, **options: Any) -> Optimizer:
    """Large enough for moments of 8 bits in one tensor, too small for them in the others."""
    torch.manual_seed(0)
    tokens = {"t": nn.Parameter(torch.randn(1, 4, 16))}
    lora = {"a": nn.Parameter(torch.randn(64, 128)), "b": nn.Parameter(torch.randn(3))}
    groups = (
        Group(name="tokens", parameters=tokens, lr=0.1),
        Group(name="lora", parameters=lora, lr=0.01, weight_decay=0.01),
    )
    return Optimizer(groups, warmup=2, grad_clip=1.0, kind=kind, **options)


def _learn(optimizer: Optimizer, step: int, total_steps: int) -> None:
    rng = torch.Generator().manual_seed(step)
    for parameter in optimizer.parameters.values():
        parameter.grad = torch.randn(parameter.shape, generator=rng)
    optimizer.step(step, total_steps)


@pytest.mark.parametrize(
    ("kind", "schedule", "ema"),
    [
        ("adamw", "cosine", 0.9),
        ("adamw", "linear", 0.0),
        ("adamw_schedule_free", "constant", 0.0),
        ("adamw_8bit", "constant", 0.9),
    ],
)
def test_every_kind_goes_on_exactly_from_a_file(kind: Any, schedule: Any, ema: float) -> None:
    """And judging the best guess between two steps changes nothing."""
    if kind == "adamw_8bit":
        pytest.importorskip("bitsandbytes", reason="needs the extra quant")
    make = {"kind": kind, "lr_schedule": schedule, "ema": ema}
    straight, stopped = _wide(**make), _wide(**make)
    for step in range(7):
        _learn(straight, step, 7)
        _learn(stopped, step, 7)
        with stopped.using(stopped.best_guess()):
            pass
        if step in (0, 3):
            kept = load(save(stopped.state()))
            stopped = _wide(**make)
            stopped.load_state(kept)
    first, second = straight.state(), stopped.state()
    assert first.keys() == second.keys()
    for name, tensor in first.items():
        assert second[name].dtype == tensor.dtype, name
        assert torch.equal(second[name], tensor), name
    guesses = straight.best_guess(), stopped.best_guess()
    assert all(torch.equal(guesses[0][name], guesses[1][name]) for name in guesses[0])


def test_a_state_that_was_never_stepped_is_taken_back() -> None:
    for kind in ("adamw", "adamw_schedule_free"):
        fresh, other = _wide(kind), _wide(kind)
        other.load_state(fresh.state())
        _learn(fresh, 0, 1)
        _learn(other, 0, 1)
        assert torch.equal(fresh.snapshot()["a"], other.snapshot()["a"])


def test_eight_bits_learn_nearly_the_same() -> None:
    pytest.importorskip("bitsandbytes", reason="needs the extra quant")
    plain, small = _wide("adamw"), _wide("adamw_8bit")
    start = plain.snapshot()["a"]
    for step in range(10):
        _learn(plain, step, 10)
        _learn(small, step, 10)
    moments = {name: t.dtype for name, t in small.state().items() if "state1" in name}
    assert moments["adam.state1/a"] == torch.uint8
    assert moments["adam.state1/b"] == torch.float32
    moved, other = plain.snapshot()["a"] - start, small.snapshot()["a"] - start
    assert float((moved - other).norm() / moved.norm()) < 0.15


def test_schedule_free_keeps_an_average_and_trains_beside_it() -> None:
    optimizer = _wide("adamw_schedule_free")
    start = optimizer.snapshot()["a"]
    seen = []
    for step in range(6):
        _learn(optimizer, step, 6)
        seen.append(optimizer.state()["adam.z/a"])
    guess, trained = optimizer.best_guess()["a"], optimizer.snapshot()["a"]
    assert not torch.equal(guess, trained)
    # The average weighs each step by the square of the largest rate so far: 1/4, then 1.
    weights = torch.tensor([0.25, *([1.0] * 5)])
    expected = sum(w * z for w, z in zip(weights / weights.sum(), seen, strict=True))
    torch.testing.assert_close(guess, expected, rtol=1e-4, atol=1e-5)
    assert not torch.equal(guess, start)


def test_the_average_warms_up() -> None:
    """One tenth of the start is left after the first step, however slow the average is."""
    optimizer = _make(ema=0.999)
    _grads(optimizer, 1.0)
    optimizer.step(0)
    moved = 1.0 - float(optimizer.snapshot()["t"][0])
    assert 1.0 - float(optimizer.best_guess()["t"][0]) == pytest.approx(0.9 * moved, rel=1e-4)


def test_the_learning_rate_is_a_function_of_the_step() -> None:
    rates = {
        name: [lr_factor(name, step, 12, 2) for step in (0, 1, 2, 7, 11, 12)]
        for name in ("constant", "linear", "cosine")
    }
    assert rates["constant"] == [0.5, 1.0, 1.0, 1.0, 1.0, 1.0]
    assert rates["linear"] == pytest.approx([0.5, 1.0, 1.0, 0.5, 0.1, 0.0])
    assert rates["cosine"] == pytest.approx([0.5, 1.0, 1.0, 0.5, 0.024472, 0.0], abs=1e-6)
    assert lr_factor("cosine", 0, 0, 0) == 1.0
    assert lr_factor("linear", 3, 2, 4) == 1.0  # a run shorter than its warm-up


def test_a_rate_that_decays_needs_the_length_of_the_run() -> None:
    optimizer = _make(lr_schedule="linear")
    _grads(optimizer, 1.0)
    with pytest.raises(ValueError, match="total_steps is None"):
        optimizer.step(0)
    _grads(optimizer, 1.0)
    optimizer.step(5, 10)
    assert float(optimizer.parameters["t"].detach()[0]) == pytest.approx(0.95, abs=1e-4)
