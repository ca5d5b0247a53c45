from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from facekit.errors import KeyUnknown, PolicyRefused, RegistryError, UsageError
from facekit.signing.home import KeyHome
from facekit.workflows.preset_channels import promote
from facekit.workflows.preset_decisions import approve, reject, revoke, supersede
from facekit.workflows.preset_refs import desk
from tests.tiny.shows import ShowFolder, show_folder


@pytest.fixture
def show(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ShowFolder:
    return show_folder(tmp_path, monkeypatch)


def test_a_rejection_takes_approvals_back(show: ShowFolder) -> None:
    show.push("1.0.0")
    for name in ("ana", "tom"):
        approve("mira@1.0.0", key=name)
    decided = reject("mira@1.0.0", note="the ears", key="tom")
    assert decided.standing.approvals == {}
    with pytest.raises(PolicyRefused, match="rejected by tom: the ears"):
        promote("mira@1.0.0", "prod", key="ana")


def test_whoever_may_not_decide_is_told_before_anything_is_signed(show: ShowFolder) -> None:
    show.push("1.0.0")
    told = r"eve: no role, expected legal or td; ask ana \(td\) or tom \(legal\)"
    with pytest.raises(PolicyRefused, match=told):
        approve("mira@1.0.0", key="eve")
    with pytest.raises(PolicyRefused, match="ana: td and --role legal"):
        approve("mira@1.0.0", key="ana", role="legal")
    KeyHome(show.folder.parent / "keys").create("bob")
    with pytest.raises(PolicyRefused, match=r"add \[people.*ssh-ed25519"):
        approve("mira@1.0.0", key="bob")
    with pytest.raises(KeyUnknown, match="bo: no key of yours is called that, expected one of"):
        approve("mira@1.0.0", key="bo")
    show.write("[people.new]\nkey = 'x'\n")
    with pytest.raises(UsageError, match=r"people\.new"):
        approve("mira@1.0.0", key="ana")


def test_a_reason_is_asked_for(show: ShowFolder) -> None:
    with pytest.raises(UsageError, match="no reason"):
        revoke("mira@1.0.0", note=" ", key="tom")


@pytest.mark.parametrize("kind", ["approve", "reject"])
def test_a_word_that_would_not_be_the_latest_is_refused(show: ShowFolder, kind: str) -> None:
    """Somebody's clock is ahead, within what the rules allow."""
    bundle = show.push("1.0.0")
    soon = (datetime.now(UTC) + timedelta(seconds=200)).isoformat()
    other = {"approve": "reject", "reject": "approve"}[kind]
    with desk() as at:
        envelope = show.team.says(f"preset.{other}", bundle, "tom", "legal", at=soon)
        at.registry.add_statement(bundle.digest, envelope)
    decide = {"approve": approve, "reject": reject}[kind]
    with pytest.raises(RegistryError, match=f"{kind} would not count"):
        decide("mira@1.0.0", key="ana", note="no")
    with desk() as at:
        assert len(at.registry.statements(bundle.digest)) == 1


def test_a_version_is_superseded_by_another(show: ShowFolder) -> None:
    for version in ("1.0.0", "1.1.0"):
        show.push(version)
    with pytest.raises(UsageError, match="another version"):
        supersede("mira@1.0.0", by="mira@1.0.0", key="ana")
    made = supersede("mira@1.0.0", by="mira@1.1.0", note="hair fixed", key="ana")
    assert (made.standing.state, made.kind) == ("superseded", "preset.supersede")
    show.promote("1.1.0")
    with pytest.raises(UsageError, match="a channel points at it"):
        supersede("mira@prod", by="mira@1.0.0", key="ana")
