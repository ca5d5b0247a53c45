import errno
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

import pytest
from fsspec.implementations.memory import MemoryFileSystem
from fsspec.registry import _registry

from facekit.errors import PackageMissing, RegistryError, UsageError
from facekit.presets.fsspec_store import FsspecStore
from facekit.presets.storage import Store
from facekit.presets.store import full_uri, open_store, place_of
from facekit.show_file import RegistryAddress


@pytest.fixture(params=["folder", "memory"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    uri = {"folder": "kept", "memory": f"memory://{tmp_path.name}"}[request.param]
    return open_store("main", RegistryAddress(uri=uri), tmp_path)


def test_a_file_is_created_once(store: Store) -> None:
    assert store.put_new("a/b.json", b"one")
    assert not store.put_new("a/b.json", b"two")
    assert store.read("a/b.json", 10) == b"one"


def test_what_is_missing_is_none(store: Store) -> None:
    assert store.read("no", 10) is None
    assert store.size("no") is None
    assert store.names("no") == ()
    assert store.walk("no") == ()
    store.delete("no")


def test_what_is_too_large_is_refused(store: Store) -> None:
    store.put_new("a", b"0123456789")
    assert store.read("a", 10) == b"0123456789"
    with pytest.raises(RegistryError, match="more than 9 bytes"):
        store.read("a", 9)


def test_an_empty_file_is_empty(store: Store) -> None:
    store.put_new("a", b"")
    assert store.read("a", 10) == b""


def test_many_are_read_as_one_is(store: Store) -> None:
    store.put_new("a", b"0123456789")
    store.put_new("b/c", b"")
    assert store.read_many(["a", "no", "b/c"], 10) == (b"0123456789", None, b"")
    assert store.read_many(["a"], 9) == (b"",)
    assert store.read_many([], 9) == ()


def test_one_of_many_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    store = open_store("main", RegistryAddress(uri="kept"), tmp_path)
    store.put_new("a/b", b"one")
    with pytest.raises(RegistryError, match="a refused"):
        store.read_many(["a/b", "a"], 10)


def test_blocks_begin_anywhere(store: Store) -> None:
    store.put("a", iter([b"012", b"345"]), 6)
    assert b"".join(store.blocks("a", 2, 6)) == b"2345"
    assert list(store.blocks("a", 6, 6)) == []


def test_a_writer_that_fails_leaves_nothing(store: Store) -> None:
    def blocks() -> Iterator[bytes]:
        yield b"half"
        raise RegistryError("lost; try again")

    with pytest.raises(RegistryError, match="lost"):
        store.put("a/b", blocks(), 8)
    assert store.size("a/b") is None
    assert store.walk("", hidden=True) == ()


def test_names_and_files_are_listed(store: Store) -> None:
    for path in ("a/2", "a/1", "b/c/3"):
        store.put_new(path, b"x")
    assert store.names("a") == ("1", "2")
    assert [found.path for found in store.walk("")] == ["a/1", "a/2", "b/c/3"]
    assert all(found.modified is not None and found.size == 1 for found in store.walk("a"))


def test_what_is_called_as_its_folder_is_listed(store: Store) -> None:
    store.put_new("presets/mira/mira/1.0.0.json", b"{}")
    assert store.names("presets/mira") == ("mira",)
    assert store.names("presets/mira/mira") == ("1.0.0.json",)
    assert store.names("presets/mira/mira/1.0.0.json") == ()


def test_a_relative_uri_begins_at_the_show(tmp_path: Path) -> None:
    assert full_uri("../x", tmp_path / "show") == f"file://{tmp_path}/x"
    assert full_uri("s3://b/x/", tmp_path) == "s3://b/x"


@pytest.mark.parametrize(
    ("uri", "said"),
    [("simplecache::s3://b", "chained"), ("nosuch://b", "not known")],
)
def test_an_odd_uri_is_refused(uri: str, said: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=said):
        open_store("main", RegistryAddress(uri=uri), tmp_path)


def test_a_missing_package_names_its_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "s3fs", None)
    monkeypatch.delitem(_registry, "s3", raising=False)  # kept where a test before needed it
    with pytest.raises(PackageMissing, match=r"facekit\[s3\]"):
        open_store("main", RegistryAddress(uri="s3://b"), tmp_path)


def test_what_the_system_refuses_is_told(tmp_path: Path) -> None:
    (tmp_path / "kept").write_text("a file, no folder")
    store = open_store("main", RegistryAddress(uri="kept"), tmp_path)
    with pytest.raises(RegistryError, match="registry check"):
        store.put("a/b", [b"x"], 1)


def test_a_folder_without_hard_links_needs_one_writer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr("os.link", refuse)
    address = RegistryAddress(uri="kept")
    with pytest.raises(RegistryError, match="no hard links"):
        open_store("main", address, tmp_path).put_new("a", b"x")
    alone = open_store("main", RegistryAddress(uri="kept", writers="one"), tmp_path)
    assert [alone.put_new("a", b"x"), alone.put_new("a", b"y")] == [True, False]


@pytest.mark.parametrize("wins", [True, False])
def test_who_meets_another_writer_looks_again(wins: bool) -> None:
    """S3 answers 409, which s3fs gives as EBUSY, while another one writes the same file."""

    class Busy(MemoryFileSystem):  # type: ignore[misc]
        protocol = "s3"
        store: ClassVar[dict[str, object]] = {}
        asked = 0

        def pipe_file(self, path: str, value: bytes, mode: str = "overwrite") -> None:
            self.asked += 1
            if self.asked < 3:
                if wins and self.asked == 2:
                    super().pipe_file(path, b"the other")
                raise OSError(errno.EBUSY, "ConditionalRequestConflict")
            super().pipe_file(path, value)

    fs = Busy(skip_instance_cache=True)
    assert FsspecStore(fs, "/b", "main").put_new("a", b"mine") is not wins
    assert FsspecStore(fs, "/b", "main").read("a", 10) == (b"the other" if wins else b"mine")


@pytest.mark.parametrize(
    ("one", "two", "is_same"),
    [
        ("hf://datasets/org/faces", "hf://datasets/org/faces@main", True),
        ("hf://datasets/org/faces", "hf://datasets/org/faces@old", False),
        ("hf://datasets/org/faces/a/", "hf://datasets/org/faces@main/a", True),
        ("hf://datasets/org/faces", "hf://org/faces", False),
        ("kept", "./kept/", True),
    ],
)
def test_one_place_has_one_name(one: str, two: str, is_same: bool, tmp_path: Path) -> None:
    places = {place_of(RegistryAddress(uri=uri), tmp_path) for uri in (one, two)}
    assert len(places) == (1 if is_same else 2)


def test_two_servers_are_two_places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    monkeypatch.delenv("AWS_ENDPOINT_URL_S3", raising=False)

    def place(url: str = "") -> str:
        options: dict[str, str | int | float | bool] = {"endpoint_url": url} if url else {}
        return place_of(RegistryAddress(uri="s3://bucket/faces", options=options), tmp_path)

    urls = ["", "http://one:9000", "http://two:9000"]
    assert len({place(url) for url in urls}) == 3
    assert place("https://s3.eu-west-1.amazonaws.com") == place() == "s3://bucket/faces"
    assert place("https://one:9000/") == place("http://one:9000")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://one:9000")
    assert place() == place("http://one:9000")
