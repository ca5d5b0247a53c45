"""Fetch alone, and tell how far it is."""

import os
from collections.abc import Callable
from pathlib import Path

import psutil

from facekit.errors import RegistryError
from facekit.media.files import remove_file
from facekit.types import Progress

__all__ = ["fetched_alone", "in_megabytes"]

_MEGABYTE = 1_000_000


class fetched_alone:  # noqa: N801 - reads like what it does
    """One process of this machine fetches a preset at a time."""

    def __init__(self, folder: Path) -> None:
        self._path = folder.with_name(f"{folder.name}.lock")

    def __enter__(self) -> None:
        mine = self._path.with_name(f"{self._path.name}.{os.getpid()}")
        mine.write_text(str(os.getpid()))
        try:
            while True:
                try:
                    os.link(mine, self._path)  # with its content, or not at all
                    return
                except FileExistsError:
                    self._look_who()
        finally:
            remove_file(mine)

    def _look_who(self) -> None:
        try:
            other = int(self._path.read_text())
        except (OSError, ValueError):
            other = 0
        if other and other != os.getpid() and psutil.pid_exists(other):
            raise RegistryError(
                f"{self._path}: process {other} fetches this preset, expected to be alone;"
                " wait for it"
            )
        remove_file(self._path)

    def __exit__(self, *_: object) -> None:
        remove_file(self._path)


def in_megabytes(progress: Progress) -> Callable[[int], None]:
    """Tell bytes to a progress that counts whole megabytes."""
    num_bytes = told = 0

    def advance(more: int) -> None:
        nonlocal num_bytes, told
        num_bytes += more
        if (now := num_bytes // _MEGABYTE) != told:
            progress.advance(now - told)
            told = now

    return advance
