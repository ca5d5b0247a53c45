import io
import struct
import zipfile
from pathlib import Path

import pytest

from facekit.errors import MediaError
from facekit.media import archives
from facekit.media.archives import list_members, unpack_members
from facekit.media.cache import cache_dir
from facekit.media.kinds import Kind

LINK = 0o120777 << 16


def pack(path: Path, members: dict[str, bytes], **options: object) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content, **options)
    return path


def refusals(path: Path) -> dict[str, str]:
    return {member.name: member.refusal for member in list_members(path)}


def test_photos_and_clips_are_listed_and_the_rest_passed_over(tmp_path: Path) -> None:
    names = ["a/b.JPG", "a/c.mp4", "a/b.txt", "notes.txt", "__MACOSX/a/._b.jpg", ".hidden.png"]
    names += ["a/.hidden/d.png", "Thumbs.db", "empty/"]
    members = list_members(pack(tmp_path / "p.zip", dict.fromkeys(names, b"x")))
    assert [(m.name, m.kind, m.refusal) for m in members] == [
        ("a/b.JPG", Kind.PHOTO, ""),
        ("a/c.mp4", Kind.CLIP, ""),
    ]


def test_members_go_into_the_cache_by_number_with_their_captions(tmp_path: Path) -> None:
    path = pack(tmp_path / "p.zip", {"a/b.jpg": b"one", "b.jpg": b"two", "a/b.txt": b"said"})
    members = list_members(path)
    first, second = unpack_members(path, members)
    assert isinstance(first, Path)
    assert isinstance(second, Path)
    assert (first.read_bytes(), second.read_bytes()) == (b"one", b"two")
    assert first.with_suffix(".txt").read_text() == "said"
    assert not second.with_suffix(".txt").exists()
    assert cache_dir() in first.parents
    assert [child.name for child in tmp_path.iterdir()] == ["p.zip"], "nothing beside the archive"
    before = first.stat().st_mtime_ns
    assert list(unpack_members(path, members)) == [first, second]
    assert first.stat().st_mtime_ns == before, "unpacked once"
    first.write_bytes(b"half of")
    list(unpack_members(path, members))
    assert first.read_bytes() == b"one"


@pytest.mark.parametrize(
    "name", ["../evil.jpg", "a/../../evil.jpg", "/etc/evil.jpg", "..\\evil.jpg", "C:\\evil.jpg"]
)
def test_a_name_that_leads_out_is_refused_by_name(tmp_path: Path, name: str) -> None:
    path = pack(tmp_path / "p.zip", {name: b"x", "good.jpg": b"y"})
    said = refusals(path)
    assert said["good.jpg"] == ""
    assert said[name.replace("\\", "/")].startswith("its name leads out of the archive")
    members = [member for member in list_members(path) if not member.refusal]
    (place,) = unpack_members(path, members)
    assert isinstance(place, Path)
    assert cache_dir() in place.resolve().parents


def test_dangerous_names_are_told_of_any_kind_of_file(tmp_path: Path) -> None:
    said = refusals(pack(tmp_path / "p.zip", {"../../.bashrc": b"x", "../run.sh": b"x"}))
    assert set(said) == {"../run.sh"}, "hidden ones are passed over like any other"


def test_links_nested_archives_and_other_methods_are_told(tmp_path: Path) -> None:
    link = zipfile.ZipInfo("link.jpg")
    link.external_attr = LINK
    with zipfile.ZipFile(tmp_path / "p.zip", "w") as archive:
        archive.writestr(link, "/etc/passwd")
        archive.writestr("more.zip", b"x")
        archive.writestr("more.rar", b"x")
        archive.writestr("odd.jpg", b"x" * 99, compress_type=zipfile.ZIP_BZIP2)
    said = refusals(tmp_path / "p.zip")
    assert said["link.jpg"].startswith("a link, which is not followed")
    assert said["more.zip"].startswith("an archive inside an archive, which is not opened;")
    assert said["more.rar"] == said["more.zip"]
    assert said["odd.jpg"].startswith("packed by zip's method 12, expected 8")
    assert {member.kind for member in list_members(tmp_path / "p.zip")} == {Kind.OTHER}


