from datetime import timedelta
from pathlib import Path

import pytest

from facekit.errors import LockMismatch, RegistryError
from facekit.presets.lock import (
    LOCK_FILE,
    Lock,
    LockedBase,
    check_offline,
    lock_differences,
    locked_preset,
    preset_differences,
    read_lock,
    write_lock,
)
from facekit.presets.seen import Seen
from tests.tiny.presets import ID, tiny_contents, tiny_manifest
from tests.tiny.registries import NOW


def a_lock(counter: int = 3) -> Lock:
    manifest = tiny_manifest(tiny_contents(), version="1.2.0")
    locked = locked_preset(
        manifest, "a" * 64, "main", channel="prod", counter=counter, approval="b" * 64
    )
    return Lock(libraries={"torch": "2.13.0", "facekit": "0.1"}, presets={ID: locked})


def test_a_lock_comes_back_equal_and_gives_equal_bytes(tmp_path: Path) -> None:
    paths = [tmp_path / "a" / LOCK_FILE, tmp_path / "b" / LOCK_FILE]
    write_lock(paths[0], a_lock())
    write_lock(paths[1], read_lock(paths[0]))
    assert read_lock(paths[1]) == a_lock()
    assert paths[0].read_bytes() == paths[1].read_bytes()


def test_no_lock_is_an_empty_one(tmp_path: Path) -> None:
    assert read_lock(tmp_path / LOCK_FILE) == Lock()


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("facekit.lock/1", "facekit.lock/2"),
        ("a" * 64, "a" * 63),
        ('"1.2.0"', '"latest"'),
        (ID, "../mira"),
        ("counter", "number"),
        ("[libraries]", "[libraries"),
    ],
)
def test_a_damaged_lock_is_refused(tmp_path: Path, old: str, new: str) -> None:
    path = tmp_path / LOCK_FILE
    write_lock(path, a_lock())
    path.write_text(path.read_text().replace(old, new))
    with pytest.raises(LockMismatch, match="version control"):
        read_lock(path)


def test_a_pointer_never_falls() -> None:
    with pytest.raises(LockMismatch, match="expected 3 or later"):
        a_lock().with_presets(a_lock(counter=2).presets)
    assert a_lock().with_presets(a_lock(counter=4).presets)[ID].counter == 4


def test_differences_of_libraries_are_told() -> None:
    assert lock_differences(a_lock(), {"torch": "2.14.0", "facekit": "0.1", "more": "1"}) == (
        "torch is 2.14.0, expected 2.13.0",
    )


@pytest.mark.parametrize(("hours", "passes"), [(-2, False), (0, True), (71, True), (73, False)])
def test_offline_grace_ends(hours: int, passes: bool) -> None:
    """A time in the future, as of a clock that was set back, is none."""
    seen = Seen()
    seen.remember_checked("d", (NOW - timedelta(hours=hours)).isoformat())
    if passes:
        check_offline("mira", "d", seen, NOW, 72, "no network")
    else:
        with pytest.raises(RegistryError, match="expected within 72 hours"):
            check_offline("mira", "d", seen, NOW, 72, "no network")


def test_what_was_never_asked_about_has_no_grace() -> None:
    with pytest.raises(RegistryError, match="never"):
        check_offline("mira", "d", Seen(), NOW, 1e6, "no network")


def test_a_lock_that_says_something_else_than_its_preset_is_told() -> None:
    manifest = tiny_manifest(tiny_contents())
    locked = locked_preset(manifest, "a" * 64, "main")
    assert preset_differences(locked, manifest) == ()
    other = locked.model_copy(
        update={"base": LockedBase(name="wan", revision="abc"), "consent": "b" * 64}
    )
    assert preset_differences(other, manifest) == (
        "base is toon, expected wan abc",
        "consent is none, expected bbbbbbbbbbbb",
    )
