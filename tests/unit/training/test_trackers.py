"""Trackers are read back from what they wrote."""

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from facekit.errors import PackageMissing, UsageError
from facekit.media.images import write_image
from facekit.training.metrics import MetricsLog
from facekit.training.trackers import (
    TENSORBOARD_DIR,
    TRACKERS,
    WANDB_DIR,
    check_trackers,
    open_trackers,
)

ROW = {"loss/total": 0.5, "skipped": False, "validate/best_step": None}


def _board(folder: Path) -> tuple[Any, ...]:
    return open_trackers(["tensorboard"], folder, run="mira", config={"lora": {"rank": 4}})


def _read(folder: Path) -> Any:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(folder / TENSORBOARD_DIR), size_guidance={"images": 0})
    events.Reload()
    return events


def _log(folder: Path, first_step: int, steps: range, **options: Any) -> None:
    with MetricsLog(folder / "metrics.jsonl", first_step, _board(folder)) as log:
        for step in steps:
            log.write(step, {**ROW, **options})


def test_tensorboard_gets_every_row_and_picture(tmp_path: Path) -> None:
    picture = tmp_path / "step-000001.png"
    write_image(picture, np.full((8, 12, 3), 200, np.uint8))
    with MetricsLog(tmp_path / "metrics.jsonl", -1, _board(tmp_path)) as log:
        log.write(1, {**ROW, "loss/flow": "nan"})
        log.picture(1, picture)
        log.write(2, {"loss/total": 0.25})
    events = _read(tmp_path)
    assert set(events.Tags()["scalars"]) == {"loss/total", "loss/flow", "skipped"}
    found = [(event.step, event.value) for event in events.Scalars("loss/total")]
    assert found == [(1, 0.5), (2, 0.25)]
    assert np.isnan(events.Scalars("loss/flow")[0].value)
    (image,) = events.Images("validate/samples")
    assert (image.step, image.width, image.height) == (1, 12, 8)
    assert "recipe/text_summary" in events.Tags()["tensors"]


def test_a_run_that_goes_on_has_each_step_once(tmp_path: Path) -> None:
    _log(tmp_path, -1, range(1, 6), value=1.0)
    _log(tmp_path, 3, range(4, 8), value=2.0)
    events = _read(tmp_path)
    found = [(event.step, event.value) for event in events.Scalars("value")]
    assert found == [(1, 1.0), (2, 1.0), (3, 1.0), (4, 2.0), (5, 2.0), (6, 2.0), (7, 2.0)]
    _log(tmp_path, -1, range(1, 3), value=3.0)
    assert [event.value for event in _read(tmp_path).Scalars("value")] == [3.0, 3.0]


def test_a_tracker_that_fails_falls_silent_and_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from torch.utils.tensorboard import SummaryWriter

    (tracker,) = trackers = _board(tmp_path)
    calls = []

    def full(self: Any, *args: Any) -> None:
        calls.append(args)
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(SummaryWriter, "add_scalar", full)
    path = tmp_path / "metrics.jsonl"
    with MetricsLog(path, -1, trackers) as log:
        log.write(1, {"loss/total": 0.5})
        log.write(2, {"loss/total": 0.5})
    assert len(calls) == 1
    assert tracker.warnings == (
        "tracking with tensorboard ended early: [Errno 28] No space left on device",
    )
    assert len(path.read_text().splitlines()) == 2


def test_nothing_is_written_before_the_run_begins(tmp_path: Path) -> None:
    (tracker,) = _board(tmp_path)
    tracker.write(1, ROW)
    tracker.picture(1, tmp_path / "none.png")
    tracker.close()
    assert list(tmp_path.iterdir()) == []
    assert tracker.warnings == ()


