"""Several processes that make takes, one graphics card each; one that dies is replaced."""

import multiprocessing
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Protocol

from facekit.errors import WorkerLost
from facekit.types import NoProgress, Progress
from facekit.workflows.render_jobs import MadeTake, TakeJob

__all__ = ["MAX_TRIES", "Maker", "Workers"]

MAX_TRIES = 3
"""Workers that a unit is given to, one after the other."""


class Maker(Protocol):
    """What a worker does with takes; a studio."""

    def make(self, jobs: Sequence[TakeJob], progress: Progress) -> list[MadeTake]:
        """Make them."""


@dataclass(slots=True, eq=False)
class _Worker:
    place: int
    process: BaseProcess
    pipe: Connection
    jobs: list[TakeJob]


class Workers:
    """Processes that make takes. Each loads the backbone by itself.

    Args:
        makers: One per process; called there, and so must be picklable.
    """

    def __init__(self, makers: Sequence[Callable[[], Maker]]) -> None:
        self._makers = tuple(makers)
        self._context = multiprocessing.get_context("spawn")
        self._queue: list[TakeJob] = []
        self._tries: dict[str, int] = {}
        self._workers: list[_Worker] = []

    def submit(self, job: TakeJob) -> None:
        """Queue one."""
        self._queue.append(job)

    def collect(self) -> Sequence[MadeTake]:
        """Wait until a worker is done.

        Raises:
            WorkerLost: A unit has ended `MAX_TRIES` workers.
        """
        while True:
            self._hand_out()
            busy = [worker for worker in self._workers if worker.jobs]
            ready = wait([worker.pipe for worker in busy])
            for worker in [worker for worker in busy if worker.pipe in ready]:
                try:
                    answer = worker.pipe.recv()
                except (EOFError, OSError):
                    self._bury(worker)
                    continue
                worker.jobs = []
                if isinstance(answer, BaseException):
                    raise answer
                made: list[MadeTake] = answer
                return made

    def close(self) -> None:
        """End all processes; what they were drawing is lost and will be drawn again."""
        for worker in self._workers:
            worker.pipe.close()
            if worker.jobs:
                worker.process.terminate()
        for worker in self._workers:
            worker.process.join()
        self._workers = []

    def _hand_out(self) -> None:
        idle = [worker for worker in self._workers if not worker.jobs]
        taken = {worker.place for worker in self._workers}
        free = [place for place in range(len(self._makers)) if place not in taken]
        while self._queue and (idle or free):
            worker = idle.pop() if idle else self._start(free.pop(0))
            worker.jobs = self._batch(len(idle) + len(free) + 1)
            try:
                worker.pipe.send(worker.jobs)
            except OSError:
                self._bury(worker)

    def _batch(self, hands: int) -> list[TakeJob]:
        """Takes that can be drawn at once, but never so many that others stand idle."""
        from facekit.workflows.render_draw import batch_limit  # workers need no torch to wait

        first = self._queue[0]
        same = [job for job in self._queue if job is first or _is_alike(job, first)]
        share = -(-len(self._queue) // hands)
        jobs = same[: max(1, min(batch_limit(first.shot), share))]
        self._queue = [job for job in self._queue if job not in jobs]
        return jobs

    def _start(self, place: int) -> _Worker:
        ours, theirs = self._context.Pipe()
        process = self._context.Process(
            target=_work, args=(self._makers[place], theirs), daemon=True
        )
        process.start()
        theirs.close()
        worker = _Worker(place, process, ours, [])
        self._workers.append(worker)
        return worker

    def _bury(self, worker: _Worker) -> None:
        """Give the takes of a dead worker to another one."""
        worker.pipe.close()
        worker.process.join()
        self._workers.remove(worker)
        for job in worker.jobs:
            tries = self._tries[job.name] = self._tries.get(job.name, 0) + 1
            if tries >= MAX_TRIES:
                raise WorkerLost(
                    f"{job.name}: {tries} workers ended while they made it (the last with exit"
                    f" code {worker.process.exitcode}), expected an answer; look for a lack of"
                    " memory, or render with fewer workers"
                )
        self._queue = [*worker.jobs, *self._queue]


def _is_alike(job: TakeJob, first: TakeJob) -> bool:
    return job.batch_key is not None and job.batch_key == first.batch_key


def _work(maker: Callable[[], Maker], pipe: Connection) -> None:
    """Make what comes through the pipe until it is closed."""
    made: Maker | None = None
    while True:
        try:
            jobs = pipe.recv()
        except (EOFError, OSError, KeyboardInterrupt):
            return
        try:
            made = made or maker()
            pipe.send(made.make(jobs, NoProgress()))
        except KeyboardInterrupt:
            return
        except Exception as error:  # noqa: BLE001  # told to whoever renders, which raises it
            pipe.send(error)
