import errno
import io
import os
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from facekit.errors import ChecksumMismatch, OutputError, WeightsMissing
from facekit.weights import CatalogueEntry, add_weights, download, fetch, fetch_weights
from tests.unit.weights.conftest import CONTENT, Server, entry_of, fetched, file_of, files_below


def test_a_file_comes_whole(entry: CatalogueEntry, store: Path) -> None:
    counted: list[int] = []
    (path,) = fetch_weights(entry, counted.append)
    assert path == store / "net" / "net.onnx"
    assert path.read_bytes() == CONTENT
    assert sum(counted) == len(CONTENT)
    assert files_below(store) == ["net/net.onnx"]


def test_other_content_of_the_same_length_is_thrown_away(
    entry: CatalogueEntry, store: Path, server: Server
) -> None:
    server.files["net.onnx"] = CONTENT[::-1]
    with pytest.raises(ChecksumMismatch, match=r"sha256 .*expected .*thrown away"):
        fetched(entry)
    assert files_below(store) == []


def test_a_full_disk_is_told_and_keeps_what_came(
    entry: CatalogueEntry, store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def write(answer: object, stream: io.BufferedWriter, limit: int, advance: object) -> None:
        stream.write(CONTENT[:1000])
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(download, "_write", write)
        with pytest.raises(OutputError, match=r"no space left.*kept; free some") as caught:
            fetched(entry)
    assert caught.value.exit_code == 1
    assert (store / "net-net.onnx.part").stat().st_size == 1000
    assert fetched(entry)[0].read_bytes() == CONTENT


def test_too_small_a_disk_is_told_before_anything_is_fetched(
    entry: CatalogueEntry, store: Path, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fetch.shutil, "disk_usage", lambda _: type("Usage", (), {"free": 1000}))
    with pytest.raises(OutputError, match=r"0\.0 MB free, net needs 1\.0 MB; .*FACEKIT_WEIGHTS"):
        fetched(entry)
    assert server.ranges == []


def test_a_folder_that_may_not_be_written_to(
    entry: CatalogueEntry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("FACEKIT_WEIGHTS", str(tmp_path / "file" / "store"))
    with pytest.raises(OutputError, match="not written"):
        fetched(entry)


def test_a_damaged_file_is_replaced(entry: CatalogueEntry, store: Path) -> None:
    (store / "net").mkdir(parents=True)
    (store / "net" / "net.onnx").write_bytes(b"damaged")
    assert fetched(entry)[0].read_bytes() == CONTENT
    assert files_below(store) == ["net/net.onnx"]


def test_a_replacement_that_was_killed_is_mended(entry: CatalogueEntry, store: Path) -> None:
    (store / ".net.old").mkdir(parents=True)
    (store / ".net.old" / "kept.onnx").touch()
    with pytest.raises(WeightsMissing):
        add_weights(entry, store / ".net.old")
    assert files_below(store) == ["net/kept.onnx"]


# packs


Pack = Callable[..., CatalogueEntry]


@pytest.fixture
def pack(server: Server) -> Pack:
    """A zip on the server, and the entry that expects det.onnx and rec.onnx in it."""

    def build(members: dict[str, bytes]) -> CatalogueEntry:
        stream = io.BytesIO()
        with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, content in members.items():
                archive.writestr(name, content)
        server.files["pack.zip"] = stream.getvalue()
        return entry_of(
            file_of("det.onnx", b"detector"),
            file_of("rec.onnx", b"recogniser"),
            name="pack",
            archive=file_of("pack.zip", stream.getvalue(), f"{server.url}/pack.zip"),
        )

    return build


GOOD = {"det.onnx": b"detector", "rec.onnx": b"recogniser"}


def test_a_pack_gives_its_recorded_members_and_nothing_else(pack: Pack, store: Path) -> None:
    paths = fetched(pack({**GOOD, "genderage.onnx": b"not wanted"}))
    assert [path.read_bytes() for path in paths] == [b"detector", b"recogniser"]
    assert files_below(store) == ["pack/det.onnx", "pack/rec.onnx"]


def test_names_in_a_zip_decide_nothing(pack: Pack, store: Path, tmp_path: Path) -> None:
    fetched(pack({"../../det.onnx": b"detector", "/etc/rec.onnx": b"recogniser"}))
    assert files_below(tmp_path) == ["store/pack/det.onnx", "store/pack/rec.onnx"]


@pytest.mark.parametrize(
    "members",
    [
        {"det.onnx": b"detector"},
        {**GOOD, "again/rec.onnx": b"recogniser"},
        {**GOOD, "rec.onnx": b"0" * 50_000_000},
        {**GOOD, "rec.onnx": b"RECOGNISER"},
    ],
    ids=["missing", "twice", "bomb", "altered"],
)
def test_a_pack_of_other_members_is_refused(
    pack: Pack, store: Path, members: dict[str, bytes]
) -> None:
    with pytest.raises(ChecksumMismatch, match=r"(det|rec)\.onnx.*expected.*fetch pack again"):
        fetched(pack(members))
    assert not (store / "pack").exists()


def test_a_member_that_says_less_than_it_holds_is_cut(pack: Pack, store: Path) -> None:
    entry = pack({**GOOD, "rec.onnx": b"0" * 50_000_000})
    assert entry.archive is not None
    path = store / "lies.zip"
    store.mkdir()
    content = fetch_bytes(entry)
    path.write_bytes(
        content.replace((50_000_000).to_bytes(4, "little"), (10).to_bytes(4, "little"))
    )
    lying = entry_of(*entry.files, name="pack", archive=file_of("lies.zip", path.read_bytes()))
    with pytest.raises(ChecksumMismatch):
        add_weights(lying, path)
    assert files_below(store) == ["lies.zip"]


def fetch_bytes(entry: CatalogueEntry) -> bytes:
    import requests

    assert entry.archive is not None
    return requests.get(entry.archive.url, timeout=5).content


def test_a_zip_that_is_none(server: Server, store: Path) -> None:
    server.files["pack.zip"] = b"PK, but not really"
    archive = file_of("pack.zip", server.files["pack.zip"], f"{server.url}/pack.zip")
    entry = entry_of(file_of("det.onnx", b"detector"), name="pack", archive=archive)
    with pytest.raises(ChecksumMismatch, match="not a zip that can be read"):
        fetched(entry)


# what is at hand


def test_a_file_at_hand_is_verified_and_copied(
    entry: CatalogueEntry, store: Path, tmp_path: Path
) -> None:
    mine = tmp_path / "renamed.bin"
    mine.write_bytes(CONTENT)
    (path,) = add_weights(entry, mine)
    assert path.read_bytes() == CONTENT
    assert mine.exists()
    mine.write_bytes(b"other")
    with pytest.raises(ChecksumMismatch, match=r"renamed\.bin.*give net\.onnx"):
        add_weights(entry, mine)
    assert path.read_bytes() == CONTENT


def test_a_folder_or_an_archive_at_hand(pack: Pack, store: Path, tmp_path: Path) -> None:
    entry = pack(GOOD)
    folder = tmp_path / "mine"
    (folder / "pack").mkdir(parents=True)
    (folder / "det.onnx").write_bytes(b"detector")
    with pytest.raises(WeightsMissing, match=r"mine/rec\.onnx: no such file; give det\.onnx and"):
        add_weights(entry, folder)
    (folder / "pack" / "rec.onnx").write_bytes(b"recogniser")
    assert add_weights(entry, folder)[1].read_bytes() == b"recogniser"
    archive = tmp_path / "mine.zip"
    archive.write_bytes(fetch_bytes(entry))
    assert add_weights(entry, archive)[0].read_bytes() == b"detector"
    with pytest.raises(WeightsMissing, match="one file, expected the 2 of pack"):
        add_weights(entry, folder / "det.onnx")
