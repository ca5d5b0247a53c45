"""Takes that wait to be handed out, in batches, and how often each was given back."""

from collections.abc import Sequence

from facekit.errors import WorkerLost
from facekit.generation.storyboard_shot import ShotPlan
from facekit.workflows.render_jobs import TakeJob

__all__ = ["MAX_TRIES", "JobQueue", "batch_limit"]

MAX_TRIES = 3
"""Workers that a unit is given to, one after the other."""


class JobQueue:
    """First come, first served; what a dead worker held comes first again."""

    def __init__(self) -> None:
        self._jobs: list[TakeJob] = []
        self._tries: dict[str, int] = {}

    def __len__(self) -> int:
        return len(self._jobs)

    def add(self, job: TakeJob) -> None:
        """Put one at the end."""
        self._jobs.append(job)

    def batch(self, hands: int) -> list[TakeJob]:
        """Take out takes that can be drawn at once, but never so many that others stand idle.

        Args:
            hands: How many could work on what waits, this one among them.
        """
        first = self._jobs[0]
        same = [job for job in self._jobs if job is first or _is_alike(job, first)]
        share = -(-len(self._jobs) // hands)
        jobs = same[: max(1, min(batch_limit(first.shot), share))]
        self._jobs = [job for job in self._jobs if job not in jobs]
        return jobs

    def give_back(self, jobs: Sequence[TakeJob], how: str) -> None:
        """Put back what a worker held when it ended.

        Args:
            jobs: What it held.
            how: How it ended, in words.

        Raises:
            WorkerLost: One of them has ended `MAX_TRIES` workers.
        """
        for job in jobs:
            tries = self._tries[job.name] = self._tries.get(job.name, 0) + 1
            if tries >= MAX_TRIES:
                raise WorkerLost(
                    f"{job.name}: {tries} workers ended while they made it (the last with {how}),"
                    " expected an answer; look for a lack of memory, or render with fewer workers"
                )
        self._jobs = [*jobs, *self._jobs]


def batch_limit(shot: ShotPlan) -> int:
    """How many takes of this size are drawn at once."""
    from facekit.generation.sample import MAX_BATCH, MAX_BATCH_PIXELS  # waiting needs no torch

    volume = shot.height * shot.width * max(shot.frames.chunks)
    return max(1, min(MAX_BATCH, MAX_BATCH_PIXELS // volume))


def _is_alike(job: TakeJob, first: TakeJob) -> bool:
    return job.batch_key is not None and job.batch_key == first.batch_key
