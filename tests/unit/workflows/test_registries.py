from pathlib import Path

import pytest

from facekit.errors import RegistryError, UsageError
from facekit.presets.store import Store
from facekit.signing.keys import SigningKey
from facekit.types import NoProgress
from facekit.workflows.preset_refs import desk
from facekit.workflows.registries import add_registry, list_registries, log_in
from facekit.workflows.registry_check import Checked, plan_check, run_check
from tests.tiny.presets import ADAPTER
from tests.tiny.shows import ShowFolder, show_folder


@pytest.fixture
def show(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ShowFolder:
    return show_folder(tmp_path, monkeypatch)


def check(*, deep: bool = True) -> Checked:
    return run_check(plan_check(deep=deep), NoProgress())


def test_a_registry_is_added_once_and_its_place_may_be_one_already(show: ShowFolder) -> None:
    assert add_registry("same", "kept", options=["auto_mkdir=true"]).created is False
    found = list_registries().registries
    assert list(found) == ["main", "same"]
    assert found["same"].options == {"auto_mkdir": True}
    with pytest.raises(UsageError, match="already"):
        add_registry("main", "other")


@pytest.mark.parametrize(
    ("name", "options", "said"),
    [("../x", (), "not TOML"), ("a", ["x"], "KEY=VALUE"), ("a", ["token=x"], "secret")],
)
def test_what_cannot_be_added_leaves_the_file_alone(
    show: ShowFolder, name: str, options: list[str], said: str
) -> None:
    before = (show.folder / "facekit.toml").read_text()
    with pytest.raises(UsageError, match=said):
        add_registry(name, "new", options=options)
    assert (show.folder / "facekit.toml").read_text() == before


def test_a_mirror_must_be_there(show: ShowFolder) -> None:
    with pytest.raises(RegistryError, match="no registry there"):
        add_registry("far", "nowhere", mirror_of="main")


def test_login_says_by_which_credentials(show: ShowFolder) -> None:
    assert log_in("main").method.startswith("the rights of user")
    with pytest.raises(UsageError, match="takes no token"):
        log_in("main", "x")
    with pytest.raises(UsageError, match="no such registry"):
        log_in("other")


def test_a_whole_registry_passes_and_leaves_no_trace(show: ShowFolder) -> None:
    show.push("1.0.0")
    show.promote("1.0.0")
    with desk() as at:
        before = [found.path for found in at.registry.store.walk("")]
        checked = check()
        assert [found.path for found in at.registry.store.walk("")] == before
    assert (checked.versions, checked.faults, checked.notes, checked.exit_code) == (1, (), (), 0)


def test_damage_is_found_and_what_does_not_count_is_told(show: ShowFolder) -> None:
    bundle = show.push("1.0.0")
    (weights,) = (file for file in bundle.manifest.files if file.path == ADAPTER)
    with desk() as at:
        path = f"blobs/sha256/{weights.sha256[:2]}/{weights.sha256[2:]}"
        at.registry.store.put(path, [b"X" * weights.size], weights.size)
        at.registry.add_statement(bundle.digest, b"nonsense")
    checked = check()
    assert checked.exit_code == 6
    assert "other content" in checked.faults[0]
    assert len(checked.notes) == 1
    assert check(deep=False).faults == ()


def test_who_has_packed_is_looked_at(show: ShowFolder) -> None:
    show.team.keys["stranger"] = SigningKey.generate("ana")
    for version, signer in (("1.0.0", None), ("1.1.0", "stranger")):
        bundle = show.bundle(version, signer=signer)
        with desk() as at:
            at.registry.push(bundle.content, bundle.files, bundle.signatures)
    checked = check(deep=False)
    assert checked.exit_code == 6
    assert "not signed" in checked.faults[0]
    assert "no valid signature by a trusted key" in checked.faults[1]
    show.write("[rules]\nsigned = false\n")
    checked = check(deep=False)
    assert (checked.exit_code, len(checked.notes)) == (0, 2)


def test_who_may_only_read_checks_all_the_rest(
    show: ShowFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    show.push("1.0.0")

    def put_new(*_: object) -> bool:
        raise RegistryError("main: the storage refuses (403); ask for the right to write")

    monkeypatch.setattr(Store, "put_new", put_new)
    checked = check()
    assert (checked.versions, checked.exit_code) == (1, 0)
    assert checked.notes == (
        "nothing can be written from here, so writers were not tried"
        " (main: the storage refuses (403))",
    )
