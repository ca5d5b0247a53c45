import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from facekit.errors import (
    BundleDamaged,
    LockMismatch,
    PresetRevoked,
    RegistryError,
    SignatureRefused,
    UsageError,
    VersionMissing,
)
from facekit.presets.seen import state_folder
from facekit.types import NoProgress
from facekit.workflows import locked_presets, preset_sync
from facekit.workflows.characters import find_character
from facekit.workflows.preset_decisions import revoke
from facekit.workflows.preset_list import list_presets, outdated, plan_gc, run_gc
from facekit.workflows.preset_lock import plan_lock, run_lock
from facekit.workflows.preset_refs import kept_folder
from facekit.workflows.preset_sync import Synced, plan_sync, run_sync
from facekit.workflows.preset_transfer import plan_pull
from tests.tiny.presets import ADAPTER, ID
from tests.tiny.shows import ShowFolder, show_folder


@pytest.fixture
def show(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ShowFolder:
    made = show_folder(tmp_path, monkeypatch)
    made.push("1.0.0")
    made.promote("1.0.0")
    return made


def lock(*references: str) -> bool:
    return run_lock(plan_lock(references), NoProgress()).changed


def sync(*, frozen: bool = False) -> Synced:
    return run_sync(plan_sync(frozen=frozen), NoProgress())


def test_a_locked_channel_stays_where_it_was(show: ShowFolder) -> None:
    assert lock("mira@prod")
    show.push("1.1.0")
    show.promote("1.1.0")
    assert list(sync(frozen=True).presets) == ["org.studio.show/mira@1.0.0"]
    assert outdated().behind == (("org.studio.show/mira", "1.0.0", "1.1.0", "channel prod"),)
    assert lock()
    assert not lock()
    assert outdated().current == ("org.studio.show/mira",)


def test_a_revoked_preset_is_refused_though_it_is_locked_and_here(show: ShowFolder) -> None:
    lock("mira@prod")
    sync()
    assert find_character("mira@prod").name == Path(ADAPTER).name
    revoke("mira@1.0.0", note="consent withdrawn", key="tom")
    with pytest.raises(PresetRevoked, match="consent withdrawn"):
        sync()
    with pytest.raises(PresetRevoked):
        find_character("mira@1.0.0")
    with pytest.raises(PresetRevoked):
        lock()
    assert outdated().behind[0][3] == "the locked one is revoked"


def test_the_keys_of_the_show_are_enough_to_use_what_is_locked(
    show: ShowFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lock("mira@prod")
    sync()
    monkeypatch.setenv("FACEKIT_KEYS", str(tmp_path / "nobody"))
    adapter = find_character("mira@prod")
    assert find_character(str(adapter)) == adapter
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SignatureRefused):
        find_character(str(adapter))


def test_a_registry_that_is_away_may_be_for_a_while(
    show: ShowFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    lock("mira@prod")
    sync()
    (show.folder / "kept").rename(show.folder / "away")
    assert sync().offline == ("org.studio.show/mira@1.0.0",)

    class Later(datetime):
        @classmethod
        def now(cls, tz: object = None) -> datetime:  # type: ignore[override]
            return datetime.now(UTC) + timedelta(hours=73)

    monkeypatch.setattr(locked_presets, "datetime", Later)
    with pytest.raises(RegistryError, match="expected within 72 hours"):
        sync()
    with pytest.raises(RegistryError, match="preset sync"):
        find_character("mira@prod")


def test_a_changed_lock_is_found(show: ShowFolder) -> None:
    lock("mira@prod")
    path = show.folder / "facekit.lock"
    digest = plan_sync().lock.presets["org.studio.show/mira"].digest
    path.write_text(path.read_text().replace(digest, "0" * 64))
    with pytest.raises(LockMismatch, match="never changes"):
        sync()


def test_frozen_refuses_other_libraries(show: ShowFolder) -> None:
    lock("mira@prod")
    path = show.folder / "facekit.lock"
    path.write_text(path.read_text().replace('"torch" = "', '"torch" = "0.'))
    assert "torch is" in sync().differences[0]
    with pytest.raises(LockMismatch, match="torch is"):
        plan_sync(frozen=True)


def test_a_character_by_its_preset_must_be_locked_here_and_whole(show: ShowFolder) -> None:
    with pytest.raises(VersionMissing, match="preset lock mira@prod"):
        find_character("mira@prod")
    lock("mira@prod")
    with pytest.raises(VersionMissing, match="preset sync"):
        find_character("mira@prod")
    sync()
    with pytest.raises(VersionMissing, match=r"has 1\.0\.0 prod"):
        find_character("mira@2.0.0")
    find_character("mira@1.0.0").write_bytes(b"spoilt")
    with pytest.raises(BundleDamaged):
        find_character("mira@prod")


def test_gc_keeps_what_is_locked(show: ShowFolder) -> None:
    show.push("1.1.0")
    for version in ("1.1.0", "1.0.0"):
        lock(f"mira@{version}")
        sync()
    locked = plan_sync().lock.presets["org.studio.show/mira"].digest
    removed = run_gc(plan_gc(), NoProgress()).paths
    assert len(removed) == 1
    assert [path.name for path in kept_folder(locked).parent.iterdir()] == [
        kept_folder(locked).name
    ]
    assert state_folder().is_dir()


def test_an_edited_lock_is_found(show: ShowFolder) -> None:
    lock("mira@prod")
    path = show.folder / "facekit.lock"
    text = path.read_text()
    for old, new in (('name = "toon"', 'name = "other"'), ('encoder = ""', 'encoder = "arc"')):
        assert old in text
        path.write_text(text.replace(old, new))
        with pytest.raises(LockMismatch, match=r"expected (other|arc); it was edited"):
            sync()


@pytest.mark.parametrize("is_there", [False, True])
def test_frozen_asks_for_the_pointer_that_was_locked(show: ShowFolder, is_there: bool) -> None:
    lock("mira@prod")
    (pointer,) = (show.folder / "kept" / "channels" / ID / "prod").iterdir()
    pointer.write_bytes(b"{}") if is_there else pointer.unlink()
    said = "another one" if is_there else "none"
    assert f"{said} is pointer 1 of prod" in sync().differences[0]
    with pytest.raises(LockMismatch, match=f"{said} is pointer 1 of prod"):
        sync(frozen=True)


def test_what_does_not_count_is_told(show: ShowFolder) -> None:
    (entry,) = (show.folder / "kept" / "statements").iterdir()
    next(entry.iterdir()).rename(entry / f"{'0' * 64}.json")  # listed, and of another hash
    (entry / f"{'1' * 64}.json").write_bytes(b"junk")
    plan = plan_lock(["mira@1.0.0"])
    done = run_lock(plan, NoProgress())
    for told in (plan, done, sync()):
        assert told.describe().count("not counted: ") == 2
        assert "of another content than its name says" in told.describe()
        assert len(told.to_json()["ignored"]) == 1  # type: ignore[arg-type]


def test_a_mirror_stands_in_for_a_while(show: ShowFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    show.mirror()
    (show.folder / "kept").rename(show.folder / "away")
    lock("mira@prod")
    assert 'source = "main"' in (show.folder / "facekit.lock").read_text()
    synced = sync()
    assert synced.offline == ()
    assert "far, a mirror, stands in for main" in synced.describe()
    assert "stands in" in plan_pull("mira").describe()
    with pytest.raises(RegistryError, match="no registry there"):
        revoke("mira@1.0.0", note="x", key="tom")

    class Later(datetime):
        @classmethod
        def now(cls, tz: object = None) -> datetime:  # type: ignore[override]
            return datetime.now(UTC) + timedelta(hours=73)

    for module in (locked_presets, preset_sync):
        monkeypatch.setattr(module, "datetime", Later)
    with pytest.raises(RegistryError, match="expected within 72 hours"):
        sync()


def test_nothing_is_outdated_without_a_lock(show: ShowFolder) -> None:
    with pytest.raises(UsageError, match="no lock"):
        outdated()


def test_an_edited_lock_is_found_without_a_registry(show: ShowFolder) -> None:
    lock("mira@prod")
    sync()
    path = show.folder / "facekit.lock"
    text = path.read_text()
    path.write_text(text.replace('version = "1.0.0"', 'version = "1.0.1"'))
    with pytest.raises(LockMismatch, match=r"it is org.studio.show/mira@1.0.0"):
        find_character("mira@1.0.1")
    path.write_text(text.replace('name = "toon"', 'name = "huge"'))
    with pytest.raises(LockMismatch, match="base is"):
        find_character("mira@prod")


def test_a_revoked_preset_is_found_to_be_deleted(
    show: ShowFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    lock("mira@prod")
    sync()
    revoke("mira@1.0.0", note="consent withdrawn", key="tom")
    with pytest.raises(PresetRevoked):
        find_character("mira@prod")
    shutil.rmtree(state_folder())  # nobody knows when it was last asked either
    with pytest.raises(RegistryError, match="never"):
        find_character("mira@prod")
    assert find_character("mira@prod", revoked=True).name == Path(ADAPTER).name


def test_nobody_is_led_to_a_revoked_version(show: ShowFolder) -> None:
    lock("mira@1.0.0")
    for version in ("1.1.0", "1.2.0"):
        show.push(version)
    revoke("mira@1.2.0", note="the ears", key="tom")
    assert outdated().behind == ((ID, "1.0.0", "1.1.0", "latest version"),)
    assert list_presets().presets == ((ID, "1.1.0", 3),)
    assert plan_pull("mira").resolved.entry.version == "1.1.0"
    lock("mira")
    assert outdated().current == (ID,)
    revoke("mira@1.1.0", note="the ears", key="tom")
    assert outdated().behind == ((ID, "1.1.0", "1.0.0", "the locked one is revoked"),)
    revoke("mira@1.0.0", note="the ears", key="tom")
    assert list_presets().presets == ((ID, "revoked", 3),)
    with pytest.raises(PresetRevoked):
        plan_pull("mira")


def test_a_channel_that_leads_to_a_revoked_version_is_not_followed(show: ShowFolder) -> None:
    lock("mira@prod")
    show.push("1.1.0")
    show.promote("1.1.0")
    revoke("mira@1.1.0", note="the ears", key="tom")
    assert outdated().current == (ID,)
