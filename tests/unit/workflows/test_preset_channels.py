from pathlib import Path

import pytest

from facekit.errors import IntegrityError, PolicyRefused, PresetRevoked, UsageError
from facekit.workflows.preset_channels import promote, roll_back
from facekit.workflows.preset_decisions import approve, reject, revoke
from facekit.workflows.preset_list import list_presets
from facekit.workflows.preset_refs import desk
from tests.tiny.presets import ID
from tests.tiny.shows import ShowFolder, show_folder


@pytest.fixture
def show(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ShowFolder:
    return show_folder(tmp_path, monkeypatch)


def states() -> dict[str, tuple[str, tuple[str, ...]]]:
    listed = list_presets("mira").versions
    return {one.label.partition("@")[2]: (one.state, one.channels) for one in listed}


def test_a_version_is_approved_released_and_rolled_back(show: ShowFolder) -> None:
    show.push("1.0.0")
    decided = approve("mira@1.0.0", key="ana", note="hair fixed")
    assert (decided.role, decided.approved_for) == ("td", ())
    with pytest.raises(PolicyRefused, match="legal: 0 of 1"):
        promote("mira@1.0.0", "prod", key="ana")
    assert approve("mira@1.0.0", key="tom").approved_for == ("prod",)
    assert promote("mira@1.0.0", "prod", key="tom").before is None
    show.push("1.1.0")
    show.promote("1.1.0")
    assert states() == {"1.0.0": ("superseded", ()), "1.1.0": ("released", ("prod",))}
    moved = roll_back("mira", "prod", key="ana")
    assert (moved.before, moved.version, moved.counter) == ("1.1.0", "1.0.0", 3)
    assert states() == {"1.0.0": ("released", ("prod",)), "1.1.0": ("superseded", ())}


def test_a_roll_back_passes_over_what_was_revoked(show: ShowFolder) -> None:
    for version in ("1.0.0", "1.1.0", "1.2.0"):
        show.push(version)
        show.promote(version)
    revoke("mira@1.1.0", note="consent withdrawn", key="tom")
    assert roll_back("mira", "prod", key="ana").version == "1.0.0"
    with pytest.raises(PresetRevoked, match="consent withdrawn"):
        roll_back("mira", "prod", to="1.1.0", key="ana")
    with pytest.raises(PresetRevoked):
        approve("mira@1.1.0", key="ana")


def test_there_is_nothing_before_the_first(show: ShowFolder) -> None:
    show.push("1.0.0")
    show.promote("1.0.0")
    with pytest.raises(UsageError, match="no earlier version"):
        roll_back("mira", "prod", key="ana")


def test_a_channel_without_a_policy_is_refused(show: ShowFolder) -> None:
    show.push("1.0.0")
    with pytest.raises(PolicyRefused, match=r"\[policy.gold\]"):
        promote("mira@1.0.0", "gold", key="ana")


def released(show: ShowFolder, *versions: str) -> None:
    for version in versions:
        show.push(version)
        show.promote(version)


def test_rolling_back_twice_goes_back_twice(show: ShowFolder) -> None:
    released(show, "1.0.0", "1.1.0", "1.2.0")
    found = [roll_back("mira", "prod", key="ana").version for _ in range(2)]
    assert found == ["1.1.0", "1.0.0"]


def test_a_roll_back_passes_over_what_the_policy_no_longer_takes(show: ShowFolder) -> None:
    released(show, "1.0.0", "1.1.0", "1.2.0")
    reject("mira@1.1.0", note="the ears", key="tom")
    assert roll_back("mira", "prod", key="ana").version == "1.0.0"
    promote("mira@1.2.0", "prod", key="ana")
    reject("mira@1.0.0", note="the nose", key="tom")
    with pytest.raises(UsageError, match="no earlier version"):
        roll_back("mira", "prod", key="ana")


def test_a_roll_back_says_what_it_has_passed_over(show: ShowFolder) -> None:
    released(show, "1.0.0", "1.1.0")
    reject("mira@1.0.0", note="the ears", key="tom")
    with pytest.raises(UsageError, match=r"go back to \(1\.0\.0 lacks approvals or was"):
        roll_back("mira", "prod", key="ana")


def test_what_does_not_count_is_told(show: ShowFolder) -> None:
    bundle = show.push("1.0.0")
    with desk() as at:
        at.registry.add_statement(bundle.digest, b"nonsense")
    for name in ("ana", "tom"):
        decided = approve("mira@1.0.0", key=name)
    assert "not counted: " in decided.describe()
    moved = promote("mira@1.0.0", "prod", key="ana")
    (path,) = (show.folder / "kept" / "channels" / ID / "prod").iterdir()
    path.with_name("000000002.json").write_bytes(b"junk")
    show.push("1.1.0")
    for name in ("ana", "tom"):
        approve("mira@1.1.0", key=name)
    again = promote("mira@1.1.0", "prod", key="ana")
    back = roll_back("mira", "prod", key="ana")
    assert again.counter == 3
    assert [len(one.ignored) for one in (moved, again, back)] == [1, 1, 1]
    assert "not counted: prod 2" in again.describe()


def test_a_roll_back_does_not_go_by_a_history_that_was_put_back(show: ShowFolder) -> None:
    released(show, "1.0.0", "1.1.0", "1.2.0")
    (show.folder / "kept/channels" / ID / "prod/000000003.json").unlink()
    with pytest.raises(IntegrityError, match="expected 3 or later"):
        roll_back("mira", "prod", key="ana")
    assert promote("mira@1.2.0", "prod", key="ana").counter == 4
    assert roll_back("mira", "prod", key="ana").version == "1.1.0"
