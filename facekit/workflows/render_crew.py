"""Who makes the takes: this process, in batches where takes allow it, or several beside it."""

import os
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Protocol

import torch

from facekit.recipe import Recipe
from facekit.types import NoProgress, Progress
from facekit.weights import search_first, searched_first
from facekit.workflows.render_draw import Studio
from facekit.workflows.render_jobs import MadeTake, TakeJob
from facekit.workflows.render_judge import JudgePlan
from facekit.workflows.render_queue import batch_limit
from facekit.workflows.render_workers import Workers

__all__ = ["Crew", "InProcess", "hire", "open_studio"]


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


def hire(count: int, recipe: Recipe, device: torch.device, judge: JudgePlan) -> Crew:
    """Make a crew: this process for one worker, else so many processes.

    On CUDA each has a card of its own, as far as there are enough; on the CPU they share the cores.
    """
    if count == 1:
        return InProcess(Studio(recipe, device, judge))
    threads = max(1, (os.cpu_count() or 1) // count)
    return Workers(
        [
            partial(open_studio, recipe, one, judge, searched_first(), threads)
            for one in _devices(device, count)
        ]
    )


def _devices(device: torch.device, count: int) -> list[torch.device]:
    if str(device) != "cuda":  # one card was named, or there is none
        return [device] * count
    cards = torch.cuda.device_count()
    return [torch.device("cuda", place % cards) for place in range(count)]


def open_studio(
    recipe: Recipe,
    device: torch.device,
    judge: JudgePlan,
    places: Sequence[Path],
    threads: int,
) -> Studio:
    """Begin the work of a process: search where the asker searches, and load a studio."""
    search_first(places)
    if device.type == "cpu":
        torch.set_num_threads(min(threads, torch.get_num_threads()))
    return Studio(recipe, device, judge)
