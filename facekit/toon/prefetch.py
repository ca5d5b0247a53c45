"""What comes next, made ahead of time by other processes."""

import os
import sys
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import torch
from torch.utils.data import DataLoader, Dataset

__all__ = ["in_order", "spare_workers"]

ItemT = TypeVar("ItemT")

_MOST_WORKERS = 16


def spare_workers() -> int:
    """How many processes may work at the same time; 0 where a process cannot safely be forked."""
    if sys.platform != "linux":
        return 0
    return min(_MOST_WORKERS, len(os.sched_getaffinity(0)))


def in_order(
    make: Callable[[int], ItemT], numbers: range, *, num_workers: int = 0
) -> Iterator[ItemT]:
    """Make one item for each number and hand them out in order.

    Args:
        make: Must depend on its number alone. A forked process may touch no graphics card, and
            not `cv2.setNumThreads`, which waits for threads that were not forked. Items come back
            by value, so they should hold numpy arrays: tensors would take shared memory, of which
            containers have little.
        numbers: What to make them of.
        num_workers: Forked processes that work ahead, each by two items; with 0 or less every item
            is made here, when it is asked for.

    Raises:
        Exception: What `make` raised, in the order of the numbers.
    """
    if num_workers <= 0:
        yield from map(make, numbers)
        return
    loader = DataLoader(
        _Made(make),
        sampler=numbers,
        batch_size=None,
        num_workers=num_workers,
        collate_fn=_as_it_is,
        multiprocessing_context="fork",  # so that what `make` holds need not be sent
        generator=torch.Generator(),  # the global one is left alone
    )
    yield from loader


class _Made(Dataset[Any]):
    def __init__(self, make: Callable[[int], Any]) -> None:
        self._make = make

    def __getitem__(self, number: int) -> Any:
        return self._make(number)


def _as_it_is(item: ItemT) -> ItemT:
    return item
