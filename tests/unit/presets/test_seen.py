import json
from pathlib import Path

import pytest

from facekit.errors import IntegrityError
from facekit.presets.seen import Seen, ever_revoked, state_folder


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


def test_two_at_once_lose_nothing() -> None:
    one, two = Seen.open("s3://b"), Seen.open("s3://b")
    one.remember_revoked("r")
    one.remember_pointer("a/b", "prod", 3, "new")
    one.remember_checked("d", "2026-11-21T12:00:00Z")
    two.remember_revoked("s")
    two.remember_pointer("a/b", "prod", 2, "old")
    two.check_version("a/b@1.0.0", "d")
    one.save()
    two.save()
    again = Seen.open("s3://b")
    assert again.revoked == {"r", "s"}
    assert again.pointer("a/b", "prod") == two.pointer("a/b", "prod") == (3, "new")
    assert again.versions == {"a/b@1.0.0": "d"}
    assert again.checked == {"d": "2026-11-21T12:00:00Z"}


def test_when_it_was_asked_goes_back_with_the_clock() -> None:
    seen = Seen.open("s3://b")
    seen.remember_checked("d", "2030-01-01T00:00:00Z")
    seen.save()
    seen = Seen.open("s3://b")
    seen.remember_checked("d", "2026-11-21T12:00:00Z")
    seen.save()
    assert Seen.open("s3://b").checked == {"d": "2026-11-21T12:00:00Z"}


def test_two_that_see_a_version_differently_are_told() -> None:
    one, two = Seen.open("s3://b"), Seen.open("s3://b")
    one.check_version("a/b@1.0.0", "one")
    two.check_version("a/b@1.0.0", "two")
    one.save()
    with pytest.raises(IntegrityError, match="never changes"):
        two.save()


@pytest.mark.parametrize(
    ("one", "two"),
    [
        ("s3://b/x", "s3a://b//x/"),
        ("s3://b/x", "S3://b/x"),
        ("file:///tmp/x", "/tmp/./x"),
        ("file:///tmp/x", "file:///tmp/y/../x"),
    ],
)
def test_one_place_has_one_memory(one: str, two: str) -> None:
    assert Seen.open(one).path == Seen.open(two).path


def test_a_link_to_a_place_is_the_place(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "real")
    assert Seen.open(f"file://{tmp_path}/link").path == Seen.open(f"file://{tmp_path}/real").path


def test_who_revoked_decides_whether_it_counts_elsewhere() -> None:
    seen = Seen.open("s3://strange")
    seen.remember_revoked("r", ["eve"])
    seen.save()
    again = Seen.open("s3://strange")
    again.remember_revoked("r", ["ana"])
    again.save()
    assert not ever_revoked("r", ["tom"], ["s3://own"])
    assert ever_revoked("r", ["ana"], [])
    assert ever_revoked("r", ["eve"], [])
    assert ever_revoked("r", [], ["s3://own", "s3://strange/"])


def test_a_memory_of_before_counts_for_its_own_place() -> None:
    Seen.open("s3://b").save()
    (path,) = state_folder().iterdir()
    told = json.loads(path.read_text())
    del told["revokers"]
    path.write_text(json.dumps(told | {"revoked": ["r"]}))
    assert Seen.open("s3://b").is_revoked("r")
    assert ever_revoked("r", ["ana"], ["s3://b"])
    assert not ever_revoked("r", ["ana"], [])


def test_a_damaged_memory_is_no_empty_one_for_the_others() -> None:
    Seen.open("s3://b").save()
    (path,) = state_folder().iterdir()
    path.write_text('{"schema": "facekit.seen/9", "revoked": []}')
    with pytest.raises(IntegrityError, match=r"facekit\.seen/9"):
        ever_revoked("r", [], [])


def test_what_was_revoked_is_kept_though_a_version_differs() -> None:
    one, two = Seen.open("s3://b"), Seen.open("s3://b")
    one.check_version("a/b@1.0.0", "one")
    one.save()
    two.check_version("a/b@1.0.0", "two")
    two.remember_revoked("r", ["ana"])
    with pytest.raises(IntegrityError, match="never changes"):
        two.save()
    again = Seen.open("s3://b")
    assert again.revokers == {"r": {"ana"}}
    assert again.versions == {"a/b@1.0.0": "one"}
