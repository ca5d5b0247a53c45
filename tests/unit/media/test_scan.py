import os
import sys
import time
import zipfile
from pathlib import Path

import pytest
from PIL import Image as PillowImage

from facekit.errors import MediaError
from facekit.media.kinds import Kind
from facekit.media.scan import scan_sources, tell_sources
from facekit.media.unpack import scan_photos


def touch(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"x")


def names(sources: object, folder: Path) -> list[str]:
    return [source.name.removeprefix(f"{folder}/") for source in sources]  # type: ignore[attr-defined]


def test_a_folder_gives_its_files_and_those_below_in_order_and_each_once(tmp_path: Path) -> None:
    touch(tmp_path, "b.JPG", "a.png", "notes.txt", ".hidden.png", "clip.mp4", "aa/c.png")
    touch(tmp_path, "__MACOSX/d.jpg", "Thumbs.db", ".DS_Store", ".git/e.png", "@eaDir/f.jpg")
    found = scan_sources([tmp_path / "b.JPG", tmp_path, tmp_path / "notes.txt", tmp_path])
    assert names(found, tmp_path) == ["b.JPG", "a.png", "aa/c.png", "clip.mp4", "notes.txt"]
    kinds = [source.kind for source in found]
    assert kinds == [Kind.PHOTO, Kind.PHOTO, Kind.PHOTO, Kind.CLIP, Kind.PHOTO]
    assert [source.caption for source in found[:1]] == [tmp_path / "b.txt"]


def test_what_cannot_be_read_is_given_so_that_it_is_told(tmp_path: Path) -> None:
    touch(tmp_path, "a.png", "b.HEIC", "c.heif", "d.nef", "e.mov", "f.avif", "g.txt", "h.rar")
    found = scan_sources([tmp_path])
    assert names(found, tmp_path) == [
        "a.png",
        "b.HEIC",
        "c.heif",
        "d.nef",
        "e.mov",
        "f.avif",
        "h.rar",
    ]
    assert found[-1].refusal.startswith("an archive that is not opened; unpack it")


def test_first_bytes_find_a_photo_without_a_suffix_and_a_clip_called_a_photo(tmp_path) -> None:
    PillowImage.new("RGB", (8, 8)).save(tmp_path / "a.png")
    (tmp_path / "a.png").rename(tmp_path / "IMG_0001")
    touch(tmp_path, "README", "paper.docx")
    (tmp_path / "b.jpg").write_bytes(b"\0\0\0\x18ftypisom\0\0\2\0")
    found = scan_sources([tmp_path])
    assert [(s.path.name, s.kind) for s in found] == [
        ("IMG_0001", Kind.PHOTO),
        ("b.jpg", Kind.CLIP),
    ]


def test_links_that_lead_back_end_and_a_link_to_a_photo_counts_once(tmp_path: Path) -> None:
    touch(tmp_path, "a/1.png", "b/2.png")
    (tmp_path / "a" / "up").symlink_to(tmp_path)
    (tmp_path / "b" / "to_a").symlink_to(tmp_path / "a")
    (tmp_path / "b" / "again.png").symlink_to(tmp_path / "a" / "1.png")
    found = scan_sources([tmp_path])
    assert sorted(source.path.name for source in found) == ["1.png", "2.png"]


def test_links_that_lead_nowhere_are_told_where_they_are_called_like_photos(tmp_path: Path) -> None:
    """They were passed over, and the set was smaller without a word."""
    touch(tmp_path, "1.png")
    (tmp_path / "self.png").symlink_to(tmp_path / "self.png")
    (tmp_path / "gone.mp4").symlink_to(tmp_path / "nowhere.mp4")
    (tmp_path / "notes.txt").symlink_to(tmp_path / "nowhere.txt")
    (tmp_path / "README").symlink_to(tmp_path / "nowhere")
    found = scan_sources([tmp_path])
    assert names(found, tmp_path) == ["1.png", "gone.mp4", "self.png"]
    assert found[1].refusal == (
        f"a link to {tmp_path / 'nowhere.mp4'}, where no file is; put it there or remove the link"
    )
    assert found[2].kind is Kind.OTHER
    (named,) = scan_sources([tmp_path / "gone.mp4"])
    assert named == found[1]
    assert scan_photos([tmp_path]) == [tmp_path / "1.png"]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="other systems have no pipes in folders")
def test_a_pipe_is_told_and_never_opened(tmp_path: Path) -> None:
    """Named by itself it was opened, and check waited for ever."""
    touch(tmp_path, "1.png")
    os.mkfifo(tmp_path / "pipe.png")
    os.mkfifo(tmp_path / "pipe")
    found = scan_sources([tmp_path])
    assert names(found, tmp_path) == ["1.png", "pipe.png"]
    assert found[1].refusal.startswith("a pipe or a device, expected a file; save what comes")
    for given in ("pipe", "pipe.png", "pipe.*"):
        (told,) = scan_sources([tmp_path / given])
        assert told.refusal == found[1].refusal