def test_encrypted_members_are_told(tmp_path: Path) -> None:
    content = bytearray(pack(tmp_path / "p.zip", {"a.jpg": b"x"}).read_bytes())
    for mark, at in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        place = content.index(mark) + at
        content[place] |= 1
    (tmp_path / "p.zip").write_bytes(content)
    assert refusals(tmp_path / "p.zip")["a.jpg"].startswith("encrypted; unpack the archive")


def test_a_bomb_is_refused_by_its_ratio_and_others_are_kept(tmp_path: Path) -> None:
    path = pack(tmp_path / "p.zip", {"bomb.png": b"\0" * (17 * 1024**2), "good.png": b"x"})
    said = refusals(path)
    assert said["good.png"] == ""
    assert "times larger unpacked, expected at most 200 times" in said["bomb.png"]


def test_limits_on_one_member_on_all_and_on_their_number(tmp_path: Path, monkeypatch) -> None:
    path = pack(tmp_path / "p.zip", {f"{index}.png": bytes(600) for index in range(4)})
    monkeypatch.setattr(archives, "MAX_MEMBER_BYTES", 500)
    assert all("GiB unpacked, expected at most" in text for text in refusals(path).values())
    monkeypatch.setattr(archives, "MAX_MEMBER_BYTES", 1000)
    monkeypatch.setattr(archives, "MAX_TOTAL_BYTES", 2000)
    with pytest.raises(MediaError, match=r"p\.zip: 0\.0 GiB unpacked, expected at most 0; name"):
        list_members(path)
    monkeypatch.setattr(archives, "MAX_MEMBERS", 3)
    with pytest.raises(MediaError, match="4 members, expected at most 3; name a smaller"):
        list_members(path)


def test_a_size_that_lies_gives_no_more_than_it_says(tmp_path: Path) -> None:
    """The limits judge the sizes of the list, so nothing may come out that is larger."""
    large = b"\0" * (40 * 1024**2)
    content = bytearray(pack(tmp_path / "p.zip", {"bomb.png": large}).read_bytes())
    for mark, at in ((b"PK\x03\x04", 22), (b"PK\x01\x02", 24)):
        place = content.index(mark) + at
        content[place : place + 4] = struct.pack("<I", 1000)
    (tmp_path / "p.zip").write_bytes(content)
    members = list_members(tmp_path / "p.zip")
    (damaged,) = unpack_members(tmp_path / "p.zip", members)
    assert isinstance(damaged, MediaError)
    assert "damaged in the archive" in str(damaged)
    assert not [path for path in cache_dir().rglob("*") if path.is_file()]


def test_a_damaged_member_leaves_the_others(tmp_path: Path) -> None:
    path = pack(tmp_path / "p.zip", {"a.png": bytes(range(256)) * 4, "b.png": b"good"})
    content = bytearray(path.read_bytes())
    content[content.index(b"a.png") + 20] ^= 0xFF
    path.write_bytes(content)
    first, second = unpack_members(path, list_members(path))
    assert isinstance(first, MediaError)
    assert str(first).startswith(f"{path}/a.png: damaged in the archive (")
    assert isinstance(second, Path)


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 not much", b"a note"])
def test_what_is_no_archive_is_told(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "p.zip").write_bytes(content)
    with pytest.raises(MediaError, match=r"p\.zip: not a zip archive that can be read"):
        list_members(tmp_path / "p.zip")


def test_names_obey_no_terminal_and_are_told_once(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("\x1b[31mred.jpg", b"x")
        archive.writestr("a.jpg", b"first")
        with pytest.warns(UserWarning, match="Duplicate name"):
            archive.writestr("a.jpg", b"second")
    (tmp_path / "p.zip").write_bytes(buffer.getvalue())
    members = list_members(tmp_path / "p.zip")
    assert [member.name for member in members] == ["?[31mred.jpg", "a.jpg"]
    (place,) = unpack_members(tmp_path / "p.zip", members[1:])
    assert isinstance(place, Path)
    assert place.read_bytes() == b"first"
