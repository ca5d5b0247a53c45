from pathlib import Path

import pytest

from facekit.errors import KeyRefused, PolicyRefused, PresetRevoked, UsageError
from facekit.workflows.preset_decisions import approve, promote, reject, revoke, roll_back
from facekit.workflows.preset_list import list_presets
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


def test_a_rejection_takes_approvals_back(show: ShowFolder) -> None:
    show.push("1.0.0")
    for name in ("ana", "tom"):
        approve("mira@1.0.0", key=name)
    decided = reject("mira@1.0.0", note="the ears", key="tom")
    assert decided.standing.approvals == {}
    with pytest.raises(PolicyRefused, match="rejected by tom: the ears"):
        promote("mira@1.0.0", "prod", key="ana")


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


def test_whoever_may_not_decide_is_told_before_anything_is_signed(show: ShowFolder) -> None:
    show.push("1.0.0")
    with pytest.raises(KeyRefused, match="eve: no role, expected legal or td"):
        approve("mira@1.0.0", key="eve")
    with pytest.raises(KeyRefused, match="ana: td and --role legal"):
        approve("mira@1.0.0", key="ana", role="legal")
    show.write("[people.new]\nkey = 'x'\n")
    with pytest.raises(UsageError, match=r"people\.new"):
        approve("mira@1.0.0", key="ana")


def test_a_channel_without_a_policy_is_refused(show: ShowFolder) -> None:
    show.push("1.0.0")
    with pytest.raises(PolicyRefused, match=r"\[policy.gold\]"):
        promote("mira@1.0.0", "gold", key="ana")


def test_a_reason_is_asked_for(show: ShowFolder) -> None:
    with pytest.raises(UsageError, match="no reason"):
        revoke("mira@1.0.0", note=" ", key="tom")
