from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

import pytest

from facekit.errors import BundleDamaged, RegistryError
from facekit.presets.blobs import Put, blob_path, fetch_blob, put_blob, read_blob
from facekit.presets.fsspec_store import FsspecStore
from facekit.presets.storage import Store
from facekit.presets.store import open_store
from facekit.show_file import RegistryAddress

CONTENT = bytes(range(256)) * 40
BLOB = (sha256(CONTENT).hexdigest(), len(CONTENT))


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return open_store("main", RegistryAddress(uri="kept"), tmp_path)


def test_content_is_sent_once(store: Store) -> None:
    assert put_blob(store, BLOB, [CONTENT])
    assert not put_blob(store, BLOB, [CONTENT])
    assert read_blob(store, BLOB[0], 20_000) == CONTENT


def test_content_that_changes_while_it_is_sent_is_not_published(store: Store) -> None:
    with pytest.raises(BundleDamaged, match="changed while"):
        put_blob(store, BLOB, [CONTENT[:-1], b"!"])
    assert store.size(blob_path(BLOB[0])) is None


def test_a_cut_off_blob_is_sent_again(store: Store) -> None:
    store.put(blob_path(BLOB[0]), [b"half"], 4)
    assert put_blob(store, BLOB, [CONTENT])
    assert read_blob(store, BLOB[0], 20_000) == CONTENT


def test_damaged_content_is_sent_again(store: Store) -> None:
    store.put(blob_path(BLOB[0]), [b"X" * BLOB[1]], BLOB[1])
    assert put_blob(store, BLOB, [CONTENT]) is Put.MENDED
    assert read_blob(store, BLOB[0], 20_000) == CONTENT
    assert put_blob(store, BLOB, [CONTENT]) is Put.KEPT


def test_large_content_far_away_is_compared_where_asked_for(tmp_path: Path) -> None:
    store = open_store("far", RegistryAddress(uri=f"memory://{tmp_path.name}"), tmp_path)
    content = bytes(1_000_001)
    blob = (sha256(content).hexdigest(), len(content))
    store.put(blob_path(blob[0]), [b"X" * len(content)], len(content))
    assert put_blob(store, blob, [content]) is Put.KEPT
    assert put_blob(store, blob, [content], thorough=True) is Put.MENDED
    assert put_blob(store, blob, [content], thorough=True) is Put.KEPT


def test_what_a_disk_cannot_give_back_is_sent_again(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    put_blob(store, BLOB, [CONTENT])

    def fail(*_: object) -> Iterator[bytes]:
        raise RegistryError("Input/output error; look at the disk")

    monkeypatch.setattr(type(store), "blocks", fail)
    assert put_blob(store, BLOB, [CONTENT]) is Put.MENDED


class Breaking(FsspecStore):
    """Loses the connection once, after so many bytes."""

    after = 0

    def blocks(self, path: str, start: int, size: int) -> Iterator[bytes]:
        self.asked.append(start)
        if self.after:
            limit, self.after = self.after, 0
            yield from super().blocks(path, start, limit)
            raise RegistryError("lost; try again")
        yield from super().blocks(path, start, size)

    asked: list[int]


@pytest.fixture
def breaking(store: Store) -> Breaking:
    put_blob(store, BLOB, [CONTENT])
    assert isinstance(store, FsspecStore)
    made = Breaking(store._fs, store._root, "main")
    made.asked, made.after = [], 5000
    return made


def test_an_interrupted_fetch_goes_on_where_it_stopped(breaking: Breaking, tmp_path: Path) -> None:
    out, told = tmp_path / "out" / "w", []
    with pytest.raises(RegistryError, match="lost"):
        fetch_blob(breaking, BLOB, out, told.append)
    assert not out.exists()
    fetch_blob(breaking, BLOB, out, told.append)
    assert out.read_bytes() == CONTENT
    assert breaking.asked == [0, 5000]
    assert told == [0, 5000, 5000, len(CONTENT) - 5000]


@pytest.mark.parametrize("left", [b"other content", CONTENT + b"more"])
def test_what_is_no_part_of_it_is_begun_anew(store: Store, tmp_path: Path, left: bytes) -> None:
    put_blob(store, BLOB, [CONTENT])
    (tmp_path / "w.part").write_bytes(left)
    fetch_blob(store, BLOB, tmp_path / "w")
    assert (tmp_path / "w").read_bytes() == CONTENT
    assert not (tmp_path / "w.part").exists()


def test_a_fetched_blob_is_not_fetched_again(breaking: Breaking, tmp_path: Path) -> None:
    (tmp_path / "w").write_bytes(CONTENT)
    fetch_blob(breaking, BLOB, tmp_path / "w")
    assert breaking.asked == []


@pytest.mark.parametrize("digest", ["../../x", "A" * 64, "a" * 63, ""])
def test_what_is_no_digest_makes_no_path(digest: str) -> None:
    with pytest.raises(BundleDamaged, match="no sha256"):
        blob_path(digest)