def test_unknown_names_and_missing_packages_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    assert check_trackers(["tensorboard", "tensorboard"]) == ("tensorboard",)
    assert check_trackers([]) == ()
    with pytest.raises(UsageError, match="tracker mlflow is unknown, expected some of tensorboard"):
        check_trackers(["tensorboard", "mlflow"])
    for name in TRACKERS:
        monkeypatch.setitem(sys.modules, name, None)
        with pytest.raises(PackageMissing, match=r"pip install 'facekit\[track\]'"):
            check_trackers([name])


class _Run:
    """What a run of wandb is asked for."""

    def __init__(self) -> None:
        self.rows: list[dict[str, Any]] = []
        self.is_finished = False

    def define_metric(self, name: str, step_metric: str | None = None) -> None:
        pass

    def log(self, row: dict[str, Any]) -> None:
        self.rows.append(row)

    def finish(self) -> None:
        self.is_finished = True


def test_wandb_goes_on_with_the_run_of_the_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a stand-in for the package; the next test runs the real one where it is installed."""
    asked: list[dict[str, Any]] = []
    runs: list[_Run] = []

    class Wandb:
        Error = type("Error", (Exception,), {})
        Settings = staticmethod(lambda **options: options)
        Image = staticmethod(lambda path: ("image", path))

        @staticmethod
        def init(**options: Any) -> _Run:
            asked.append(options)
            runs.append(_Run())
            return runs[-1]

    monkeypatch.setitem(sys.modules, "wandb", Wandb)
    for first_step in (-1, 4, -1):
        trackers = open_trackers(["wandb"], tmp_path, run="mira", config={"a": 1})
        with MetricsLog(tmp_path / "metrics.jsonl", first_step, trackers) as log:
            log.write(5, ROW)
            log.picture(5, tmp_path / "x.png")
    first, again, fresh = (options["id"] for options in asked)
    assert first == again != fresh
    assert {(options["name"], options["dir"], options["resume"]) for options in asked} == {
        ("mira", str(tmp_path), "allow")
    }
    assert runs[0].rows == [
        {"step": 5, "loss/total": 0.5, "skipped": 0.0},
        {"step": 5, "validate/samples": ("image", str(tmp_path / "x.png"))},
    ]
    assert all(run.is_finished for run in runs)

    def refuses(**options: Any) -> None:
        raise Wandb.Error("no server")

    monkeypatch.setattr(Wandb, "init", staticmethod(refuses))
    with (
        pytest.raises(UsageError, match=r"wandb did not start \(no server\).*WANDB_MODE=offline"),
        MetricsLog(tmp_path / "metrics.jsonl", -1, trackers),
    ):
        pass


def test_wandb_writes_a_run_without_a_network(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("wandb", reason="needs the extra track")
    monkeypatch.setenv("WANDB_MODE", "offline")
    assert check_trackers(["wandb"]) == ("wandb",)
    trackers = open_trackers(["wandb"], tmp_path, run="mira", config={})
    picture = tmp_path / "step-000001.png"
    write_image(picture, np.full((8, 12, 3), 200, np.uint8))
    with MetricsLog(tmp_path / "metrics.jsonl", -1, trackers) as log:
        log.write(1, ROW)
        log.picture(1, picture)
    assert trackers[0].warnings == ()
    known = (tmp_path / WANDB_DIR / "run_id").read_text()
    (written,) = (tmp_path / WANDB_DIR).glob(f"offline-run-*/run-{known}.wandb")
    assert b"loss/total" in written.read_bytes()


def test_wandb_without_a_key_is_refused_before_it_would_ask(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Wandb:
        login = staticmethod(lambda prompt: False)

        class Setup:
            class settings:  # noqa: N801
                mode = "online"

        setup = Setup

    monkeypatch.setitem(sys.modules, "wandb", Wandb)
    with pytest.raises(UsageError, match=r"knows no API key.*wandb login, or set WANDB_MODE"):
        check_trackers(["wandb"])
    Wandb.Setup.settings.mode = "offline"
    assert check_trackers(["wandb"]) == ("wandb",)
