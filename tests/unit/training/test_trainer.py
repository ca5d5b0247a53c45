"""What a run that goes wrong leaves behind, and that it goes on from there."""

import errno
import itertools
import signal
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from facekit.errors import NonFiniteLoss, OutputError, TrainingError
from facekit.media import files
from facekit.training.checkpoint import TrainState, load_state
from facekit.training.metrics import MetricsLog, read_metrics
from facekit.training.objective import Objective
from facekit.training.train_character import TrainingResult
from facekit.training.trainer import METRICS_FILE, STATE_FILE, Validation
from tests.tiny.training import TINY_SETTINGS, TinyRun


def _plain(folder: Path, **changes: Any) -> TinyRun:
    """A plain LoRA, checked every second step: small, and all that a guard looks at."""
    settings = {"level": "none", "steps": 12, "validate_every": 0, "checkpoint_every": 2}
    settings |= {"batch_size": 1}
    weights = replace(TINY_SETTINGS.weights, identity=0.0, preservation=0.0)
    return TinyRun(folder, **{**settings, "weights": weights, **changes})


def _kept(run: TinyRun) -> TrainState:
    state = load_state(run.out_dir / STATE_FILE, run.digest)
    assert state is not None
    return state


def _weights(result: TrainingResult) -> dict[str, torch.Tensor]:
    assert result.lora is not None
    return dict(result.lora)


def _equal(first: TrainingResult, second: TrainingResult) -> bool:
    one, other = _weights(first), _weights(second)
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def _breaks_from(step: int, breaks: Callable[[Objective], Any]) -> Callable[..., Any]:
    """A backward pass that goes wrong from a step on."""
    real, calls = Objective.backward, []

    def backward(self: Objective, batch: Any) -> Any:
        found = real(self, batch)
        calls.append(1)
        return (breaks(self) or found) if len(calls) > step else found

    return backward


def _trained(objective: Objective) -> list[torch.nn.Parameter]:
    return [p for p in objective.denoiser.network.parameters() if p.requires_grad]


def _poison(objective: Objective) -> None:
    gradient = next(p.grad for p in _trained(objective) if p.grad is not None)
    gradient.view(-1)[0] = float("nan")


def _vanish(objective: Objective) -> None:
    for parameter in _trained(objective):
        assert parameter.grad is not None
        parameter.grad.zero_()


