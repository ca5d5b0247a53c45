"""Files that lack their end are told from whole ones, by their structure alone."""

import pytest

from facekit.media.whole import ends_early, is_media
from tests.tiny.provenance import clip, picture


@pytest.mark.parametrize("name", ["a.mp4", "a.png", "a.jpg", "a.webp"])
def test_a_file_without_its_end_is_told_from_a_whole_one(tmp_path, name):
    path = tmp_path / name
    (clip if name.endswith("mp4") else picture)(path, seed=1)
    assert (is_media(path), ends_early(path)) == (True, False)
    content = path.read_bytes()
    path.write_bytes(content[: len(content) * 2 // 3])
    assert (is_media(path), ends_early(path)) == (True, True)


def test_what_is_no_media_has_no_end_to_lack(tmp_path):
    path = tmp_path / "a.mp4"
    for content in (b"", b"words", b"\0\0\0\x01ftyp"):
        path.write_bytes(content)
        assert is_media(path) == content.endswith(b"ftyp")
        assert ends_early(path) == content.endswith(b"ftyp")
