"""Who is at work in a registry, so that a push and the removal of unused content never meet."""

import secrets
from typing import Final

from facekit.errors import RegistryError
from facekit.presets.storage import Store
from facekit.signing.statements import canonical_json, now_text

__all__ = ["GC_MARK", "PUSHING", "Lease"]

GC_MARK: Final = "gc.json"
"""There while unused content is removed."""
PUSHING: Final = "pushing"
"""Folder of leases."""


class Lease:
    """Says which blobs a push needs, from before they are looked for until they are referred to."""

    def __init__(self, store: Store, digests: list[str]) -> None:
        self._store = store
        self._path = f"{PUSHING}/{secrets.token_hex(16)}.json"
        self._digests = digests

    def __enter__(self) -> None:
        told = {"at": now_text(), "blobs": self._digests}
        self._store.put_new(self._path, canonical_json(told))
        # gc writes its mark and then reads leases; a push does it the other way round, so that
        # one of both always sees the other
        if self._store.size(GC_MARK) is not None:
            self._store.delete(self._path)
            raise RegistryError(
                f"{self._store.name}: unused content is being removed, expected to be alone; try"
                f" again in a minute, and remove {GC_MARK} if nobody is at it"
            )

    def __exit__(self, *_: object) -> None:
        self._store.delete(self._path)
