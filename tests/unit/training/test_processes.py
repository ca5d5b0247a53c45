"""Several real processes on the CPU, joined over gloo, against a single one."""

import signal
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from facekit.errors import NonFiniteLoss, ProcessLost, TrainingError, UsageError
from facekit.training.checkpoint import load_state
from facekit.training.metrics import read_metrics
from facekit.training.objective import Objective
from facekit.training.processes import ALONE, Processes, join_processes, launched, shares
from facekit.training.trainer import METRICS_FILE, STATE_FILE
from tests.tiny.processes import Ended, KillAt, together, train
from tests.tiny.training import TINY_SETTINGS

# Batches of three do not divide by two; with few samples some part has none at low noise, and half
# of the steps preserve.
CHANGES: dict[str, Any] = {"steps": 5, "batch_size": 3, "checkpoint_every": 2}


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Any]:
    folder = tmp_path_factory.mktemp("alone")
    return folder, train(ALONE, folder, CHANGES)


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Any]:
    folder = tmp_path_factory.mktemp("pair")
    first, second = (_value(each) for each in together(2, train, folder, CHANGES))
    _equal(first, second)
    assert first[2:] == second[2:]
    return folder, first


def _value(ended: Ended) -> Any:
    assert ended.error is None
    return ended.value


def _losses(folder: Path, name: str = "loss/total") -> list[float | None]:
    rows = read_metrics(folder / METRICS_FILE)
    return [row.get(name) for row in rows if "loss/total" in row]


def _close(first: Any, second: Any) -> None:
    tokens, lora, *_ = first
    other_tokens, other_lora, *_ = second
    torch.testing.assert_close(tokens, other_tokens, atol=1e-5, rtol=1e-4)
    for name, tensor in lora.items():
        # AdamW makes a step of full size of a gradient near zero, whatever its sign.
        torch.testing.assert_close(tensor, other_lora[name], atol=1e-4, rtol=1e-3)


def _equal(first: Any, second: Any) -> None:
    assert torch.equal(first[0], second[0])
    assert all(torch.equal(tensor, second[1][name]) for name, tensor in first[1].items())


def test_two_processes_learn_what_one_does(alone: tuple[Path, Any], pair: tuple[Path, Any]) -> None:
    folder, single = alone
    _close(pair[1], single)
    assert pair[1][2:] == pytest.approx(single[2:], abs=1e-4)
    for term in ("total", "flow", "identity", "likeness", "preservation"):
        here, there = _losses(pair[0], f"loss/{term}"), _losses(folder, f"loss/{term}")
        assert [loss is None for loss in here] == [loss is None for loss in there]
        assert [x for x in here if x] == pytest.approx([x for x in there if x], rel=1e-4)
    assert None in _losses(folder, "loss/preservation")
    assert any(_losses(folder, "loss/preservation"))
    assert list((pair[0] / "1").iterdir()) == []  # the second has written nothing


def _on(processes: Processes, index: int, step: int, number: int) -> Any:
    return KillAt(step, number) if processes.index == index else None


def train_until(
    processes: Processes, folder: Path, index: int, step: int, number: int = signal.SIGKILL
) -> Any:
    return train(processes, folder, CHANGES, progress=_on(processes, index, step, number))


@pytest.mark.slow
def test_a_run_goes_on_with_another_number_of_processes(
    tmp_path: Path, alone: tuple[Path, Any]
) -> None:
    with pytest.raises(KeyboardInterrupt):
        train_until(ALONE, tmp_path, 0, 1, signal.SIGINT)
    # Asked of the second alone: both stop after the same step, and the first has saved it.
    ended = together(2, train_until, tmp_path, 1, 3, signal.SIGTERM)
    assert [type(each.error) for each in ended] == [KeyboardInterrupt] * 2
    state = load_state(tmp_path / STATE_FILE, "d" * 64)
    assert state is not None
    assert state.step == 3
    _close(train(ALONE, tmp_path, CHANGES), alone[1])


def test_a_process_that_dies_stops_all_and_the_same_command_goes_on(
    tmp_path: Path, pair: tuple[Path, Any]
) -> None:
    first, second = together(2, train_until, tmp_path, 1, 4)
    assert second.exit_code == -signal.SIGKILL
    assert isinstance(first.error, ProcessLost)
    assert "another process of this run has ended" in str(first.error)
    assert first.error.next_step.endswith("start the same command again to go on")
    state = load_state(tmp_path / STATE_FILE, "d" * 64)
    assert state is not None
    assert state.step == 3
    again, _ = together(2, train, tmp_path, CHANGES)
    _equal(again.value, pair[1])  # the same number of processes: bit for bit
    assert _losses(tmp_path) == _losses(pair[0])


