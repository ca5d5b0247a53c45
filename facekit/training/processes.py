"""The processes that train one character together, and what passes between them.

A launcher (``torchrun``, ``accelerate launch``) starts them; accelerate says which one this is and
joins them with torch.distributed. What decides and what is small (the state, the photos, scores,
errors, whether somebody asked to stop) goes over the CPU, gradients over the devices' own network.
One process is the base class: it does nothing, at no cost.
"""

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import Any, Literal, TypeVar

import torch
from torch import Tensor, distributed

from facekit.errors import FacekitError, ProcessLost, UsageError

__all__ = ["ALONE", "JoinedProcesses", "Processes", "join_processes", "launched", "shares"]

T = TypeVar("T")

_PATIENCE = timedelta(hours=24)
"""How long the others wait for the first, which may look at thousands of photos. A process that
ends is noticed at once and not by this."""
_STEP = timedelta(minutes=30)
"""How long one message between devices may take; nobody waits for the first there."""
_TOLD = "facekit/told"
_VARIABLES = ("WORLD_SIZE", "RANK", "LOCAL_RANK")


def launched() -> int:
    """How many processes a launcher has started, by what it says in the environment; else 1."""
    if any(name not in os.environ for name in _VARIABLES):
        return 1
    return int(os.environ["WORLD_SIZE"])


def shares(total: int, count: int) -> tuple[int, ...]:
    """How many of a step's samples each process takes; the first ones take what is left over.

    Raises:
        UsageError: Fewer samples than processes.
    """
    if total < count:
        raise UsageError(
            f"train.batch_size is {total} and there are {count} processes, expected at least one"
            f" sample for each; add --set train.batch_size={count}, or start at most {total}"
            " processes"
        )
    least, left = divmod(total, count)
    return tuple(least + (index < left) for index in range(count))


class Processes:
    """A single process."""

    index: int = 0
    """Which one this is."""
    count: int = 1
    device: torch.device | None = None
    """Where each of several computes."""
    shards: bool = False
    """Whether each holds only a part of the backbone's weights, so that all must run it alike."""

    @property
    def is_first(self) -> bool:
        """Whether this one looks at photos, validates, writes files and speaks."""
        return self.index == 0

    def part(self, total: int) -> range:
        """The samples of a step that this process takes."""
        return range(total)

    def same(self, make: Callable[[], T]) -> T:
        """What the first makes, in all of them; what stops the first there stops all.

        Raises:
            ProcessLost: One of them has ended.
        """
        return make()

    def any(self, flag: bool) -> bool:
        """Whether it is so in any of them; raises as `same`."""
        return flag

    def sums(self, values: Sequence[float]) -> list[float]:
        """Sum each number over them; raises as `same`."""
        return list(values)

    def sum_gradients(self, parameters: Iterable[Tensor], weight: float) -> None:
        """Make the gradients of all of them the weighted sum; raises as `same`.

        Args:
            parameters: In the same order everywhere. One without a gradient counts as zeros; where
                none of the processes has one, there is none afterwards.
            weight: Of the gradients of this process.
        """

    def spread(self, parameters: Iterable[Tensor]) -> None:
        """Set parameters to what they are in the first; raises as `same`."""

    def require_same(self, what: str, value: str) -> None:
        """Compare something that each has loaded by itself.

        Raises:
            UsageError: They differ.
            ProcessLost: One of them has ended.
        """

    def wait(self) -> None:
        """Go on when all have come here; raises as `same`."""

    @contextmanager
    def noticing(self) -> Iterator[None]:
        """Say of a connection that broke inside the block that a process has ended.

        Raises:
            ProcessLost: One of them has ended.
        """
        yield

    def may_speak(self) -> bool:
        """Whether nobody has told yet why all stop; whoever asks first tells it."""
        return True

    def leave(self) -> None:
        """Part; nothing can be passed afterwards."""


ALONE = Processes()
"""The only process of a run."""