def test_patterns(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    touch(tmp_path, "p/a.jpg", "p/b.jpg", "p/c.png", "p/notes.txt", "p/sub/d.jpg", "p/[1].jpg")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert [s.name for s in scan_sources(["p/*.jpg"])] == ["p/[1].jpg", "p/a.jpg", "p/b.jpg"]
    assert [s.name for s in scan_sources(["p/[ab].*"])] == ["p/a.jpg", "p/b.jpg"]
    assert [s.name for s in scan_sources(["p/[1].jpg"])] == ["p/[1].jpg"], "a file of this name"
    assert len(scan_sources(["p/**/*.jpg"])) == 4
    assert len(scan_sources(["p/*"])) == 5, "folders that match are looked into, notes are not"
    assert len(scan_sources(["~/p/*.png"])) == 1
    with pytest.raises(MediaError, match=r"p/\*\.gif: matches no file; check the spelling"):
        scan_sources(["p/*.gif"])


def test_an_archive_is_opened_where_it_is_named_and_told_in_a_folder(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "p.zip", "w") as archive:
        archive.writestr("a/b.jpg", b"x")
        archive.writestr("../c.jpg", b"x")
    touch(tmp_path, "d.jpg")
    found = scan_sources([tmp_path / "p.zip", tmp_path / "p.zip"])
    assert names(found, tmp_path) == ["p.zip/a/b.jpg", "p.zip/../c.jpg"]
    assert [bool(source.refusal) for source in found] == [False, True]
    assert names(scan_sources([tmp_path / "*.zip"]), tmp_path) == names(found, tmp_path)
    archive, photo = sorted(scan_sources([tmp_path]), key=lambda source: source.name, reverse=True)
    assert photo.path.name == "d.jpg"
    assert archive.refusal.startswith("an archive in a folder, which is not opened; name it")
    for given in ([tmp_path, tmp_path / "p.zip"], [tmp_path / "p.zip", tmp_path]):
        both = names(scan_sources(given), tmp_path)
        assert sorted(both) == ["d.jpg", "p.zip/../c.jpg", "p.zip/a/b.jpg"]


def test_a_broken_archive_stops_nothing(tmp_path: Path) -> None:
    touch(tmp_path, "p.zip", "d.jpg")
    (tmp_path / "e.zip").write_bytes(b"PK\x05\x06" + bytes(18))
    found = scan_sources([tmp_path / "p.zip", tmp_path / "e.zip", tmp_path / "d.jpg"])
    assert found[0].refusal.startswith("not a zip archive that can be read (")
    assert found[1].refusal == "an archive without photos and clips; name another one"
    assert not found[2].refusal


def test_nothing_to_find(tmp_path: Path) -> None:
    with pytest.raises(MediaError, match=r"no photos found, expected files ending in \.apng .*;"):
        scan_sources([tmp_path])
    with pytest.raises(MediaError, match="no such file or folder; check the spelling"):
        scan_sources([tmp_path / "none"])
    with pytest.raises(MediaError, match="no path given: no photos"):
        scan_sources([])


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root may list anything")
def test_a_folder_that_may_not_be_listed(tmp_path: Path) -> None:
    touch(tmp_path, "sub/a.png")
    (tmp_path / "sub").chmod(0)
    try:
        with pytest.raises(MediaError, match="sub: cannot be listed"):
            scan_sources([tmp_path])
    finally:
        (tmp_path / "sub").chmod(0o700)


def test_ten_thousand_files_are_listed_at_once(tmp_path: Path) -> None:
    for index in range(10_000):
        (tmp_path / f"{index:05}.jpg").touch()
    begin = time.process_time()
    found = scan_sources([tmp_path])
    assert len(found) == 10_000
    assert time.process_time() - begin < 10.0


def test_what_was_found_is_counted_for_people(tmp_path: Path) -> None:
    touch(tmp_path, "a.png", "b.png", "c.mp4", "d.rar")
    found = scan_sources([tmp_path])
    assert tell_sources(found, 8) == (
        "2 photos, 1 clip (up to 8 frames of each are photos), 1 that will be refused"
    )
    assert tell_sources(found[:1], 8) == "1 photo"


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have no such names")
def test_a_name_that_is_no_text_is_refused(tmp_path: Path):
    name = os.fsencode(tmp_path) + b"/bad\xff.jpg"
    with open(name, "wb") as stream:  # noqa: PTH123 - of bytes
        stream.write(b"\xff\xd8\xff")
    (source,) = scan_sources([tmp_path])
    assert source.kind is Kind.OTHER
    assert source.refusal.endswith("; rename the file")
    assert source.name == rf"{tmp_path}/bad\udcff.jpg"
