from pathlib import Path

import pytest

from facekit.errors import IntegrityError
from facekit.presets.seen import Seen, state_folder


def test_it_is_kept_and_read_again() -> None:
    seen = Seen.open("s3://b")
    seen.remember_pointer("a/b", "prod", 3, "d")
    seen.check_version("a/b@1.0.0", "d")
    seen.remember_revoked("r")
    seen.remember_checked("d", "2026-11-21T12:00:00Z")
    seen.save()
    again = Seen.open("s3://b")
    assert again.pointer("a/b", "prod") == (3, "d")
    assert again.is_revoked("r")
    assert again.last_checked("d") == seen.last_checked("d")
    assert Seen.open("s3://other").pointers == {}


def test_what_is_not_new_is_not_written() -> None:
    Seen.open("s3://b").save()
    (path,) = state_folder().iterdir()
    before = path.stat().st_mtime_ns
    Seen.open("s3://b").save()
    assert path.stat().st_mtime_ns == before


def test_a_pointer_never_falls() -> None:
    seen = Seen()
    seen.remember_pointer("a/b", "prod", 3, "new")
    seen.remember_pointer("a/b", "prod", 2, "old")
    assert seen.pointer("a/b", "prod") == (3, "new")


def test_a_version_never_changes() -> None:
    seen = Seen()
    seen.check_version("a/b@1.0.0", "one")
    with pytest.raises(IntegrityError, match="never changes"):
        seen.check_version("a/b@1.0.0", "two")


@pytest.mark.parametrize("content", ["", "{}", "[]", '{"schema": "facekit.seen/9"}'])
def test_a_damaged_memory_is_no_empty_one(content: str) -> None:
    Seen.open("s3://b").save()
    (path,) = state_folder().iterdir()
    path.write_text(content)
    with pytest.raises(IntegrityError, match="what was seen"):
        Seen.open("s3://b")


def test_it_is_no_cache() -> None:
    assert Path.home() in state_folder().parents
