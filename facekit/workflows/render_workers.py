"""Several processes that make takes, one graphics card each; one that dies is replaced."""

import multiprocessing
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Protocol

from facekit.types import NoProgress, Progress
from facekit.workflows.render_jobs import MadeTake, TakeJob
from facekit.workflows.render_queue import JobQueue

__all__ = ["Maker", "Workers"]


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
        self.makers = tuple(makers)
        self._context = multiprocessing.get_context("spawn")
        self._queue = JobQueue()
        self._workers: list[_Worker] = []

    def submit(self, job: TakeJob) -> None:
        """Queue one."""
        self._queue.add(job)

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
        free = [place for place in range(len(self.makers)) if place not in taken]
        while self._queue and (idle or free):
            worker = idle.pop() if idle else self._start(free.pop(0))
            worker.jobs = self._queue.batch(len(idle) + len(free) + 1)
            try:
                worker.pipe.send(worker.jobs)
            except OSError:
                self._bury(worker)

    def _start(self, place: int) -> _Worker:
        ours, theirs = self._context.Pipe()
        process = self._context.Process(
            target=_work, args=(self.makers[place], theirs), daemon=True
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
        self._queue.give_back(worker.jobs, f"exit code {worker.process.exitcode}")


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
