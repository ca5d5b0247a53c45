import os
from pathlib import Path

import pytest

from facekit.errors import WeightsMissing
from facekit.media import known_files
from facekit.media.cache import cache_dir
from facekit.media.known_files import content_digest
from facekit.weights import file_digest


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Every file that is read in full."""
    read: list[Path] = []

    def counted(path: Path) -> str:
        read.append(path)
        return file_digest(path)

    monkeypatch.setattr(known_files, "file_digest", counted)
    return read


@pytest.fixture
def settled(monkeypatch: pytest.MonkeyPatch) -> None:
    """A clock on which no file was written just now."""
    now = known_files.time.time
    monkeypatch.setattr(known_files.time, "time", lambda: now() + 10.0)


@pytest.mark.usefixtures("settled")
def test_a_file_is_read_once_and_again_when_it_changes(tmp_path: Path, reads: list[Path]):
    path = tmp_path / "a.png"
    path.write_bytes(b"one")
    first = content_digest(path)
    assert first == file_digest(path)
    assert content_digest(path) == first
    assert len(reads) == 1
    path.write_bytes(b"two")
    assert content_digest(path) == file_digest(path) != first
    assert len(reads) == 2


@pytest.mark.usefixtures("settled")
def test_a_change_of_the_same_size_and_time_is_seen(tmp_path: Path):
    """An editor may set the time back; the inode's own time cannot be."""
    path = tmp_path / "a.png"
    path.write_bytes(b"one")
    status = path.stat()
    content_digest(path)
    path.write_bytes(b"two")
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert content_digest(path) == file_digest(path)


def test_what_was_written_just_now_is_read_again(tmp_path: Path, reads: list[Path]):
    path = tmp_path / "a.png"
    path.write_bytes(b"one")
    content_digest(path)
    content_digest(path)
    assert len(reads) == 2


@pytest.mark.usefixtures("settled")
def test_a_damaged_note_is_made_again(tmp_path: Path):
    path = tmp_path / "a.png"
    path.write_bytes(b"one")
    first = content_digest(path)
    (note,) = (cache_dir() / "files").iterdir()
    note.write_text("{")
    assert content_digest(path) == first


def test_a_missing_file_is_told(tmp_path: Path):
    with pytest.raises(WeightsMissing):
        content_digest(tmp_path / "none")
