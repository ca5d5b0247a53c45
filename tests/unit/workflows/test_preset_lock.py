from pathlib import Path

import pytest

from facekit.errors import (
    LockMismatch,
    UsageError,
)
from facekit.presets.lock import read_lock
from facekit.types import NoProgress
from facekit.workflows.preset_lock import plan_lock, run_lock
from facekit.workflows.preset_sync import Synced, plan_sync, run_sync
from facekit.workflows.preset_transfer import plan_push, run_push
from tests.tiny.presets import ID, tiny_contents, write_preset
from tests.tiny.shows import ShowFolder, show_folder

OTHER = "org.studio.show/tomas"


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


def test_nothing_locked_is_told(show: ShowFolder) -> None:
    with pytest.raises(UsageError, match="nothing is locked"):
        plan_lock(())
    with pytest.raises(UsageError, match="no lock"):
        plan_sync()


def test_two_that_lock_at_once_keep_both(show: ShowFolder) -> None:
    other = write_preset(
        show.folder / "tomas.facekit", tiny_contents(), key=show.team.keys["ana"], id=OTHER
    )
    run_push(plan_push(other.source), NoProgress())
    one, two = plan_lock(["mira@prod"]), plan_lock(["tomas@1.0.0"])
    run_lock(one, NoProgress())
    assert sorted(run_lock(two, NoProgress()).lock.presets) == [ID, OTHER]
    assert sorted(read_lock(show.folder / "facekit.lock").presets) == [ID, OTHER]


def test_a_later_pointer_is_not_locked_away(show: ShowFolder) -> None:
    old = plan_lock(["mira@prod"])
    show.push("1.1.0")
    show.promote("1.1.0")
    run_lock(plan_lock(["mira@prod"]), NoProgress())
    with pytest.raises(LockMismatch, match="pointer 1, expected 2 or later"):
        run_lock(old, NoProgress())
