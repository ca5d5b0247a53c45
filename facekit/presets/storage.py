"""Files of a registry, wherever they lie: read, listed, and above all created only if absent.

What several writers may do at once rests on one promise of the storage: of two that create the
same file, one is told that it exists. Folders (hard links), S3 (`If-None-Match: *`) and the
Hugging Face Hub (`parentCommit`) keep it.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

__all__ = ["Found", "Store"]


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
    one_writer: bool = False
    """Whether somebody has promised that nobody else writes."""

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
    def read_many(self, paths: Sequence[str], limit: int) -> tuple[bytes | None, ...]:
        """Read small files, at once where the storage can.

        Returns:
            In the order of `paths`; None for a file that is not there, nothing (`b""`) for one of
            more than `limit` bytes.

        Raises:
            RegistryError: One of them cannot be read.
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
