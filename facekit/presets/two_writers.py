"""Try whether a storage creates a file for one of several writers alone."""

import secrets
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from facekit.errors import RegistryError
from facekit.presets.storage import Store

__all__ = ["CHECKS", "Tried", "try_two_writers"]

CHECKS: Final = "checks"
"""Folder of the files that are tried, which is empty between."""


@dataclass(frozen=True, slots=True)
class Tried:
    """What came of it."""

    name: str
    """Of the registry."""
    apart: bool
    """Whether the second writer was refused."""
    late_s: float | None
    """By how much the clocks of the storage and of this machine differ; None where unknown."""

    def refuse_shared(self) -> None:
        """Refuse a storage that lets two create one file.

        Raises:
            RegistryError: It did.
        """
        if not self.apart:
            raise RegistryError(
                f"{self.name}: the storage let two writers create one file, expected the second to"
                ' be refused; keep the registry elsewhere, or promise writers = "one"'
            )


def try_two_writers(store: Store) -> Tried:
    """Create one file twice, and remove it again.

    What a storage calls itself is no proof: of those that speak S3, some pass over `If-None-Match`.

    Raises:
        RegistryError: Nothing can be written.
    """
    path = f"{CHECKS}/{secrets.token_hex(8)}.json"
    is_first = store.put_new(path, b'{"writer": 1}')
    try:
        apart = is_first and not store.put_new(path, b'{"writer": 2}')
        found = store.walk(CHECKS)
    finally:
        store.delete(path)
    dates = [one.modified for one in found if one.path == path and one.modified is not None]
    late = abs((dates[0] - datetime.now(UTC)).total_seconds()) if dates else None
    return Tried(store.name, apart, late)
