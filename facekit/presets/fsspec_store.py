"""Files of a registry in a folder, on S3, or on another storage that fsspec knows."""

import errno
import os
import secrets
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final

from facekit.errors import FacekitError, RegistryError
from facekit.presets.fsspec_facts import modified_time, told_refusal
from facekit.presets.storage import Found, Store

__all__ = ["FsspecStore"]

_CHUNK: Final = 8 << 20
_AT_ONCE: Final = 32 << 20
"""Bytes up to which a file is sent in one piece."""
_NO_LINKS: Final = frozenset({errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS})
_TRIES: Final = 5
_MEMORY: Final = threading.Lock()


class FsspecStore(Store):
    """A folder on a file system of fsspec.

    Args:
        fs: A file system of fsspec.
        root: Its folder, as `fs` names it.
        name: What messages call it.
        one_writer: Somebody has promised that nobody else writes.
    """

    def __init__(self, fs: Any, root: str, name: str, *, one_writer: bool = False) -> None:
        super().__init__(name)
        self._fs, self._root = fs, root.rstrip("/")
        protocol = fs.protocol if isinstance(fs.protocol, str) else fs.protocol[0]
        self.is_local = protocol in ("file", "local")
        self.protocol = protocol
        self.one_writer = one_writer

    @property
    def keeps_writers_apart(self) -> bool:
        """Whether the storage is known to create a file for one of several writers alone."""
        return self.is_local or self.protocol in ("memory", "s3", "s3a")

    def below(self, folder: str) -> "FsspecStore":
        """The same storage, with a folder in it as root."""
        root = f"{self._root}/{folder}"
        return FsspecStore(self._fs, root, self.name, one_writer=self.one_writer)

    def read(self, path: str, limit: int) -> bytes | None:
        """Read a small file; None when it is not there.

        Raises:
            RegistryError: It cannot be read, or has more than `limit` bytes.
        """
        try:
            with self._told(path):
                content = bytes(self._fs.cat_file(self.full(path), start=0, end=limit + 1))
        except FileNotFoundError:
            return None
        except RegistryError:
            if self.size(path) == 0:  # a range of nothing is an error on S3
                return b""
            raise
        if len(content) > limit:
            raise RegistryError(
                f"{self.name}: {path} has more than {limit} bytes, expected a small file;"
                " look who wrote it, and remove it"
            )
        return content

    def read_many(self, paths: Sequence[str], limit: int) -> tuple[bytes | None, ...]:
        """Read small files, at once where the storage can.

        Returns:
            In the order of `paths`; None for a file that is not there, nothing (`b""`) for one of
            more than `limit` bytes.

        Raises:
            RegistryError: One of them cannot be read.
        """
        full = [self.full(path) for path in paths]
        with self._told(paths[0] if paths else ""):
            found = self._fs.cat_ranges(full, 0, limit + 1, on_error="return") if full else []
        return tuple(
            self._small(path, content, limit) for path, content in zip(paths, found, strict=True)
        )

    def blocks(self, path: str, start: int, size: int) -> Iterator[bytes]:
        """Read a file from a place on to a size, in pieces; it ends early where the file does.

        Raises:
            RegistryError: It is not there or cannot be read.
        """
        while start < size:
            try:
                with self._told(path):
                    end = min(start + _CHUNK, size)
                    block = bytes(self._fs.cat_file(self.full(path), start=start, end=end))
            except FileNotFoundError as error:
                raise RegistryError(
                    f"{self.name}: no {path}, expected it; push the preset again"
                ) from error
            if not block:
                return
            yield block
            start += len(block)

    def size(self, path: str) -> int | None:
        """Bytes of a file; None when it is not there."""
        try:
            with self._told(path):
                return int(self._fs.info(self.full(path))["size"])
        except FileNotFoundError:
            return None

    def names(self, folder: str) -> tuple[str, ...]:
        """Names of what lies directly in a folder, sorted; none when it is not there."""
        try:
            with self._told(folder):
                listed = self._fs.ls(self.full(folder), detail=False)
        except (FileNotFoundError, NotADirectoryError):
            return ()
        own = self.full(folder).strip("/")  # some storages list the folder itself
        inside = (one for one in map(str, listed) if one.strip("/") != own)
        names = {one.rstrip("/").rpartition("/")[2] for one in inside}
        return tuple(sorted(name for name in names if name and not name.startswith(".")))

    def walk(self, folder: str, *, hidden: bool = False) -> tuple[Found, ...]:
        """All files below a folder, by path.

        Args:
            folder: Where to look.
            hidden: Give what interrupted writers have left, and nothing else.
        """
        try:
            with self._told(folder):
                listed = self._fs.find(self.full(folder), detail=True)
        except FileNotFoundError:
            return ()
        found = []
        for full, info in sorted(listed.items()):
            path = str(full)[len(self._root) :].lstrip("/")
            if path.rpartition("/")[2].startswith(".") is hidden:
                found.append(Found(path, int(info["size"]), modified_time(info)))
        return tuple(found)

    def put_new(self, path: str, content: bytes) -> bool:
        """Create a small file, whole or not at all, if it is absent.

        Returns:
            False when it is there already; then nothing was changed.

        Raises:
            RegistryError: The storage refuses, or cannot tell two writers apart.
        """
        with self._told(path, writing=True):
            if self.is_local:
                return self._link_new(path, content)
            if self.protocol == "memory":
                with _MEMORY:
                    return self._create(path, content, "overwrite")
            if self.keeps_writers_apart:
                return self._create(path, content, "create")
            if self.one_writer:
                return self._create(path, content, "overwrite")
        raise RegistryError(
            f"{self.name}: {self.protocol} is not known to create a file for one of several writers"
            " alone, expected a folder, S3 or hf://; keep the registry there, or promise in"
            ' facekit.toml that nobody else writes: writers = "one"'
        )

    def put(self, path: str, blocks: Iterable[bytes], size: int) -> None:
        """Write a file, whole or not at all; the one that was there is replaced.

        Raises:
            RegistryError: The storage refuses.
        """
        with self._told(path, writing=True):
            if self.is_local:
                with self._temporary(path, blocks) as temporary:
                    os.replace(temporary, self.full(path))
            elif size <= _AT_ONCE or self.protocol == "memory":
                self._fs.pipe_file(self.full(path), b"".join(blocks))
            else:
                self._stream(path, blocks)

    def delete(self, *paths: str) -> None:
        """Remove the files that are there."""
        for path in paths:
            with suppress(FileNotFoundError), self._told(path):
                self._fs.rm_file(self.full(path))

    def full(self, path: str) -> str:
        """A path as the file system names it."""
        return f"{self._root}/{path}"

    def _small(self, path: str, found: Any, limit: int) -> bytes | None:
        """What `cat_ranges` has given for a file: its content, or why there is none."""
        if isinstance(found, FileNotFoundError):
            return None
        if isinstance(found, Exception):
            if self.size(path) == 0:  # a range of nothing is an error on S3
                return b""
            with self._told(path):
                raise found
        return bytes(found) if len(found) <= limit else b""

    def _create(self, path: str, content: bytes, mode: str) -> bool:
        if mode == "overwrite" and self._fs.exists(self.full(path)):
            return False
        for _ in range(_TRIES):
            try:
                self._fs.pipe_file(self.full(path), content, mode=mode)
                return True
            except FileExistsError:
                return False
            except OSError as error:
                if error.errno != errno.EBUSY:
                    raise
                # S3 answers 409 when another writer is at it, who may win or give up
                if self._fs.exists(self.full(path)):
                    return False
        raise RegistryError(
            f"{self.name}: {path}: others wrote it {_TRIES} times meanwhile, expected a moment"
            " alone; try again"
        )

    def _link_new(self, path: str, content: bytes) -> bool:
        with self._temporary(path, (content,)) as temporary:
            try:
                os.link(temporary, self.full(path))
            except FileExistsError:
                return False
            except OSError as error:
                if error.errno not in _NO_LINKS:
                    raise
                return self._rename_new(path, temporary)
        return True

    def _rename_new(self, path: str, temporary: Path) -> bool:
        if not self.one_writer:
            raise RegistryError(
                f"{self.name}: no hard links here, by which several writers are kept apart;"
                ' keep the registry elsewhere, or promise in facekit.toml writers = "one"'
            )
        if Path(self.full(path)).exists():
            return False
        os.replace(temporary, self.full(path))
        return True

    @contextmanager
    def _temporary(self, path: str, blocks: Iterable[bytes]) -> Iterator[Path]:
        final = Path(self.full(path))
        temporary = final.with_name(f".{final.name}-{secrets.token_hex(4)}.part")
        final.parent.mkdir(parents=True, exist_ok=True)
        try:
            with temporary.open("xb") as file:
                for block in blocks:
                    file.write(block)
                file.flush()
                os.fsync(file.fileno())
            yield temporary
        finally:
            with suppress(OSError):
                temporary.unlink(missing_ok=True)

    def _stream(self, path: str, blocks: Iterable[bytes]) -> None:
        """Send a large file in parts; closing would publish a part of it, so it is discarded."""
        file = self._fs.open(self.full(path), "wb")
        try:
            for block in blocks:
                file.write(block)
        except BaseException:
            with suppress(Exception):
                file.discard()
            file.closed = True
            raise
        file.close()

    @contextmanager
    def _told(self, path: str, *, writing: bool = False) -> Iterator[None]:
        """Tell what the storage refuses as a `RegistryError`; that a file is missing stays."""
        try:
            yield
        except FacekitError:
            raise
        except Exception as error:  # every client library has errors of its own
            if isinstance(error, FileNotFoundError | NotADirectoryError) and not writing:
                raise
            why, step = told_refusal(error, self.full("").rstrip("/"))
            raise RegistryError(f"{self.name}: {path} refused ({why[:300]}); {step}") from error