@pytest.mark.parametrize(
    ("breaks", "error", "said"),
    [
        (_poison, NonFiniteLoss, r"6 steps in a row had a loss or gradient that is not finite"),
        (_vanish, TrainingError, r"the gradient of lora was exactly zero in 6 steps"),
    ],
)
def test_the_kept_checkpoint_is_from_before_the_first_bad_step(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    breaks: Callable[[Objective], Any],
    error: type[Exception],
    said: str,
) -> None:
    run = _plain(tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(Objective, "backward", _breaks_from(5, breaks))
        with pytest.raises(error, match=said) as raised:
            run(validate=None)
    assert str(run.out_dir / STATE_FILE) in str(raised.value)
    kept = _kept(run)
    # The sixth step is the first bad one; a save in the five that follow would have been at 6.
    assert (kept.step, kept.is_good) == (4, True)
    assert all(tensor.isfinite().all() for tensor in kept.tensors.values())
    steps = [row["step"] for row in read_metrics(run.out_dir / METRICS_FILE)]
    assert steps == list(range(1, 12))
    # And a run that meets no more of them goes on from there.
    assert run(validate=None).steps == 12


def test_what_follows_a_bad_step_is_saved_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = _plain(tmp_path, steps=6)
    real, calls = Objective.backward, []

    def once(self: Objective, batch: Any) -> Any:
        found = real(self, batch)
        calls.append(1)
        return replace(found, total=float("inf")) if len(calls) == 4 else found

    monkeypatch.setattr(Objective, "backward", once)
    steps = []
    monkeypatch.setattr(
        "facekit.training.trainer.save_state", lambda path, state, digest: steps.append(state.step)
    )
    assert run(validate=None).steps == 6
    assert steps == [0, 2, 6]


def _fills(stem: str, after: int) -> Callable[[Path], None]:
    """A disk that is full when so many files of a name have been written."""
    real, seen = files._flush, []

    def flush(path: Path) -> None:
        if path.name.startswith(f".{stem}-"):
            seen.append(path)
            if len(seen) > after:
                raise OSError(errno.ENOSPC, "No space left on device")
        real(path)

    return flush


def test_a_disk_that_fills_up_keeps_the_last_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    straight = _plain(tmp_path / "straight", steps=5)(validate=None)
    run = _plain(tmp_path / "full", steps=5)
    with monkeypatch.context() as patch:
        patch.setattr(files, "_flush", _fills("state", after=2))
        with pytest.raises(OutputError, match=r"state\.safetensors: not written, no space left"):
            run(validate=None)
    assert _kept(run).step == 2
    assert not list(run.out_dir.glob(".*"))
    assert _equal(run(validate=None), straight)


def test_a_log_that_cannot_be_written_ends_the_run_and_it_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    straight = _plain(tmp_path / "straight", steps=5)(validate=None)
    run = _plain(tmp_path / "full", steps=5)
    real = MetricsLog.write

    class Full:
        def write(self, text: str) -> None:
            raise OSError(errno.ENOSPC, "No space left on device")

        def close(self) -> None:
            pass

    def write(self: MetricsLog, step: int, row: Any) -> None:
        if step == 4:
            self._stream.close()
            self._stream = Full()  # type: ignore[assignment]
        real(self, step, row)

    with monkeypatch.context() as patch:
        patch.setattr(MetricsLog, "write", write)
        with pytest.raises(OutputError, match="the last checkpoint is kept; free some space"):
            run(validate=None)
    assert _kept(run).step == 2
    assert _equal(run(validate=None), straight)
    assert [row["step"] for row in read_metrics(run.out_dir / METRICS_FILE)] == [1, 2, 3, 4, 5]


class _Stops:
    """Presses Ctrl-C once so many steps are done, and remembers what is told."""

    def __init__(self, after: int = 0) -> None:
        self.left = after
        self.told: list[str] = []
        self.trains = False

    def start(self, total: int, label: str) -> None:
        self.trains = label == "train"

    def advance(self, n: int = 1, info: str = "") -> None:
        if not self.trains:
            return
        self.told.append(info)
        self.left -= n
        if n and self.left == 0:
            signal.raise_signal(signal.SIGINT)

    def finish(self) -> None:
        pass


@pytest.mark.parametrize(
    "changes",
    [
        {"optimizer": "adamw_schedule_free"},
        {"lr_schedule": "cosine", "ema": 0.9},
        {"optimizer": "adamw_8bit", "lr_schedule": "linear"},
    ],
)
def test_ctrl_c_goes_on_exactly(tmp_path: Path, changes: dict[str, Any]) -> None:
    if changes.get("optimizer") == "adamw_8bit":
        pytest.importorskip("bitsandbytes", reason="needs the extra quant")
    changes = {**changes, "steps": 5, "validate_every": 2, "checkpoint_every": 100}
    runs = [_plain(tmp_path / name, **changes) for name in ("straight", "stopped")]

    def judge(step: int) -> Validation:
        return Validation(score=-abs(step - 4))

    straight = runs[0](validate=judge)
    with pytest.raises(KeyboardInterrupt):
        runs[1](validate=judge, progress=_Stops(3))
    assert _kept(runs[1]).step == 3
    assert _equal(runs[1](validate=judge), straight)
    assert straight.best_step == 4


def test_the_schedule_ends_with_the_run(tmp_path: Path) -> None:
    """The last step of a linear rate is the smallest; the first one is at the full rate."""
    runs = [
        _plain(tmp_path / name, steps=3, warmup=0, lr_schedule=name, checkpoint_every=1)
        for name in ("constant", "linear")
    ]
    moved = []
    for run in runs:
        seen = []

        def judge(step: int, run: TinyRun = run, seen: list[Any] = seen) -> Validation:
            named = run.pipe.transformer.named_parameters()
            seen.append(torch.cat([p.detach().flatten() for n, p in named if "lora_B" in n]))
            return Validation(score=0.0)

        run.settings = replace(run.settings, validate_every=1)
        run(validate=judge)
        moved.append([float((b - a).norm()) for a, b in itertools.pairwise(seen)])
    assert moved[1][0] == pytest.approx(moved[0][0])
    assert moved[1][2] < 0.5 * moved[0][2]


def test_a_score_that_is_no_number_is_never_kept(tmp_path: Path) -> None:
    run = _plain(tmp_path, steps=2, validate_every=1)
    scores = {0: 0.5, 1: float("nan"), 2: 0.1}
    result = run(validate=lambda step: Validation(score=scores[step]))
    assert (result.best_step, result.best_score) == (2, 0.1)
    rows = [r for r in read_metrics(run.out_dir / METRICS_FILE) if "validate/score" in r]
    assert [row["validate/score"] for row in rows] == [0.5, "nan", 0.1]


def test_a_step_tells_its_loss_and_the_pace(tmp_path: Path) -> None:
    progress = _Stops()
    _plain(tmp_path, steps=2)(validate=None, progress=progress)
    assert all(
        info.startswith("loss ") and info.endswith((" steps/s", " s/step"))
        for info in progress.told[1:]
    )
    assert len(progress.told) == 3
