import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from facekit.errors import ChecksumMismatch, UsageError, WeightsMissing
from facekit.weights import (
    CatalogueEntry,
    are_present,
    catalogue,
    find_weights,
    locate,
    search_first,
    store,
    store_dirs,
)
from tests.unit.weights.conftest import entry_of, file_of

NET = file_of("net.onnx", b"net")


@pytest.fixture
def net(monkeypatch: pytest.MonkeyPatch) -> CatalogueEntry:
    """An entry that `locate` knows."""
    entry = entry_of(NET)
    monkeypatch.setattr(store, "catalogue_entry", {**catalogue(), "net": entry}.__getitem__)
    return entry


def test_folders_come_from_the_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FACEKIT_WEIGHTS", os.pathsep.join(["/a", "", "/b"]))
    assert store_dirs() == (Path("/a"), Path("/b"))


def test_without_it_they_lie_in_the_users_cache_and_never_in_the_package(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("FACEKIT_WEIGHTS", raising=False)
    monkeypatch.setattr(store.sys, "platform", "linux")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert store_dirs() == (tmp_path / "facekit" / "weights",)
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert store_dirs() == (tmp_path / ".cache" / "facekit" / "weights",)
    monkeypatch.setattr(store.sys, "platform", "darwin")
    assert store_dirs() == (tmp_path / "Library" / "Caches" / "facekit" / "weights",)
    monkeypatch.setattr(store.sys, "platform", "win32")
    monkeypatch.setenv("LOCALAPPDATA", str(tmp_path / "Local"))
    assert store_dirs() == (tmp_path / "Local" / "facekit" / "weights",)


def test_what_is_missing_names_the_command_and_the_variable(
    net: CatalogueEntry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FACEKIT_WEIGHTS", str(tmp_path))
    with pytest.raises(WeightsMissing) as caught:
        locate("net")
    assert str(tmp_path) in str(caught.value)
    assert caught.value.next_step == (
        "run facekit weights fetch net, or name the folder that holds them with --weights or"
        " FACEKIT_WEIGHTS"
    )
    assert not are_present("sface")


@pytest.mark.parametrize("place", ["", "net"])
def test_files_lie_in_the_folder_or_in_one_of_their_own(
    net: CatalogueEntry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    monkeypatch.setenv("FACEKIT_WEIGHTS", os.pathsep.join([str(tmp_path / "no"), str(tmp_path)]))
    path = tmp_path / place / "net.onnx"
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(b"net")
    assert locate("net") == (path,)


def test_another_file_of_that_name_is_refused(
    net: CatalogueEntry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FACEKIT_WEIGHTS", str(tmp_path))
    (tmp_path / "net.onnx").write_bytes(b"nets")
    with pytest.raises(ChecksumMismatch, match=r"net\.onnx: sha256 .*\(4 bytes\), expected.*3 by"):
        locate("net")


def test_files_of_one_entry_lie_together(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FACEKIT_WEIGHTS", str(tmp_path))
    pack = entry_of(NET, file_of("other.onnx", b"other"), name="pack")
    (tmp_path / "net.onnx").write_bytes(b"net")
    assert find_weights(pack) is None
    (tmp_path / "other.onnx").write_bytes(b"other")
    assert find_weights(pack) == (tmp_path / "net.onnx", tmp_path / "other.onnx")


@pytest.fixture
def nothing_first() -> Iterator[None]:
    """What is searched first is forgotten afterwards."""
    yield
    search_first(())


@pytest.mark.parametrize("given", ["", "net.onnx", "renamed.bin"])
@pytest.mark.usefixtures("nothing_first")
def test_a_file_or_folder_can_be_searched_first(
    net: CatalogueEntry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, given: str
) -> None:
    monkeypatch.setenv("FACEKIT_WEIGHTS", str(tmp_path / "store"))
    (tmp_path / "store").mkdir()
    (tmp_path / "store" / "net.onnx").write_bytes(b"older")
    (tmp_path / "own").mkdir()
    path = tmp_path / "own" / (given or "net.onnx")
    path.write_bytes(b"net")
    search_first([tmp_path / "own" / given])
    assert locate("net") == (path,)
    assert store_dirs() == (tmp_path / "store",)  # what is fetched goes where it went before
    search_first(())
    with pytest.raises(ChecksumMismatch):
        locate("net")


@pytest.mark.usefixtures("nothing_first")
def test_a_file_of_other_weights_is_passed_over(
    net: CatalogueEntry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FACEKIT_WEIGHTS", str(tmp_path / "store"))
    (tmp_path / "else.onnx").write_bytes(b"els")
    search_first([tmp_path / "else.onnx"])
    with pytest.raises(WeightsMissing, match=r"else\.onnx or .*store"):
        locate("net")


def test_what_is_to_be_searched_must_be_there(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no such file or folder, expected one with weights"):
        search_first([tmp_path / "no"])
