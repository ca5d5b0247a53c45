"""Who is at work in a registry, so that a push and the removal of unused content never meet.

Each writes a file of its own first and then looks for those of the other kind, so that one of both
always sees the other. What a kill leaves behind loses its force with time.
"""

import secrets
import time
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from facekit.errors import RegistryError
from facekit.presets.entries import read_object
from facekit.presets.storage import Found, Store
from facekit.signing.statements import canonical_json, now_text, parse_time

__all__ = ["PUSHING", "REMOVING", "Lease", "Mark", "read_times", "refuse_while_removing"]

PUSHING: Final = "pushing"
"""Folder of leases, one for each push."""
REMOVING: Final = "removing"
"""Folder of marks, one for each removal of unused content."""

_SMALL: Final = 1_000_000
_RENEWED_S: Final = 60.0
_STALE: Final = timedelta(minutes=15)


class Lease:
    """Says which blobs a push needs, from before they are looked for until they are referred to."""

    def __init__(self, store: Store, digests: list[str]) -> None:
        self._store = store
        self._path = f"{PUSHING}/{secrets.token_hex(16)}.json"
        self._digests = digests

    def __enter__(self) -> None:
        told = {"at": now_text(), "blobs": self._digests}
        self._store.put_new(self._path, canonical_json(told))
        try:
            refuse_while_removing(self._store)
        except RegistryError:
            self._store.delete(self._path)
            raise

    def __exit__(self, *_: object) -> None:
        self._store.delete(self._path)


class Mark:
    """Says that unused content is being removed; it counts as long as it is renewed.

    Args:
        store: Of the registry.
        now: The time, by which the marks of others are judged.
    """

    def __init__(self, store: Store, now: datetime) -> None:
        self._store, self._now = store, now
        self.path = f"{REMOVING}/{secrets.token_hex(16)}.json"
        self._renewed = 0.0

    def __enter__(self) -> "Mark":
        self._write()
        others = _removing(self._store, self._now) - {self.path}
        if others:
            self._store.delete(self.path)
            raise RegistryError(
                f"{self._store.name}: unused content is being removed by somebody else, expected to"
                " be alone; try again later"
            )
        return self

    def renew(self) -> None:
        """Say that it still goes on, where that was said a while ago.

        Raises:
            RegistryError: It stood still for so long that others no longer believe it.
        """
        late = time.monotonic() - self._renewed
        if late > _STALE.total_seconds() / 2:
            raise RegistryError(
                f"{self._store.name}: stood still for {late:.0f} s, in which somebody may have"
                " pushed, expected to go on; run it again"
            )
        if late > _RENEWED_S:
            self._write()

    def _write(self) -> None:
        content = canonical_json({"at": now_text()})
        self._store.put(self.path, [content], len(content))
        self._renewed = time.monotonic()

    def __exit__(self, *_: object) -> None:
        self._store.delete(self.path)


def refuse_while_removing(store: Store) -> None:
    """Let nobody push while somebody removes unused content.

    Raises:
        RegistryError: Somebody does, or the storage refuses.
    """
    if _removing(store, datetime.now(UTC)):
        raise RegistryError(
            f"{store.name}: unused content is being removed, expected to be alone; try again in a"
            " minute"
        )


def read_times(store: Store, folder: str) -> dict[Found, tuple[datetime | None, Mapping[str, Any]]]:
    """Read leases or marks: when each was written, and all that it says.

    None stands for a time that cannot be read.
    """
    found = store.walk(folder)
    contents = store.read_many([file.path for file in found], _SMALL)
    told = [read_object(content or b"") for content in contents]
    return {file: (_time(one), one) for file, one in zip(found, told, strict=True)}


def _removing(store: Store, now: datetime) -> set[str]:
    """Marks that count; those that nobody renews, or of no time, do not."""
    times = {file.path: at for file, (at, _) in read_times(store, REMOVING).items()}
    return {path for path, at in times.items() if at is not None and abs(now - at) < _STALE}


def _time(told: Mapping[str, Any]) -> datetime | None:
    try:
        return parse_time(str(told["at"]))
    except (ValueError, KeyError):
        return None
