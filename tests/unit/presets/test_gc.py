import json
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from facekit.errors import BundleDamaged, RegistryError, UsageError
from facekit.presets.gc import remove_unused
from facekit.presets.lease import REMOVING, Lease, Mark
from facekit.presets.registry import Registry
from tests.tiny.presets import tiny_contents, write_preset
from tests.tiny.registries import Team, folder_registry, is_whole, push

LATER = datetime.now(UTC) + timedelta(hours=25)
UNUSED = "blobs/sha256/aa/" + "a" * 62


@pytest.fixture
def registry(tmp_path: Path) -> Registry:
    made = folder_registry(tmp_path / "registry")
    push(made, Team().bundle(tmp_path / "made"))
    made.store.put(UNUSED, [b"x"], 1)
    return made


def test_what_nothing_refers_to_is_removed_and_nothing_else(registry: Registry) -> None:
    before = {found.path for found in registry.store.walk("")}
    dry = remove_unused(registry, dry_run=True, now=LATER)
    assert {found.path for found in registry.store.walk("")} == before
    assert [found.path for found in dry.files] == [UNUSED]
    assert remove_unused(registry, dry_run=False, now=LATER) == dry
    assert {found.path for found in registry.store.walk("")} == before - {UNUSED}
    assert is_whole(registry)


def test_what_is_new_stays(registry: Registry) -> None:
    assert remove_unused(registry, dry_run=False).files == ()


def test_what_a_push_at_work_needs_stays(registry: Registry) -> None:
    now = datetime.now(UTC)
    path = Path(registry.store._root) / UNUSED
    os.utime(path, ((now - timedelta(days=3)).timestamp(),) * 2)
    with Lease(registry.store, ["a" * 64]):
        assert remove_unused(registry, dry_run=False, now=now).files == ()
    assert len(remove_unused(registry, dry_run=False, now=now).files) == 1


def test_a_push_waits_for_it(registry: Registry, tmp_path: Path) -> None:
    with Mark(registry.store, datetime.now(UTC)):
        with pytest.raises(RegistryError, match="being removed"):
            push(registry, Team().bundle(tmp_path / "made", "2.0.0"))
        assert registry.store.walk("pushing") == ()
    push(registry, Team().bundle(tmp_path / "made", "2.0.0"))


@pytest.mark.parametrize("content", [b"{}", b"junk", b'{"at": "2026-01-01T00:00:00Z"}'])
def test_one_that_was_killed_stops_nobody_for_long(
    registry: Registry, tmp_path: Path, content: bytes
) -> None:
    registry.store.put_new(f"{REMOVING}/x.json", content)
    push(registry, Team().bundle(tmp_path / "made", "2.0.0"))
    removed = remove_unused(registry, dry_run=False, now=LATER).files
    assert [one.path for one in removed] == [UNUSED, f"{REMOVING}/x.json"]


def test_it_is_alone_and_goes_on_after_a_kill(registry: Registry) -> None:
    with Mark(registry.store, datetime.now(UTC)):
        with pytest.raises(RegistryError, match="being removed"):
            remove_unused(registry, dry_run=False)
        (own,) = registry.store.walk(REMOVING)  # the other took its own mark away, and that alone
        removed = remove_unused(registry, dry_run=False, now=LATER).files
        assert {one.path for one in removed} == {UNUSED, own.path}
    assert registry.store.walk(REMOVING) == ()


def test_a_mark_is_renewed_and_one_that_stood_still_gives_up(
    registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [1000.0]
    monkeypatch.setattr("facekit.presets.lease.time.monotonic", lambda: now[0])
    with Mark(registry.store, datetime.now(UTC)) as mark:
        (path,) = (found.path for found in registry.store.walk(REMOVING))
        registry.store.put(path, [b"{}"], 2)
        mark.renew()
        assert registry.store.read(path, 100) == b"{}"
        now[0] += 61
        mark.renew()
        assert b"at" in (registry.store.read(path, 100) or b"")
        now[0] += 600
        with pytest.raises(RegistryError, match="stood still for 600 s"):
            mark.renew()


def test_what_interrupted_writers_left_is_removed(registry: Registry) -> None:
    left = Path(registry.store._root) / "blobs" / ".x-12345678.part"
    left.write_bytes(b"half")
    lease = registry.store
    lease.put_new("pushing/x.json", b'{"at": "2026-01-01T00:00:00Z", "blobs": []}')
    found = [one.path for one in remove_unused(registry, dry_run=False, now=LATER).files]
    assert found == ["blobs/.x-12345678.part", UNUSED, "pushing/x.json"]
    assert not left.exists()


def test_what_others_have_put_there_stays(registry: Registry) -> None:
    root = Path(registry.store._root)
    strange = (
        ".gitattributes",
        "blobs/.htaccess",
        "blobs/sha256/README",
        "blobs/sha256/aa/notes.txt",
        ".x-12345678.part",
        ".git/.x-12345678.part",
    )
    for name in strange:
        (root / name).parent.mkdir(exist_ok=True)
        (root / name).write_bytes(b"mine")
    ours = root / ".facekit-registry.json-12345678.part"
    ours.write_bytes(b"{")
    found = [one.path for one in remove_unused(registry, dry_run=False, now=LATER).files]
    assert found == [ours.name, UNUSED]
    assert all((root / name).is_file() for name in strange)


def test_a_lease_that_says_nothing_is_no_fault(registry: Registry) -> None:
    registry.store.put_new("pushing/x.json", json.dumps({"at": LATER.isoformat()}).encode())
    registry.store.put_new("pushing/y.json", b"junk")
    assert remove_unused(registry, dry_run=False).files == ()
    found = [one.path for one in remove_unused(registry, dry_run=False, now=LATER).files]
    assert found == [UNUSED, "pushing/y.json"]


def test_a_preset_that_is_called_as_its_show_stays(tmp_path: Path) -> None:
    registry = folder_registry(tmp_path / "registry")
    key = Team().keys["ana"]
    bundle = write_preset(tmp_path / "made", tiny_contents(), key=key, id="mira/mira")
    push(registry, bundle)
    assert registry.ids() == ("mira/mira",)
    assert remove_unused(registry, dry_run=False, now=LATER).files == ()
    assert registry.manifest(registry.entry("mira/mira", "1.0.0"))[0] == bundle.manifest


def test_nothing_is_removed_where_a_version_cannot_be_read(registry: Registry) -> None:
    entry = registry.entry(*_only(registry))
    registry.store.delete(f"blobs/sha256/{entry.digest[:2]}/{entry.digest[2:]}")
    with pytest.raises(BundleDamaged, match="missing"):
        remove_unused(registry, dry_run=False, now=LATER)
    assert registry.store.size(UNUSED) == 1


def test_a_mirror_is_left_alone(registry: Registry) -> None:
    with pytest.raises(UsageError, match="a mirror"):
        remove_unused(Registry(registry.store, read_only=True), dry_run=True)


def _only(registry: Registry) -> tuple[str, str]:
    (preset_id,) = registry.ids()
    (version,) = registry.versions(preset_id)
    return preset_id, version


def test_what_an_interrupted_check_has_left_goes(registry: Registry) -> None:
    left, strange = f"checks/{'0' * 16}.json", "checks/notes.json"
    for path in (left, strange):
        registry.store.put_new(path, b"{}")
    assert [one.path for one in remove_unused(registry, dry_run=True).files] == []
    found = remove_unused(registry, dry_run=False, now=LATER)
    assert [one.path for one in found.files] == [UNUSED, left]
    assert registry.store.names("checks") == ("notes.json",)
