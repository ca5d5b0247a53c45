"""Who makes the takes: this process, one after the other, in batches where takes allow it."""

from collections.abc import Sequence
from typing import Protocol

from facekit.types import NoProgress, Progress
from facekit.workflows.render_draw import MadeTake, Studio, TakeJob, batch_limit

__all__ = ["Crew", "InProcess"]


class Crew(Protocol):
    """Makes takes, in whatever order and wherever."""

    def submit(self, job: TakeJob) -> None:
        """Queue one."""

    def collect(self) -> Sequence[MadeTake]:
        """Wait until at least one is made; every error of the making is raised here."""

    def close(self) -> None:
        """Let everybody go."""


class InProcess:
    """Everything in this process, with one loaded backbone.

    Args:
        studio: Makes the takes.
        progress: Told of every denoising step.
    """

    def __init__(self, studio: Studio, progress: Progress | None = None) -> None:
        self._studio, self._progress = studio, progress or NoProgress()
        self._queue: list[TakeJob] = []

    def submit(self, job: TakeJob) -> None:
        """Queue one."""
        self._queue.append(job)

    def collect(self) -> Sequence[MadeTake]:
        """Make the first one that waits, and with it those that can be drawn at once."""
        first = self._queue[0]
        batch = [first]
        if first.batch_key is not None:
            others = [job for job in self._queue[1:] if job.batch_key == first.batch_key]
            batch += others[: batch_limit(first.shot) - 1]
        self._queue = [job for job in self._queue if job not in batch]
        return self._studio.make(batch, self._progress)

    def close(self) -> None:
        """Nothing is held."""
