import io
import os
import time
import zipfile
import zlib

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from facekit.presets.archive import Member, local_header, tail
from facekit.presets.bundle import open_bundle
from facekit.presets.manifest import ADAPTER
from facekit.presets.names import check_together, file_name_fault
from facekit.presets.packing import Content, copy_bundle
from facekit.signing.keys import SigningKey
from tests.tiny.presets import tiny_contents, write_preset


def test_a_folder_and_an_archive_have_the_same_digest(tmp_path):
    key = SigningKey.generate("anna")
    folder = write_preset(tmp_path / "a.facekit", tiny_contents(), key=key)
    archive = write_preset(tmp_path / "b.facekit", tiny_contents(), key=key, archive=True)

    assert folder.digest == archive.digest
    assert folder.folder == tmp_path / "a.facekit"
    assert archive.folder is None
    assert folder.read("README.md") == archive.read("README.md") == b"# mira\n"
    assert archive.packed_by((key.public,)).signers == (key.public,)


def test_packed_again_elsewhere_it_is_the_same_to_the_byte(tmp_path, monkeypatch):
    """Another folder, another time zone, another umask, other times of the files."""
    key = SigningKey.generate("anna")
    path = tmp_path / "photo.md"
    found = []
    for name, zone, mask, mtime in (
        ("one", "UTC", 0o022, 1e9),
        ("two", "Asia/Tokyo", 0o077, 1.5e9),
    ):
        monkeypatch.setenv("TZ", zone)
        time.tzset()
        before = os.umask(mask)
        try:
            path.write_bytes(b"terms")
            os.utime(path, (mtime, mtime))
            contents = [*tiny_contents(), Content(path="LICENSE.md", role="license", data=path)]
            out = tmp_path / name / "sub" / "mira.facekit"
            write_preset(out, contents[:: 1 if name == "one" else -1], key=key, archive=True)
            found.append(out.read_bytes())
        finally:
            os.umask(before)
    monkeypatch.undo()
    time.tzset()
    assert found[0] == found[1]


def test_other_programs_read_the_archive(tmp_path):
    write_preset(tmp_path / "a.facekit", tiny_contents(), archive=True)
    with zipfile.ZipFile(tmp_path / "a.facekit") as archive:
        assert archive.testzip() is None
        assert archive.namelist() == ["README.md", "facekit.json", "media/thumb.webp", ADAPTER]
        assert archive.read("README.md") == b"# mira\n"


def test_the_library_writes_the_same_layout():
    """What is written by hand here is what zipfile would write."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        info = zipfile.ZipInfo("a/b.json")
        info.create_system, info.external_attr = 3, 0o100644 << 16
        archive.writestr(info, b"{}")
    member = Member("a/b.json", 2, zlib.crc32(b"{}"))
    assert local_header(member) + b"{}" + tail([member]) == stream.getvalue()


names = st.from_regex(
    r"[a-z0-9][a-z0-9_-]{0,8}(/[a-z0-9][a-z0-9_-]{0,8})?\.(json|md|webp)", fullmatch=True
)


@settings(max_examples=40, deadline=None, derandomize=True)
@given(
    extra=st.dictionaries(names, st.binary(max_size=300), max_size=8),
    adapter=st.binary(max_size=2000),
    version=st.from_regex(r"[0-9]\.[0-9]\.[1-9][0-9]?", fullmatch=True),
)
def test_whatever_is_packed_comes_out_again(tmp_path_factory, extra, adapter, version):
    assume(not check_together([*extra, ADAPTER, "README.md", "media/thumb.webp", "facekit.json"]))
    assume(not any(file_name_fault(name) for name in extra))
    assume(not any(name.startswith("signatures/") for name in extra))
    folder = tmp_path_factory.mktemp("packed")
    contents = tiny_contents({**extra, ADAPTER: adapter})
    packed = write_preset(folder / "a.facekit", contents, archive=True, version=version)

    copy_bundle(packed, folder / "b.facekit", archive=False)
    unpacked = open_bundle(folder / "b.facekit")
    copy_bundle(unpacked, folder / "c.facekit", archive=True)

    assert unpacked.digest == packed.digest
    assert {name: unpacked.read(name) for name in unpacked.files} == {
        one.path: one.data for one in contents
    }
    assert (folder / "c.facekit").read_bytes() == (folder / "a.facekit").read_bytes()
