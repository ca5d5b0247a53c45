"""Publishes a version: its content first, then the entry that refers to it, or both at once."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from facekit.presets.blobs import Blob, Published, Put, put_blob
from facekit.presets.entries import Entry, entry_path
from facekit.presets.hub_store import HubStore
from facekit.presets.lease import Lease, refuse_while_removing
from facekit.presets.storage import Store

__all__ = ["Pushed", "publish"]


@dataclass(frozen=True, slots=True)
class Pushed:
    """What a push did."""

    entry: Entry
    is_new: bool
    """False when the same content was published under this version already."""
    sent_bytes: int
    """Of content that was not there, or damaged."""
    mended: int = 0
    """Blobs that were damaged and are whole now."""
    is_signed_now: bool = False
    """Whether a signature came to a version that was there already."""


def publish(
    store: Store,
    entry: Entry,
    blobs: Mapping[Blob, Callable[[], Iterator[bytes]]],
    advance: Callable[[int], None],
    refuse_other: Callable[[], None],
    *,
    thorough: bool,
) -> Published:
    """Send what is missing or damaged, and create the entry if it is absent.

    Args:
        store: Where to.
        entry: Of the version.
        blobs: All content that belongs to it.
        advance: Is told how many bytes are there.
        refuse_other: Raises where the version is published with other content.
        thorough: Compare all that is there already, however large and far away it is.

    Raises:
        BundleDamaged: Content is not what its digest says.
        RegistryError: The storage refuses, or unused content is being removed.
    """
    path, content = entry_path(entry.id, entry.version), entry.to_bytes()
    if isinstance(store, HubStore):
        # the Hub takes few commits an hour, and one of them is all or nothing: no lease is needed
        return store.put_together(
            blobs,
            path,
            content,
            advance,
            refuse_other,
            lambda: refuse_while_removing(store),
            title=entry.label,
        )
    sent = mended = 0
    with Lease(store, [digest for digest, _ in blobs]):
        for blob, blocks in blobs.items():
            put = put_blob(store, blob, blocks(), thorough=thorough)
            sent += blob[1] * (put is not Put.KEPT)
            mended += put is Put.MENDED
            advance(blob[1])
        is_new = store.put_new(path, content)
        if not is_new:
            refuse_other()
    return Published(is_new, sent, mended)
