"""One at a time on this machine: a lock that ends with whoever holds it, however that ends."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

from filelock import FileLock, Timeout

from facekit.errors import FacekitError, OutputError
from facekit.media.files import ensure_out_dir

__all__ = ["held", "is_held"]


@contextlib.contextmanager
def held(path: Path, busy: FacekitError, *, wait_s: float = 0.0) -> Iterator[None]:
    """Keep other processes and threads of this machine out while the block lasts.

    The operating system lets go of it with the process that holds it, so a kill leaves nothing to
    take over. The file itself stays: with it removed, two could hold it under one name.

    Args:
        path: The lock; its folder is created.
        busy: Raised where somebody else holds it for longer.
        wait_s: How long to wait.

    Raises:
        OutputError: It cannot be written.
    """
    ensure_out_dir(path.parent)
    lock = FileLock(path)
    try:
        lock.acquire(timeout=wait_s)
    except Timeout:
        raise busy from None
    except OSError as error:
        raise OutputError(
            f"{path}: cannot be locked ({error.strerror or error}), expected a file of yours;"
            " choose a folder you may write to"
        ) from error
    try:
        yield
    finally:
        lock.release()


def is_held(path: Path) -> bool:
    """Whether somebody holds it now; nothing is created where nobody ever has.

    Raises:
        OutputError: It cannot be opened.
    """
    if not path.exists():
        return False
    busy = OutputError(f"{path}: held, expected nobody there; wait")
    try:
        with held(path, busy):
            return False
    except OutputError as error:
        if error is busy:
            return True
        raise
