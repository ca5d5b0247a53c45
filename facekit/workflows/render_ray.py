"""Takes made on a Ray cluster: one actor per graphics card, and one that dies is replaced.

Jobs go to the actors as messages; what they make comes back as files. So the folder of the renders,
the characters and the photos must be visible on every node under the same paths.
"""

import os
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import torch

from facekit.errors import PackageMissing, RenderError, UsageError, WorkerLost
from facekit.generation.units import take_name
from facekit.media.files import remove_file, write_text
from facekit.types import Progress
from facekit.weights import searched_first
from facekit.workflows.device import AUTO
from facekit.workflows.render import RenderPlan, RenderResult, run_render
from facekit.workflows.render_crew import open_studio
from facekit.workflows.render_files import IDENTITY_SUFFIX, read_json
from facekit.workflows.render_ground import Ground, Hand
from facekit.workflows.render_jobs import MadeTake, TakeJob
from facekit.workflows.render_queue import MAX_TRIES, JobQueue
from facekit.workflows.render_workers import Maker

__all__ = ["RayCrew", "connect", "run_on_ray"]

_BEGIN_S = 900.0
"""Without any actor for so long, the render ends; a cluster that grows needs minutes for a node."""
_SEEN_S = 90.0
"""So late may a network folder show what another machine wrote; NFS remembers for a minute."""


@dataclass(slots=True, eq=False)
class _Actor:
    handle: Any
    ref: Any
    """Of the answer that is waited for; None while it is idle."""
    has_begun: bool = False
    jobs: list[TakeJob] = field(default_factory=list)


class RayCrew:
    """Actors of a cluster that make takes. Each loads the backbone by itself.

    Args:
        maker: Called in every actor, and so must be picklable.
        count: Actors at most; fewer where the cluster has no room just now.
        ground: What every node must have.
        num_cpus: Cores of each.
        num_gpus: Graphics cards of each.
    """

    def __init__(
        self,
        maker: Callable[[], Maker],
        count: int,
        ground: Ground,
        *,
        num_cpus: int = 1,
        num_gpus: int = 0,
    ) -> None:
        self._ray = _import_ray()
        self._maker, self._count, self._ground = maker, count, ground
        # a unit that ended its actor is given away again here, where tries are counted
        self._kind = self._ray.remote(
            num_cpus=num_cpus, num_gpus=num_gpus, max_restarts=0, max_task_retries=0
        )(Hand)
        self._queue = JobQueue()
        self._actors: list[_Actor] = []
        self._failed = 0

    def submit(self, job: TakeJob) -> None:
        """Queue one."""
        self._queue.add(job)

    def collect(self) -> Sequence[MadeTake]:
        """Wait until an actor is done, and until what it wrote is visible here.

        Raises:
            WorkerLost: A unit has ended `MAX_TRIES` actors, or so many ended before they began.
            RenderError: A node does not see the files, or the cluster has no room.
        """
        while True:
            self._hand_out()
            waiting = {actor.ref: actor for actor in self._actors if actor.ref is not None}
            limit = None if any(actor.has_begun for actor in self._actors) else _BEGIN_S
            done, _ = self._ray.wait(list(waiting), num_returns=1, timeout=limit)
            if not done:
                raise RenderError(
                    f"no actor has begun for {_BEGIN_S:.0f} s, expected room for one on the"
                    " cluster; look at ray status"
                )
            actor = waiting[done[0]]
            actor.ref = None
            try:
                answer = self._ray.get(done[0])
            except self._ray.exceptions.RayTaskError:
                raise
            except self._ray.exceptions.RayError as error:
                self._bury(actor, error)
                continue
            if isinstance(answer, Exception):
                raise answer
            if not actor.has_begun:
                actor.has_begun, self._failed = True, 0
                continue
            actor.jobs = []
            made: list[MadeTake] = answer
            for one in made:
                _wait_until_seen(one.job)
            return made

    def close(self) -> None:
        """End all actors; what they were drawing is lost and will be drawn again."""
        for actor in self._actors:
            self._ray.kill(actor.handle)
        self._actors = []
        remove_file(self._ground.probe)

    def _hand_out(self) -> None:
        for actor in [one for one in self._actors if one.has_begun and one.ref is None]:
            if not self._queue:
                return
            hands = self._count - sum(bool(one.jobs) for one in self._actors)
            actor.jobs = self._queue.batch(hands)
            actor.ref = actor.handle.make.remote(actor.jobs)
        if self._queue and not self._ground.probe.exists():
            write_text(self._ground.probe, self._ground.token)
        coming = sum(not actor.has_begun for actor in self._actors)
        while len(self._actors) < self._count and coming < len(self._queue):
            handle = self._kind.remote(self._ground, self._maker)
            self._actors.append(_Actor(handle, handle.begin.remote()))
            coming += 1

    def _bury(self, actor: _Actor, error: Exception) -> None:
        """Give the takes of a dead actor to another one."""
        self._ray.kill(actor.handle)  # it may be alive behind a broken network
        self._actors.remove(actor)
        self._failed += not actor.has_begun
        if self._failed >= MAX_TRIES:
            raise WorkerLost(
                f"{self._failed} actors ended before they began ({_last_line(error)}), expected"
                " them to load facekit; install the same facekit and Python on every node"
            )
        self._queue.give_back(actor.jobs, type(error).__name__)


