"""Where files lie that can be made again: unpacked archives, frames of clips, turned photos."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from facekit.errors import OutputError
from facekit.media.files import atomic_write

__all__ = ["cache_dir", "cached_write"]


def cache_dir() -> Path:
    """The folder of everything that can be made again; it may not exist yet.

    ``FACEKIT_CACHE`` names it; without that it is ``facekit`` in ``XDG_CACHE_HOME``, or in
    ``.cache`` of the home folder.
    """
    if named := os.environ.get("FACEKIT_CACHE"):
        return Path(named).absolute()
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache").absolute() / "facekit"


@contextmanager
def cached_write(path: Path) -> Iterator[Path]:
    """Write a file below `cache_dir` whole or not at all.

    Where the folder is made here, only its owner may look into it; one that was there already keeps
    its permissions.

    Yields:
        A path with the same suffix, for the block to write a file to.

    Raises:
        OutputError: The file system refuses; the message says how to choose another folder.
    """
    try:
        root = cache_dir()
        if not root.exists():
            root.mkdir(parents=True, mode=0o700)
        with atomic_write(path, lasting=False) as temporary:
            yield temporary
    except OSError as error:
        raise _refused(path, error.strerror or str(error)) from error
    except OutputError as error:
        raise _refused(path, str(error).partition(";")[0].removeprefix(f"{path}: ")) from error


def _refused(path: Path, reason: str) -> OutputError:
    return OutputError(
        f"{path}: not kept ({reason}), expected a folder for files that can be made again; name"
        " another one with the environment variable FACEKIT_CACHE"
    )