class JoinedProcesses(Processes):
    """One of several; made by `join_processes`.

    Args:
        device: Where this process computes.
        shards: Whether the weights of the backbone are to be shared out.
    """

    def __init__(self, device: torch.device, *, shards: bool) -> None:
        self.index = distributed.get_rank()
        self.count = distributed.get_world_size()
        self.device = device
        self.shards = shards
        self._first_tells = False  # what has stopped the first is told by it
        self._control = distributed.new_group(backend="gloo", timeout=_PATIENCE)

    def part(self, total: int) -> range:
        """The samples of a step that this process takes."""
        sizes = shares(total, self.count)
        start = sum(sizes[: self.index])
        return range(start, start + sizes[self.index])

    def same(self, make: Callable[[], T]) -> T:
        """What the first makes, in all of them."""
        found: list[Any] = [None, None]
        if self.is_first:
            try:
                found[0] = make()
            except (FacekitError, KeyboardInterrupt) as error:
                self._broadcast([None, error])
                raise
        self._broadcast(found)
        value, raised = found
        if raised is not None:
            self._first_tells = True
            raise raised
        return value  # type: ignore[no-any-return]

    def any(self, flag: bool) -> bool:
        """Whether it is so in any of them."""
        return self.sums([float(flag)])[0] > 0

    def sums(self, values: Sequence[float]) -> list[float]:
        """Sum each number over them."""
        total = torch.tensor(values, dtype=torch.float64)
        with self.noticing():
            distributed.all_reduce(total, group=self._control)
        return [float(value) for value in total]

    @torch.no_grad()
    def sum_gradients(self, parameters: Iterable[Tensor], weight: float) -> None:
        """Make the gradients of all of them the weighted sum: one message for all parameters."""
        learning = list(parameters)
        parts = [p.new_zeros(p.numel()) if p.grad is None else p.grad.flatten() for p in learning]
        has_gradient = [float(p.grad is not None) for p in learning]
        flat = torch.cat([*parts, parts[0].new_tensor(has_gradient)])
        flat[: -len(learning)] *= weight
        with self.noticing():
            distributed.all_reduce(flat)
        pieces = torch.split(flat[: -len(learning)], [p.numel() for p in learning])
        there = flat[-len(learning) :].tolist()
        for parameter, piece, number in zip(learning, pieces, there, strict=True):
            parameter.grad = piece.view_as(parameter).clone() if number else None

    @torch.no_grad()
    def spread(self, parameters: Iterable[Tensor]) -> None:
        """Set parameters to what they are in the first."""
        with self.noticing():
            for parameter in parameters:
                distributed.broadcast(parameter.data, src=0)

    def require_same(self, what: str, value: str) -> None:
        """Compare something that each has loaded by itself."""
        found: list[Any] = [None] * self.count
        with self.noticing():
            distributed.all_gather_object(found, value, group=self._control)
        for index, other in enumerate(found):
            if other != found[0]:
                raise UsageError(
                    f"{what}: {other[:12]} in process {index} and {found[0][:12]} in process 0,"
                    " expected the same everywhere; give every machine the same files and the same"
                    " version of facekit"
                )

    def wait(self) -> None:
        """Go on when all have come here."""
        self.sums([0.0])

    @contextmanager
    def noticing(self) -> Iterator[None]:
        """Say of a connection that broke inside the block that a process has ended."""
        try:
            yield
        except RuntimeError as error:
            if not _is_lost(error):
                raise
            raise ProcessLost(
                f"another process of this run has ended (told to process {self.index} of"
                f" {self.count}), expected all of them to go on; the last checkpoint is kept; what"
                " it or the launcher has printed says why; start the same command again to go on"
            ) from error

    def may_speak(self) -> bool:
        """Whether nobody has told yet why all stop."""
        if self._first_tells:
            return False
        try:
            store = distributed.distributed_c10d._get_default_store()
            return bool(store.add(_TOLD, 1) == 1)
        except (RuntimeError, ValueError):  # it went with the process that kept it
            return True

    def leave(self) -> None:
        """Part; nothing can be passed afterwards."""
        distributed.destroy_process_group()

    def _broadcast(self, found: list[Any]) -> None:
        with self.noticing():
            distributed.broadcast_object_list(found, src=0, group=self._control)


def join_processes(kind: Literal["cpu", "cuda"], *, shards: bool = False) -> Processes:
    """Join the processes that a launcher started, each with a device of its own.

    Args:
        kind: Of device; gradients go over NCCL between graphics cards, over gloo between CPUs.
        shards: Whether the weights of the backbone are to be shared out.

    Raises:
        UsageError: They cannot find each other.
    """
    from accelerate import PartialState

    count = launched()
    if count == 1:
        return ALONE
    try:
        state = PartialState(cpu=kind == "cpu", timeout=_STEP)
    except (RuntimeError, ValueError) as error:
        raise UsageError(
            f"{count} processes were started and cannot be joined ({error}), expected MASTER_ADDR"
            " and MASTER_PORT of the first one; start them with torchrun or accelerate launch"
        ) from error
    if state.num_processes != count:
        raise UsageError(
            f"{count} processes were started, accelerate has joined {state.num_processes},"
            " expected all of them; plan before anything else uses accelerate"
        )
    device = state.device if kind == "cuda" else torch.device("cpu")  # accelerate numbers CPUs too
    return JoinedProcesses(device, shards=shards)


def _is_lost(error: RuntimeError) -> bool:
    """Whether an error says that another process has ended, and not what is wrong here."""
    text = str(error)
    return isinstance(error, distributed.DistError) or any(
        sign in text for sign in ("gloo", "Connection closed", "Connection reset", "Broken pipe")
    )
