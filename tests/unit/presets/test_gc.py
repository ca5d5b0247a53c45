import json
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from facekit.errors import BundleDamaged, RegistryError, UsageError
from facekit.presets.gc import remove_unused
from facekit.presets.lease import GC_MARK, Lease
from facekit.presets.registry import Registry
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
    registry.store.put_new(GC_MARK, b"{}")
    with pytest.raises(RegistryError, match="being removed"):
        push(registry, Team().bundle(tmp_path / "made", "2.0.0"))
    assert registry.store.walk("pushing") == ()


def test_it_is_alone_and_goes_on_after_a_kill(registry: Registry) -> None:
    told = {"at": datetime.now(UTC).isoformat()}
    registry.store.put_new(GC_MARK, json.dumps(told).encode())
    with pytest.raises(RegistryError, match="being removed"):
        remove_unused(registry, dry_run=False)
    assert len(remove_unused(registry, dry_run=False, now=LATER).files) == 1
    assert registry.store.size(GC_MARK) is None


def test_what_interrupted_writers_left_is_removed(registry: Registry) -> None:
    left = Path(registry.store._root) / "blobs" / ".x-1234.part"
    left.write_bytes(b"half")
    lease = registry.store
    lease.put_new("pushing/x.json", b'{"at": "2026-01-01T00:00:00Z", "blobs": []}')
    found = [one.path for one in remove_unused(registry, dry_run=False, now=LATER).files]
    assert found == ["blobs/.x-1234.part", UNUSED, "pushing/x.json"]
    assert not left.exists()


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
