"""Files of a registry, wherever they lie: read, listed, and above all created only if absent.

What several writers may do at once rests on one promise of the storage: of two that create the
same file, one is told that it exists. Folders (hard links), S3 (`If-None-Match: *`) and the
Hugging Face Hub (`parentCommit`) keep it.
"""

import os
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from facekit.errors import PackageMissing, UsageError
from facekit.show_file import RegistryAddress

__all__ = ["Found", "Store", "full_uri", "open_store"]


@dataclass(frozen=True, slots=True)
class Found:
    """A file of a registry."""

    path: str
    size: int
    modified: datetime | None
    """None where the storage does not tell."""


class Store(ABC):
    """A folder on some storage, behind the few operations that a registry needs.

    Paths are relative, with forward slashes; whoever calls has checked that they stay inside.

    Args:
        name: What messages call it.
    """

    is_local: bool = False
    """Whether to read all of it costs no transfer."""

    def __init__(self, name: str) -> None:
        self.name = name

    @property
    @abstractmethod
    def keeps_writers_apart(self) -> bool:
        """Whether the storage is known to create a file for one of several writers alone."""

    @property
    def is_public(self) -> bool:
        """Whether the storage says that anybody may read it; false where it does not tell."""
        return False

    @abstractmethod
    def below(self, folder: str) -> "Store":
        """The same storage, with a folder in it as root."""

    @abstractmethod
    def read(self, path: str, limit: int) -> bytes | None:
        """Read a small file; None when it is not there.

        Raises:
            RegistryError: It cannot be read, or has more than `limit` bytes.
        """

    @abstractmethod
    def blocks(self, path: str, start: int, size: int) -> Iterator[bytes]:
        """Read a file from a place on to a size, in pieces; it ends early where the file does.

        Raises:
            RegistryError: It is not there or cannot be read.
        """

    @abstractmethod
    def size(self, path: str) -> int | None:
        """Bytes of a file; None when it is not there."""

    @abstractmethod
    def names(self, folder: str) -> tuple[str, ...]:
        """Names of what lies directly in a folder, sorted; none when it is not there."""

    @abstractmethod
    def walk(self, folder: str, *, hidden: bool = False) -> tuple[Found, ...]:
        """All files below a folder, by path.

        Args:
            folder: Where to look.
            hidden: Give what interrupted writers have left, and nothing else.
        """

    @abstractmethod
    def put_new(self, path: str, content: bytes) -> bool:
        """Create a small file, whole or not at all, if it is absent.

        Returns:
            False when it is there already; then nothing was changed.

        Raises:
            RegistryError: The storage refuses, or cannot tell two writers apart.
        """

    @abstractmethod
    def put(self, path: str, blocks: Iterable[bytes], size: int) -> None:
        """Write a file, whole or not at all; the one that was there is replaced.

        Raises:
            RegistryError: The storage refuses.
        """

    @abstractmethod
    def delete(self, *paths: str) -> None:
        """Remove the files that are there.

        Raises:
            RegistryError: The storage refuses.
        """


def open_store(name: str, address: RegistryAddress, base: Path) -> Store:
    """Open the storage of a registry; nothing is read yet.

    Args:
        name: What messages call it.
        address: As `facekit.toml` says it.
        base: Folder that a relative path begins at.

    Raises:
        UsageError: The URI is none that can be used.
        PackageMissing: The package for this storage is not installed.
    """
    from fsspec.core import url_to_fs

    from facekit.presets.fsspec_store import FsspecStore
    from facekit.presets.hub_place import hub_place
    from facekit.presets.hub_store import HubStore

    uri = full_uri(address.uri, base)
    if "::" in uri:
        raise UsageError(f"{name}: {uri}: chained file systems may hide changes; name the last one")
    protocol = uri.partition("://")[0]
    if protocol == "hf":
        return HubStore(name, hub_place(name, uri, address.options))
    fresh: dict[str, Any] = {"use_listings_cache": False, "skip_instance_cache": True}
    try:
        fs, root = url_to_fs(uri, **address.options, **fresh)
    except ImportError as error:
        package = "'facekit[s3]'" if protocol in ("s3", "s3a") else f"what it needs ({error})"
        raise PackageMissing(
            f"{name}: {uri}: the package that reads {protocol}:// is not installed;"
            f" pip install {package}"
        ) from error
    except (ValueError, TypeError, OSError) as error:
        raise UsageError(
            f"{name}: {uri}: {error}, expected a folder, s3://, hf:// or another storage that"
            " fsspec knows; correct the URI or its options"
        ) from error
    return FsspecStore(fs, str(root), name, one_writer=address.writers == "one")


def full_uri(uri: str, base: Path) -> str:
    """A URI that means the same place from everywhere.

    Args:
        uri: As `facekit.toml` says it.
        base: Folder that a relative path begins at.
    """
    if "://" in uri:
        return uri.rstrip("/")
    return f"file://{os.path.normpath((base / Path(uri).expanduser()).absolute())}"
