import io

import pytest

from facekit.types import Progress
from facekit_cli.progress import BarProgress, LineProgress, make_progress


def test_lines_come_every_ten_seconds_with_the_time_left() -> None:
    now = [0.0]
    stream = io.StringIO()
    progress = LineProgress(stream, clock=lambda: now[0])
    progress.start(10, "train")
    for step in range(10):
        now[0] = 3.0 * (step + 1)
        progress.advance(1, f"loss {step}")
    progress.finish()
    assert stream.getvalue().splitlines() == [
        "train: 0/10",
        "train: 4/10, 0:18 left, loss 3",
        "train: 8/10, 0:06 left, loss 7",
        "train: done in 0:30",
    ]


def test_what_was_done_before_the_run_goes_on_is_not_called_fast() -> None:
    now = [0.0]
    stream = io.StringIO()
    progress = LineProgress(stream, clock=lambda: now[0])
    progress.start(100, "train")
    progress.advance(90)
    for step in range(4):
        now[0] = 4.0 * (step + 1)
        progress.advance(1, f"loss {step}")
    assert stream.getvalue().splitlines()[1:] == ["train: 93/100, 0:28 left, loss 2"]


def test_a_first_long_step_tells_no_time_left() -> None:
    now = [0.0]
    stream = io.StringIO()
    progress = LineProgress(stream, clock=lambda: now[0])
    progress.start(3, "shots")
    for shot in ("A", "B"):
        now[0] += 60.0
        progress.advance(1, shot)
    told = ["shots: 0/3", "shots: 1/3, A", "shots: 2/3, 1:00 left, B"]
    assert stream.getvalue().splitlines() == told


def test_a_stage_that_never_began_is_not_done() -> None:
    stream = io.StringIO()
    with LineProgress(stream) as progress:
        progress.finish()
        progress.start(3, "train")
        progress.finish()
        progress.finish()
    assert stream.getvalue().splitlines() == ["train: 0/3", "train: done in 0:00"]


def test_bar_counts_and_can_be_started_again(capsys: pytest.CaptureFixture[str]) -> None:
    progress = BarProgress()
    for label in ("one", "two"):
        progress.start(2, label)
        progress.advance(1, "half")
        progress.advance(1)
        progress.finish()
    out, err = capsys.readouterr()
    assert out == ""
    assert "one" in err
    assert "2/2" in err


def test_choice_goes_by_the_terminal() -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    assert isinstance(make_progress(Terminal()), BarProgress)
    assert isinstance(make_progress(io.StringIO()), LineProgress)
    assert all(isinstance(p, Progress) for p in (BarProgress(), LineProgress(io.StringIO())))
