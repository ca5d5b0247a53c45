from pathlib import Path

import pytest
from PIL import Image as PillowImage

from facekit.media.kinds import Kind, is_heif, is_junk, is_video, kind_of, read_head


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("a.JPG", Kind.PHOTO),
        ("a.heic", Kind.PHOTO),
        ("a.nef", Kind.PHOTO),
        ("a.MOV", Kind.CLIP),
        ("a.zip", Kind.ARCHIVE),
        ("a.rar", Kind.OTHER),
        ("a.txt", Kind.OTHER),
        ("a", Kind.OTHER),
    ],
)
def test_a_name_tells_the_kind(name: str, kind: Kind) -> None:
    assert kind_of(name) is kind


@pytest.mark.parametrize("suffix", ["png", "jpg", "gif", "webp", "tif", "avif"])
def test_first_bytes_tell_a_picture_of_any_name(tmp_path: Path, suffix: str) -> None:
    PillowImage.new("RGB", (8, 8)).save(tmp_path / f"a.{suffix}")
    head = read_head(tmp_path / f"a.{suffix}")
    assert kind_of("IMG_0001", head) is Kind.PHOTO
    assert kind_of("clip.mp4", head) is Kind.PHOTO


def test_first_bytes_win_over_a_name() -> None:
    film = b"\0\0\0\x18ftypisom\0\0\2\0"
    assert kind_of("a.jpg", film) is Kind.CLIP
    assert is_video(film)
    assert not is_video(b"\0\0\0\x18ftypheic\0\0\0\0")
    assert is_heif(b"\0\0\0\x18ftypheic\0\0\0\0")
    assert not is_video(b"RIFF\0\0\0\0WEBPVP8 ")
    assert is_video(b"RIFF\0\0\0\0AVI LIST")
    assert kind_of("a.jpg", b"PK\x03\x04\0\0\0\0") is Kind.ARCHIVE


def test_what_cannot_be_read_has_no_first_bytes(tmp_path: Path) -> None:
    assert read_head(tmp_path / "none") == b""
    assert read_head(tmp_path) == b""


@pytest.mark.parametrize(
    "name", [".hidden.jpg", "__MACOSX", "Thumbs.db", ".DS_Store", "desktop.ini", "@eaDir"]
)
def test_what_systems_leave_behind(name: str) -> None:
    assert is_junk(Path("photos") / name)
    assert not is_junk(Path("photos/a.jpg"))
