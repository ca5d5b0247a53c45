"""Many photos, decoded by several threads, given in order and a few at a time."""

import os
import warnings
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from facekit.errors import MediaError
from facekit.media.images import Picture, decode_picture

__all__ = ["MOST_THREADS", "read_ahead"]

MOST_THREADS = 4
"""Each of them may hold one picture at its full size."""

_AHEAD = 4
"""For each thread: while a batch is looked at, the next one is decoded."""


@contextmanager
def read_ahead(paths: Sequence[Path]) -> Iterator[Iterator[Picture | MediaError]]:
    """Decode photos ahead of whoever takes them, for pictures are decoded without the lock.

    At most four photos for each thread are ahead of the one that was taken last, so that the memory
    does not grow with their number. Leaving the block, by Ctrl-C too, drops what was not begun.

    Args:
        paths: The files.

    Yields:
        For each file, in order, the photo or what is wrong with it.
    """
    num_threads = min(MOST_THREADS, _num_cores())
    with warnings.catch_warnings():  # the filters belong to all threads, so they are set in one
        warnings.simplefilter("ignore")
        pool = ThreadPoolExecutor(num_threads, thread_name_prefix="facekit-read")
        try:
            yield _in_order(pool, paths, num_threads * _AHEAD)
        finally:
            pool.shutdown(cancel_futures=True)


def _in_order(
    pool: ThreadPoolExecutor, paths: Sequence[Path], num_ahead: int
) -> Iterator[Picture | MediaError]:
    waiting: deque[Future[Picture | MediaError]] = deque()
    for path in paths:
        waiting.append(pool.submit(_read, path))
        if len(waiting) >= num_ahead:
            yield waiting.popleft().result()
    while waiting:
        yield waiting.popleft().result()


def _read(path: Path) -> Picture | MediaError:
    try:
        return decode_picture(path)
    except MediaError as error:
        return error


def _num_cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
