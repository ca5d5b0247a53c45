"""Progress on stderr: a bar with the time left on a terminal, now and then a line elsewhere."""

import sys
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Final, Self, TextIO

if TYPE_CHECKING:
    from rich.progress import Progress as RichProgress
    from rich.progress import TaskID

__all__ = ["BarProgress", "LineProgress", "make_progress"]

_SECONDS_BETWEEN_LINES: Final = 10.0


def make_progress(stream: TextIO | None = None) -> "BarProgress | LineProgress":
    """Choose by whether the stream (stderr when none is given) is a terminal."""
    stream = sys.stderr if stream is None else stream
    return BarProgress() if stream.isatty() else LineProgress(stream)


class BarProgress:
    """A rich bar per stage; finished stages stay visible.

    Leaving its ``with`` block gives the cursor back, whatever ended the block.
    """

    def __init__(self) -> None:
        self._bars: RichProgress | None = None
        self._task: TaskID | None = None

    def __enter__(self) -> Self:
        """Nothing is drawn before the first stage."""
        return self

    def __exit__(self, *_: object) -> None:
        """Leave the bar as it stands, so that an error comes below it."""
        self.finish()

    def start(self, total: int, label: str) -> None:
        """Begin a stage."""
        from rich.console import Console
        from rich.progress import (
            BarColumn,
            MofNCompleteColumn,
            TextColumn,
            TimeElapsedColumn,
            TimeRemainingColumn,
        )
        from rich.progress import (
            Progress as RichProgress,
        )

        if self._bars is None:
            self._bars = RichProgress(
                TextColumn("{task.description}"),
                BarColumn(),
                MofNCompleteColumn(),
                TimeElapsedColumn(),
                TextColumn("left"),
                TimeRemainingColumn(),
                TextColumn("{task.fields[info]}"),
                console=Console(stderr=True),
            )
            self._bars.start()
        self._task = self._bars.add_task(label, total=total, info="")

    def advance(self, n: int = 1, info: str = "") -> None:
        """Count steps done."""
        if self._bars is not None and self._task is not None:
            self._bars.advance(self._task, n)
            if info:
                self._bars.update(self._task, info=info)

    def finish(self) -> None:
        """End the stage and leave its bar standing."""
        if self._bars is not None:
            self._bars.stop()
        self._bars = self._task = None


class LineProgress:
    """A line when a stage begins and ends, and every ten seconds between."""

    def __init__(self, stream: TextIO, clock: Callable[[], float] = time.monotonic) -> None:
        self._stream, self._clock = stream, clock
        self._label, self._total, self._done = "", 0, 0
        self._began = self._spoke = 0.0
        self._first: tuple[float, int] | None = None

    def __enter__(self) -> Self:
        """Nothing is said before the first stage."""
        return self

    def __exit__(self, *_: object) -> None:
        """Nothing to give back; a stage that was broken off is not called done."""

    def start(self, total: int, label: str) -> None:
        """Begin a stage."""
        self._label, self._total, self._done = label, total, 0
        self._began = self._spoke = self._clock()
        self._first = None
        self._say(f"{label}: 0/{total}")

    def advance(self, n: int = 1, info: str = "") -> None:
        """Count steps done."""
        self._done += n
        now = self._clock()
        if self._first is None:  # what a run that goes on had done already took none of this time
            self._first = now, self._done
        if now - self._spoke < _SECONDS_BETWEEN_LINES:
            return
        self._spoke = now
        since, before = self._first
        left = ""
        if self._done > before:  # the first step alone tells no pace
            left_s = (now - since) / (self._done - before) * (self._total - self._done)
            left = f"{_clock_text(left_s)} left"
        parts = [f"{self._done}/{self._total}", left, info]
        self._say(f"{self._label}: {', '.join(part for part in parts if part)}")

    def finish(self) -> None:
        """End the stage; nothing happens without one."""
        if self._label:
            self._say(f"{self._label}: done in {_clock_text(self._clock() - self._began)}")
        self._label = ""

    def _say(self, text: str) -> None:
        print(text, file=self._stream, flush=True)


def _clock_text(seconds: float) -> str:
    minutes, rest = divmod(max(round(seconds), 0), 60)
    return f"{minutes}:{rest:02d}"