def train_not_finite(processes: Processes, folder: Path) -> Any:
    if processes.index == 1:
        real = Objective.backward

        def backward(self: Objective, batch: Any) -> Any:
            losses = real(self, batch)
            return replace(losses, total=float("nan"))

        Objective.backward = backward  # type: ignore[method-assign]
    return train(processes, folder, {**CHANGES, "steps": 6, "validate_every": 0})


def train_for(processes: Processes, folder: Path) -> int:
    changes = {"steps": 4000, "minutes": 0.01 if processes.is_first else 9.0, "validate_every": 0}
    train(processes, folder, {**CHANGES, **changes})
    processes.wait()  # the first may still be writing it
    state = load_state(folder / STATE_FILE, "d" * 64)
    assert state is not None
    return state.total_steps


@pytest.mark.slow
def test_a_loss_that_is_not_finite_in_one_stops_all(tmp_path: Path) -> None:
    ended = together(2, train_not_finite, tmp_path)
    assert [type(each.error) for each in ended] == [NonFiniteLoss] * 2
    assert not any(row for row in _losses(tmp_path) if row == row and row != "nan")


def pass_around(processes: Processes) -> dict[str, Any]:
    """Use everything that passes between processes."""

    def caught(work: Callable[[], object]) -> BaseException | None:
        try:
            work()
        except (TrainingError, UsageError, KeyboardInterrupt) as error:
            return error
        return None

    def refuse() -> None:
        raise TrainingError(f"process {processes.index} refuses; do not ask")

    def stop() -> None:
        raise KeyboardInterrupt

    index = processes.index
    learned = [torch.nn.Parameter(torch.full((2,), float(index + 1))) for _ in range(3)]
    learned[0].grad = torch.tensor([1.0, 2.0])
    if index == 1:
        learned[1].grad = torch.tensor([4.0, 8.0])
    processes.sum_gradients(learned, 0.75 if index == 0 else 0.25)
    gradients = [None if each.grad is None else each.grad.tolist() for each in learned]
    processes.spread(learned)
    found = {
        "part": processes.part(5),
        "same": processes.same(lambda: f"from {index}"),
        "refused": str(caught(lambda: processes.same(refuse))),
        "stopped": type(caught(lambda: processes.same(stop))),
        "any": (processes.any(index == 1), processes.any(False)),
        "sums": processes.sums([index + 1.0, 0.5]),
        "gradients": gradients,
        "spread": [each.tolist() for each in learned],
        "differ": str(caught(lambda: processes.require_same("weights", f"w{index}"))),
        "equal": caught(lambda: processes.require_same("weights", "w")),
        "may_speak": processes.may_speak(),
    }
    processes.wait()
    processes.leave()
    return found


def test_what_passes_between_processes() -> None:
    first, second = (_value(each) for each in together(2, pass_around))
    assert (first.pop("part"), second.pop("part")) == (range(3), range(3, 5))
    assert {first.pop("may_speak"), second.pop("may_speak")} == {True, False}
    assert first == second
    assert first["same"] == "from 0"
    assert first["refused"] == "process 0 refuses; do not ask"
    assert first["stopped"] is KeyboardInterrupt
    assert first["any"] == (True, False)
    assert first["sums"] == [3.0, 1.0]
    assert first["gradients"] == [[1.0, 2.0], [1.0, 2.0], None]
    assert first["spread"] == [[1.0, 1.0]] * 3
    assert "w1 in process 1 and w0 in process 0" in first["differ"]
    assert first["equal"] is None


@pytest.mark.slow
def test_the_first_decides_what_the_time_pays_for(tmp_path: Path) -> None:
    ended = together(2, train_for, tmp_path)
    steps = {_value(each) for each in ended}
    assert len(steps) == 1
    assert 1 <= steps.pop() < 4000


def test_samples_are_shared_as_evenly_as_they_can_be() -> None:
    assert shares(8, 4) == (2, 2, 2, 2)
    assert shares(5, 3) == (2, 2, 1)
    with pytest.raises(UsageError, match=r"batch_size is 2 and there are 3 processes.*at most 2"):
        shares(2, 3)


def test_a_single_process_passes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LOCAL_RANK", raising=False)
    assert launched() == 1
    assert join_processes("cpu") is ALONE
    gradient = torch.ones(2)
    parameter = torch.nn.Parameter(torch.zeros(2))
    parameter.grad = gradient
    ALONE.sum_gradients([parameter], 0.5)
    assert parameter.grad is gradient
    assert torch.equal(gradient, torch.ones(2))
    assert ALONE.part(TINY_SETTINGS.batch_size) == range(TINY_SETTINGS.batch_size)
