"""Content by its sha256: sent once, fetched in parts, and never believed before it is compared."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from enum import IntEnum
from hashlib import sha256
from pathlib import Path
from typing import Final

from facekit.errors import BundleDamaged, OutputError, RegistryError
from facekit.presets.storage import Store

__all__ = [
    "Blob",
    "Published",
    "Put",
    "blob_path",
    "compared",
    "fetch_blob",
    "is_sha256",
    "put_blob",
    "read_blob",
]

Blob = tuple[str, int]
"""Its sha256 (hex) and its size in bytes."""

_HEX: Final = frozenset("0123456789abcdef")
_BLOCK: Final = 1 << 20
_SMALL: Final = 1_000_000
"""Bytes up to which content that is far away is read again before it is relied on."""


class Put(IntEnum):
    """What became of content that was to be sent."""

    KEPT = 0
    """It was there."""
    SENT = 1
    MENDED = 2
    """It was sent in place of content that was damaged."""


@dataclass(frozen=True, slots=True)
class Published:
    """What publishing a version did."""

    is_new: bool
    """False when somebody has published it."""
    sent_bytes: int
    """Of content that was not there, or damaged."""
    mended: int
    """Blobs that were damaged and are whole now."""


def is_sha256(text: str) -> bool:
    """Whether a text is 64 hex digits, so that it may be part of a path."""
    return len(text) == 64 and set(text) <= _HEX


def blob_path(digest: str) -> str:
    """Where a registry keeps this content."""
    if not is_sha256(digest):
        raise BundleDamaged(f"digest {digest[:80]!r}: no sha256; get the preset again")
    return f"blobs/sha256/{digest[:2]}/{digest[2:]}"


def put_blob(store: Store, blob: Blob, blocks: Iterable[bytes], *, thorough: bool = False) -> Put:
    """Send content, unless it is there.

    What is there is compared where that is cheap: on this machine, and where it is small.

    Args:
        store: Where to.
        blob: What it is.
        blocks: The content; read only if it is sent.
        thorough: Compare what is there however large and far away it is.

    Raises:
        BundleDamaged: It is not what its digest says; nothing was published.
        RegistryError: The storage refuses.
    """
    digest, size = blob
    path = blob_path(digest)
    found = store.size(path)
    if found == size and _is_whole(store, blob, thorough):
        return Put.KEPT
    store.put(path, compared(blocks, blob), size)
    return Put.SENT if found is None else Put.MENDED


def read_blob(store: Store, digest: str, limit: int) -> bytes:
    """Read small content.

    Raises:
        BundleDamaged: It is missing, or another one lies in its place.
        RegistryError: The storage refuses.
    """
    content = store.read(blob_path(digest), limit)
    if content is None or sha256(content).hexdigest() != digest:
        got = "missing" if content is None else "other content lies in its place"
        raise _damaged(store, digest, got)
    return content


def fetch_blob(
    store: Store, blob: Blob, out: Path, advance: Callable[[int], None] = lambda _: None
) -> None:
    """Fetch content into a file; what an interruption has left of it is gone on with.

    Args:
        store: Where from.
        blob: What is expected.
        out: The file; it appears when all of it was compared. Beside it, `NAME.part` grows.
        advance: Is told how many bytes came.

    Raises:
        BundleDamaged: It is missing, cut off, or another one lies in its place.
        OutputError: No space left, or no permission.
        RegistryError: The storage refuses; what came is kept.
    """
    digest, size = blob
    if out.is_file() and out.stat().st_size == size and _file_digest(out) == digest:
        advance(size)
        return
    path = blob_path(digest)
    found = store.size(path)
    if found != size:
        got = "missing" if found is None else f"{found} bytes"
        raise _damaged(store, digest, f"{got}, expected {size}")
    partial = out.with_name(f"{out.name}.part")
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        resumed = _grow(store, path, partial, size, advance)
        if _file_digest(partial) != digest and resumed:
            partial.unlink()  # what was there was no part of it
            _grow(store, path, partial, size, lambda _: None)
        if _file_digest(partial) != digest:
            partial.unlink()
            raise _damaged(store, digest, "other content lies in its place")
        partial.replace(out)
    except OSError as error:
        raise OutputError(
            f"{out}: not written ({error.strerror or error}); free some space or choose another"
            " place, what came is kept"
        ) from error


def _grow(
    store: Store, path: str, partial: Path, size: int, advance: Callable[[int], None]
) -> bool:
    """Append what is missing; returns whether something was there before."""
    start = partial.stat().st_size if partial.is_file() else 0
    if start > size:
        partial.unlink()
        start = 0
    advance(start)
    with partial.open("ab") as file:
        for block in store.blocks(path, start, size):
            file.write(block)
            file.flush()
            advance(len(block))
    return start > 0


def _file_digest(path: Path) -> str:
    total = sha256()
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            total.update(block)
    return total.hexdigest()


def _is_whole(store: Store, blob: Blob, thorough: bool) -> bool:
    """Whether content of the right size is the right content, as far as it is looked at."""
    digest, size = blob
    if not (thorough or store.is_local or size <= _SMALL):
        return True
    total = sha256()
    try:
        for block in store.blocks(blob_path(digest), 0, size):
            total.update(block)
    except RegistryError:
        if not store.is_local:
            raise
        return False  # a disk that cannot give it back has lost it
    return total.hexdigest() == digest


def compared(blocks: Iterable[bytes], blob: Blob) -> Iterator[bytes]:
    """Hand on content, and fail at its end if it was not what its digest says.

    Raises:
        BundleDamaged: It was not.
    """
    total, size = sha256(), 0
    for block in blocks:
        total.update(block)
        size += len(block)
        yield block
    if (total.hexdigest(), size) != blob:
        raise BundleDamaged(
            f"{blob[0][:12]}: content that was changed while it was sent, expected {blob[1]} bytes"
            " of this digest; verify the preset and push it again"
        )


def _damaged(store: Store, digest: str, got: str) -> BundleDamaged:
    return BundleDamaged(
        f"{store.name}: blob {digest[:12]}: {got}, expected the content of this digest;"
        " push the preset again from where it was packed"
    )
