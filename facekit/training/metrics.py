"""The log of a run: one JSON object per line, a line per step and per validation."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self, TextIO

from facekit.errors import OutputError
from facekit.media.files import write_text
from facekit.training.trackers import Tracker

__all__ = ["MetricsLog", "read_metrics"]


class MetricsLog:
    """Appends rows and flushes each, so that a kill costs at most the row being written.

    Args:
        path: The file; rows of steps that will be repeated are removed from it. None keeps no log.
        first_step: Steps done when the run goes on; -1 empties the log.
        trackers: Get a copy of every row; they start and end with the ``with`` block.
    """

    def __init__(
        self, path: Path | None, first_step: int, trackers: Sequence[Tracker] = ()
    ) -> None:
        self._path = path
        self._stream: TextIO | None = None
        self._trackers = tuple(trackers)
        self._first_step = first_step
        if path is None:
            return
        rows = [row for row in read_metrics(path) if int(row["step"]) <= first_step]
        write_text(path, "".join(json.dumps(row) + "\n" for row in rows))
        self._stream = path.open("a", encoding="utf-8")

    def write(self, step: int, row: Mapping[str, object]) -> None:
        """Append a row. `step` counts the steps done.

        Raises:
            OutputError: The disk is full.
        """
        if self._stream is None:
            return
        try:
            self._stream.write(json.dumps({"step": step, **row}) + "\n")
            self._stream.flush()
        except OSError as error:
            raise OutputError(
                f"{self._path}: not written ({error.strerror}); the last checkpoint is kept; free"
                " some space and run the same command again to go on"
            ) from error
        for tracker in self._trackers:
            tracker.write(step, row)

    def picture(self, step: int, path: Path) -> None:
        """Give trackers the picture of a validation."""
        for tracker in self._trackers:
            tracker.picture(step, path)

    def __enter__(self) -> Self:
        """Start the trackers.

        Raises:
            UsageError: One of them cannot start.
        """
        try:
            for tracker in self._trackers:
                tracker.begin(self._first_step)
        except BaseException:
            self._close()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._close()

    def _close(self) -> None:
        if self._stream is not None:
            self._stream.close()
        for tracker in self._trackers:
            tracker.close()


def read_metrics(path: Path) -> list[dict[str, float]]:
    """Read the rows of a log; a last line that was cut short is left out."""
    if not path.is_file():
        return []
    rows = []
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            rows.append(json.loads(line))
        except json.JSONDecodeError:
            break
    return rows
