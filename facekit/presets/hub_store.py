"""Files of a registry in a repository of the Hugging Face Hub."""

import secrets
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha1, sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from facekit.errors import RegistryError
from facekit.presets.blobs import Blob, Published, blob_path, compared
from facekit.presets.hub_place import HubPlace
from facekit.presets.hub_repo import HubRepo
from facekit.presets.storage import Found, Store

if TYPE_CHECKING:
    from huggingface_hub.hf_api import RepoFile

__all__ = ["HubStore"]

_CHUNK: Final = 8 << 20
_AT_ONCE: Final = 8
"""Small files that are read at the same time."""
_LARGE: Final = 1 << 20
"""Bytes from which content waits on the disk, and is sent by itself before the commit."""

_Blocks = Callable[[], Iterator[bytes]]


class HubStore(Store):
    """A folder in a repository, written by commits for the head that was looked at.

    Args:
        name: What messages call it.
        place: The repository, its branch and the folder.
    """

    def __init__(self, name: str, place: HubPlace) -> None:
        super().__init__(name)
        self._place, self._repo = place, HubRepo(name, place)

    @property
    def keeps_writers_apart(self) -> bool:
        """True: a commit for a branch that has moved is refused."""
        return True

    @property
    def is_public(self) -> bool:
        """Whether anybody may read the repository."""
        return self._repo.is_public()

    def below(self, folder: str) -> "HubStore":
        """The same repository, with a folder in it as root."""
        return HubStore(self.name, self._place.below(folder))

    def read(self, path: str, limit: int) -> bytes | None:
        """Read a small file; None when it is not there."""
        content = self._repo.get(path, 0, limit + 1)
        if content is not None and len(content) > limit:
            raise RegistryError(
                f"{self.name}: {path} has more than {limit} bytes, expected a small file;"
                " look who wrote it, and remove it"
            )
        return content

    def read_many(self, paths: Sequence[str], limit: int) -> tuple[bytes | None, ...]:
        """Read small files, some at once; `b""` for one of more than `limit` bytes."""
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            found = pool.map(lambda path: self._repo.get(path, 0, limit + 1), paths)
            return tuple(b"" if one and len(one) > limit else one for one in found)

    def blocks(self, path: str, start: int, size: int) -> Iterator[bytes]:
        """Read a file from a place on to a size, in pieces; it ends early where the file does."""
        while start < size:
            block = self._repo.get(path, start, min(start + _CHUNK, size))
            if block is None:
                raise RegistryError(f"{self.name}: no {path}, expected it; push the preset again")
            if not block:
                return
            yield block
            start += len(block)

    def size(self, path: str) -> int | None:
        """Bytes of a file; None when it is not there."""
        found = self._repo.look([path], path=path).get(path)
        return None if found is None else found.size

    def names(self, folder: str) -> tuple[str, ...]:
        """Names of what lies directly in a folder, sorted; none when it is not there."""
        names = {one.path.rpartition("/")[2] for one in self._repo.tree(folder, deep=False)}
        return tuple(sorted(name for name in names if not name.startswith(".")))

    def walk(self, folder: str, *, hidden: bool = False) -> tuple[Found, ...]:
        """All files below a folder, by path, without dates.

        Interrupted writers leave nothing hidden here.
        """
        from huggingface_hub.hf_api import RepoFile

        if hidden:
            return ()
        start = len(self._place.full("x")) - 1
        listed = self._repo.tree(folder, deep=True)
        files = (one for one in listed if isinstance(one, RepoFile))
        found = (Found(one.path[start:], one.size, None) for one in files)
        plain = (one for one in found if not one.path.rpartition("/")[2].startswith("."))
        return tuple(sorted(plain, key=lambda one: one.path))

    def put_new(self, path: str, content: bytes) -> bool:
        """Create a small file, whole or not at all, if it is absent.

        Returns:
            False when it is there already; then nothing was changed. Of two that create the same
            content at the same time, both may be told True.
        """

        def plan(head: str) -> list[Any]:
            there = self._repo.look([path], head=head, path=path)
            return [] if path in there else [self._repo.addition(path, content)]

        return self._repo.commit(path, f"Add {path}", plan)

    def put(self, path: str, blocks: Iterable[bytes], size: int) -> None:
        """Write a file, whole or not at all; the one that was there is replaced."""
        with tempfile.TemporaryDirectory(prefix="facekit-hub-") as folder:
            given = _kept(blocks, size, Path(folder))

            def plan(head: str) -> list[Any]:
                self._repo.look([], head=head, path=path)
                return [self._repo.addition(path, given)]

            self._repo.commit(path, f"Write {path}", plan)

    def put_together(
        self,
        blobs: Mapping[Blob, _Blocks],
        path: str,
        content: bytes,
        advance: Callable[[int], None],
        refuse_other: Callable[[], None],
        refuse_removing: Callable[[], None],
        *,
        title: str,
    ) -> Published:
        """Create a file and the blobs that it refers to in one commit.

        Blobs that are there are compared by the digests that the Hub tells, without reading them.
        Large ones are sent before the commit, so that a push that is begun again goes on.

        Args:
            blobs: All that it refers to.
            path: The file.
            content: Its content.
            advance: Is told how many bytes are there.
            refuse_other: Is called when the file is there; raises where it is another one.
            refuse_removing: Raises while somebody removes content; one who begins meanwhile
                moves the branch, so that it is asked again.
            title: Of the commit.

        Raises:
            BundleDamaged: Content is not what its digest says.
            RegistryError: The Hub refuses, or content is being removed.
        """
        paths = {blob_path(blob[0]): blob for blob in blobs}
        given: dict[str, bytes | Path] = {}
        sent: dict[str, bool] = {}
        is_new = False

        def plan(head: str) -> list[Any]:
            nonlocal is_new
            there = self._repo.look([path, *paths], head=head, path=path)
            refuse_removing()
            is_new = path not in there
            if not is_new:
                refuse_other()
            sent.clear()
            for one, blob in paths.items():
                if one in there and _is_same(there[one], blob, blobs[blob]):
                    continue
                sent[one] = one in there
                if one not in given:
                    given[one] = _kept(compared(blobs[blob](), blob), blob[1], Path(folder))
                    self._send_ahead(one, given[one])
                    advance(blob[1])
            added = [self._repo.addition(one, given[one]) for one in sent]
            return [*added, self._repo.addition(path, content)] if is_new else added

        with tempfile.TemporaryDirectory(prefix="facekit-hub-") as folder:
            self._repo.commit(path, f"Publish {title}", plan)
        advance(sum(blob[1] for one, blob in paths.items() if one not in given))
        return Published(is_new, sum(paths[one][1] for one in sent), sum(sent.values()))

    def delete(self, *paths: str) -> None:
        """Remove the files that are there, in one commit; the history keeps their content."""

        def plan(head: str) -> list[Any]:
            there = self._repo.look(paths, head=head, path=paths[0])
            return [self._repo.deletion(one) for one in there]

        if paths:
            more = f" and {len(paths) - 1} more" if paths[1:] else ""
            self._repo.commit(paths[0], f"Remove {paths[0]}{more}", plan)

    def _send_ahead(self, path: str, content: bytes | Path) -> None:
        if isinstance(content, Path):
            self._repo.send_ahead(path, content)


def _kept(blocks: Iterable[bytes], size: int, folder: Path) -> bytes | Path:
    """Content that a commit can be built of more than once: a file where it is large."""
    if size < _LARGE:
        return b"".join(blocks)
    path = folder / secrets.token_hex(8)
    with path.open("xb") as file:
        for block in blocks:
            file.write(block)
    return path


def _is_same(found: "RepoFile", blob: Blob, blocks: _Blocks) -> bool:
    """Whether a file of the Hub is this content, by the digest that the Hub has of it."""
    if found.size != blob[1]:
        return False
    if found.lfs is not None:
        return bool(found.lfs.sha256 == blob[0])
    # git calls a file by the sha1 of its kind, its size and its content
    total, own = sha1(b"blob %d\0" % blob[1], usedforsecurity=False), sha256()
    for block in blocks():
        total.update(block)
        own.update(block)
    return own.hexdigest() == blob[0] and total.hexdigest() == found.blob_id
