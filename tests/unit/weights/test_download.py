from pathlib import Path

import pytest

from facekit.errors import ChecksumMismatch, DownloadFailed
from facekit.weights import CatalogueEntry, fetch_weights
from tests.unit.weights.conftest import (
    CONTENT,
    NO_PAUSE,
    Server,
    entry_of,
    fetched,
    file_of,
    files_below,
)


def test_a_broken_connection_is_taken_up_where_it_broke(
    entry: CatalogueEntry, store: Path, server: Server
) -> None:
    server.break_after = [262_144, 196_608]
    counted: list[int] = []
    (path,) = fetch_weights(entry, counted.append, pauses_s=NO_PAUSE)
    assert path.read_bytes() == CONTENT
    assert server.ranges == [None, "bytes=262144-", "bytes=458752-"]
    assert sum(counted) == len(CONTENT)


def test_a_server_without_ranges_begins_anew(
    entry: CatalogueEntry, store: Path, server: Server
) -> None:
    server.knows_ranges = False
    server.break_after = [262_144]
    counted: list[int] = []
    (path,) = fetch_weights(entry, counted.append, pauses_s=NO_PAUSE)
    assert path.read_bytes() == CONTENT
    assert sum(counted) == len(CONTENT)
    assert min(counted) == -262_144


def test_ctrl_c_leaves_a_part_that_the_next_run_goes_on_from(
    entry: CatalogueEntry, store: Path, server: Server
) -> None:
    server.break_after = [393_216]

    came: list[int] = []

    def interrupt(num_bytes: int) -> None:
        came.append(num_bytes)
        if sum(came) == 393_216:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fetch_weights(entry, interrupt)
    assert files_below(store) == ["net-net.onnx.part"]
    assert (store / "net-net.onnx.part").stat().st_size == 393_216
    assert fetched(entry)[0].read_bytes() == CONTENT
    assert server.ranges == [None, "bytes=393216-"]


def test_a_connection_that_keeps_breaking_is_given_up_and_the_part_kept(
    entry: CatalogueEntry, store: Path, server: Server
) -> None:
    server.break_after = [393_216, 0, 0, 0, 0]
    with pytest.raises(DownloadFailed, match=r"broke.*0\.4 MB of 1\.0 MB are here.*weights add"):
        fetched(entry)
    assert len(server.ranges) == 4
    assert (store / "net-net.onnx.part").stat().st_size == 393_216


def test_a_busy_server_is_asked_again(entry: CatalogueEntry, store: Path, server: Server) -> None:
    server.refuse = [503, 429]
    assert fetched(entry)[0].read_bytes() == CONTENT


def test_what_is_not_there_is_not_asked_for_again(
    entry: CatalogueEntry, store: Path, server: Server
) -> None:
    server.files.clear()
    with pytest.raises(DownloadFailed, match=r"net\.onnx: the server answers 404 Not Found"):
        fetched(entry)
    assert len(server.ranges) == 1
    assert files_below(store) == []


def test_no_network(entry: CatalogueEntry, store: Path) -> None:
    nowhere = entry_of(file_of("net.onnx", CONTENT, "http://127.0.0.1:9/net.onnx"))
    with pytest.raises(DownloadFailed, match=r"no connection, 0\.0 MB.*look at the network") as e:
        fetched(nowhere)
    assert e.value.exit_code == 6


def test_another_length_is_refused_before_it_is_fetched(
    entry: CatalogueEntry, store: Path, server: Server
) -> None:
    server.files["net.onnx"] = b"<html>log in first</html>"
    with pytest.raises(ChecksumMismatch, match=r"offers 25 bytes, expected 1048576"):
        fetched(entry)


def test_more_than_recorded_is_never_written(
    entry: CatalogueEntry, store: Path, server: Server
) -> None:
    server.tells_length = False
    server.files["net.onnx"] = CONTENT * 20
    counted: list[int] = []
    with pytest.raises(ChecksumMismatch, match="1048577 bytes"):
        fetch_weights(entry, counted.append, pauses_s=NO_PAUSE)
    assert sum(counted) == len(CONTENT) + 1


def test_a_shorter_file_without_a_length_ends_in_an_error(
    entry: CatalogueEntry, store: Path, server: Server
) -> None:
    server.tells_length = False
    server.files["net.onnx"] = CONTENT[:1000]
    with pytest.raises(DownloadFailed):
        fetched(entry)