def connect(address: str) -> bool:
    """Join a cluster, unless this process has joined one already.

    Args:
        address: `auto` for the one of this machine, or `HOST:PORT` of its head.

    Returns:
        Whether it was joined by this call.

    Raises:
        PackageMissing: Ray is not installed.
        RenderError: No cluster there, or one of another version.
    """
    ray = _import_ray()
    if ray.is_initialized():
        return False
    try:
        ray.init(address=address, log_to_driver=False, logging_level="ERROR")
    except (OSError, RuntimeError, ValueError, ray.exceptions.RayError) as error:
        raise RenderError(
            f"--ray {address}: not joined ({_last_line(error)}), expected a running cluster that"
            " lets you in; begin one with ray start --head, name the HOST:PORT of its head, or set"
            " RAY_AUTH_MODE=token where it asks for one"
        ) from error
    return True


def run_on_ray(
    plan: RenderPlan,
    progress: Progress,
    *,
    address: str,
    device: str = AUTO,
    workers: int | None = None,
) -> RenderResult:
    """Render as `run_render` does, with actors of a Ray cluster.

    Args:
        plan: What to render; its own device does not count.
        progress: Counts the takes.
        address: As for `connect`.
        device: `auto` takes the cards of the cluster where it has some, else its CPUs.
        workers: Actors; when None one per card, or one where there are none.

    Raises:
        UsageError: The cluster cannot give so many workers, or not on that device.
        PackageMissing: Ray is not installed.
        RenderError: No cluster there, or a node does not see the files.
        FacekitError: As for `run_render`.
    """
    is_ours = connect(address)
    try:
        has = _import_ray().cluster_resources()
        cards, cores = int(has.get("GPU", 0)), int(has.get("CPU", 0))
        where, count, threads = _shared_out(device, workers, cards, cores)
        maker = partial(
            open_studio, plan.board.recipe, where, plan.judge, searched_first(), threads
        )
        crew = RayCrew(
            maker,
            count,
            Ground.of(plan),
            num_cpus=threads if where.type == "cpu" else 1,
            num_gpus=int(where.type == "cuda"),
        )
        return run_render(plan, progress, crew=crew)
    finally:
        if is_ours:
            _import_ray().shutdown()


def _shared_out(
    device: str, workers: int | None, cards: int, cores: int
) -> tuple[torch.device, int, int]:
    """Decide device, number and threads of the actors."""
    if device not in (AUTO, "cpu", "cuda"):
        raise UsageError(
            f"--device {device} with --ray: Ray gives every actor its card, expected auto, cpu or"
            " cuda; leave it away"
        )
    on_cards = device == "cuda" or (device == AUTO and cards > 0)
    room, what = (cards, "graphics cards") if on_cards else (cores, "CPU cores")
    count = workers or (cards if on_cards else 1)
    if not 0 < count <= room:
        raise UsageError(
            f"--workers {count} with --ray: the cluster has {room} {what}, expected as many at"
            " least; ask for fewer, or add nodes"
        )
    return torch.device("cuda" if on_cards else "cpu"), count, max(1, cores // count)


def _wait_until_seen(job: TakeJob) -> None:
    path = job.takes_dir / f"{take_name(job.number)}{IDENTITY_SUFFIX}"
    late = time.monotonic() + _SEEN_S
    while (read_json(path) or {}).get("fingerprint") != job.fingerprint:
        if time.monotonic() > late:
            raise RenderError(
                f"{path}: made on another node and not visible here after {_SEEN_S:.0f} s, expected"
                " one folder that all nodes share; share it under the same path"
            )
        time.sleep(0.2)
        with suppress(OSError):
            list(path.parent.iterdir())  # makes a network folder look again


def _last_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[-1].strip(" .")


def _import_ray() -> Any:
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # nothing is told to anybody
    try:
        import ray
    except ImportError as error:
        raise PackageMissing(
            "ray is not installed, expected what the extra ray brings; pip install 'facekit[ray]',"
            " or render with --workers"
        ) from error
    return ray
