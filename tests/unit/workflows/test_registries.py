import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import huggingface_hub
import pytest
from fsspec.implementations.memory import MemoryFileSystem

from facekit.errors import RegistryError, UsageError, VersionMissing
from facekit.presets.bundle import open_bundle
from facekit.presets.fsspec_store import FsspecStore
from facekit.presets.registry import create_registry
from facekit.presets.storage import Store
from facekit.presets.store import open_store
from facekit.show_file import RegistryAddress
from facekit.signing.keys import SigningKey
from facekit.types import NoProgress
from facekit.workflows import registries
from facekit.workflows.preset_decisions import revoke
from facekit.workflows.preset_list import list_presets
from facekit.workflows.preset_lock import plan_lock
from facekit.workflows.preset_refs import desk
from facekit.workflows.preset_transfer import plan_pull, plan_push, run_pull, run_push
from facekit.workflows.registries import add_registry, list_registries, log_in
from facekit.workflows.registry_check import Checked, plan_check, run_check
from tests.tiny.hub_repository import Hub
from tests.tiny.hub_server import hub_server
from tests.tiny.presets import ADAPTER, tiny_contents, write_preset
from tests.tiny.shows import ShowFolder, show_folder

HUB = "hf://datasets/studio/presets/show"


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
    assert "expected a signed envelope" in checked.faults[0]
    assert "other content" in checked.faults[1]
    assert len(check(deep=False).faults) == 1
    told = run_push(plan_push(bundle.source), NoProgress())
    assert "mended: 1 blob damaged" in told.describe()
    assert told.to_json()["mended"] == 1
    assert check().faults == checked.faults[:1]


def test_what_was_forged_is_a_fault_and_a_stranger_is_a_note(show: ShowFolder) -> None:
    bundle = show.push("1.0.0")
    show.promote("1.0.0")
    show.team.keys["stranger"] = SigningKey.generate("stranger")
    said = show.team.says("preset.approve", bundle, "stranger", "td")
    role = show.team.says("preset.approve", bundle, "eve", "td")
    altered = json.loads(show.team.says("preset.approve", bundle, "tom", "legal"))
    altered["payload"] = json.loads(said)["payload"]
    with desk() as at:
        for envelope in (said, role):
            at.registry.add_statement(bundle.digest, envelope)
    checked = check(deep=False)
    assert (checked.exit_code, len(checked.notes)) == (0, 2)
    with desk() as at:
        at.registry.add_statement(bundle.digest, json.dumps(altered).encode())
        at.registry.store.put_new(f"statements/{bundle.digest}/{'0' * 64}.json", said)
        (pointer,) = at.registry.pointers(bundle.manifest.id, "prod", [1])
        at.registry.add_pointer(bundle.manifest.id, "prod", 7, pointer)
    checked = check(deep=False)
    assert (checked.exit_code, len(checked.faults), len(checked.notes)) == (6, 3, 2)


def test_a_place_that_was_a_registry_is_not_made_an_empty_one(show: ShowFolder) -> None:
    show.push("1.0.0")
    (show.folder / "kept").rename(show.folder / "away")
    with pytest.raises(RegistryError, match=r"kept/facekit-registry.json.*unmounted"):
        list_presets()
    with pytest.raises(RegistryError, match="toml as main"):
        add_registry("again", "kept")
    with pytest.raises(UsageError, match="add main kept --create"):
        add_registry("main", "kept")
    toml = show.folder / "facekit.toml"
    before = toml.read_text()
    toml.write_text(show.team.show_text())
    with pytest.raises(RegistryError, match="known to this machine"):
        add_registry("main", "kept")
    assert not (show.folder / "kept").exists()
    toml.write_text(before)
    assert add_registry("main", "kept", create=True).created
    assert toml.read_text() == before


def test_a_revocation_that_was_taken_back_is_listed(show: ShowFolder) -> None:
    show.push("1.0.0")
    old = show.folder / "old"
    shutil.copytree(show.folder / "kept", old)
    revoke("mira@1.0.0", note="gone", key="tom")
    shutil.rmtree(show.folder / "kept")
    old.rename(show.folder / "kept")
    (listed,) = list_presets("mira").versions
    assert (listed.state.value, listed.taken_back) == ("revoked", True)
    assert "no longer says so" in list_presets("mira").describe()
    with pytest.raises(VersionMissing, match=r"did you mean org.studio.show/mira\?"):
        list_presets("mirra")


def test_what_has_another_digest_elsewhere_is_told(show: ShowFolder) -> None:
    other = show.push("1.0.0")
    add_registry("second", "second")
    kept = write_preset(
        show.folder / "other",
        tiny_contents({"media/contact.webp": b"x"}),
        key=show.team.keys["ana"],
    )
    assert kept.digest != other.digest
    run_push(plan_push(kept.source, "second"), NoProgress())
    (told,) = plan_pull("mira@1.0.0", "second").resolved.warnings
    assert f"{other.digest[:12]} in file://" in told
    assert told in plan_lock(["mira@1.0.0"], registry="second").describe()


@pytest.fixture
def hub(show: ShowFolder, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    text = show.team.show_text() + f'[registries.hub]\nuri = "{HUB}"\n'
    for name in ("HF_TOKEN_PATH", "HF_STORED_TOKENS_PATH"):
        place = show.folder.parent / name
        monkeypatch.setattr(f"huggingface_hub.constants.{name}", str(place))
    (show.folder / "facekit.toml").write_text(text)
    with hub_server(monkeypatch) as running:
        create_registry(open_store("hub", RegistryAddress(uri=HUB), show.folder))
        yield running


def test_a_team_shares_presets_on_the_hub(show: ShowFolder, hub: Hub) -> None:
    bundle = show.push("1.0.0")
    show.promote("1.0.0")
    pulled = run_pull(plan_pull("mira@prod"), NoProgress())
    assert open_bundle(pulled.path).digest == bundle.digest
    listed = list_presets("mira").describe()
    assert "1.0.0" in listed
    assert "released" in listed
    before = hub.tree("main")
    checked = check()
    assert (checked.versions, checked.faults, checked.notes) == (1, (), ())
    assert hub.tree("main") == before
    assert [title.partition(" ")[0] for title in hub.titles[2:6]] == [
        "Publish",
        "Add",
        "Add",
        "Add",
    ]


def test_what_anybody_can_read_is_told(show: ShowFolder, hub: Hub) -> None:
    hub.private = False
    added = add_registry("public", f"{HUB}/other")
    assert (added.created, added.is_public, added.keeps_writers_apart) == (True, True, True)
    assert "anybody can read" in added.describe()
    assert added.to_json()["public"] is True
    assert any("public" in note for note in check().notes)


def test_login_keeps_a_token_of_the_hub(
    show: ShowFolder, hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert log_in("hub").method == "HF_TOKEN"
    monkeypatch.delenv("HF_TOKEN")
    with pytest.raises(RegistryError, match="the Hub refuses"):
        log_in("hub", "hf_stranger")
    with pytest.raises(RegistryError, match="no such dataset"):
        log_in("hub")
    assert log_in("hub", "hf_tom").method == "the Hub's stored token"
    assert Path(huggingface_hub.constants.HF_TOKEN_PATH).read_text() == "hf_tom"


def test_who_may_only_read_the_hub_is_told(
    show: ShowFolder, hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    show.push("1.0.0")
    monkeypatch.setenv("HF_TOKEN", "hf_eve")
    assert log_in("hub").method == "HF_TOKEN"
    assert run_pull(plan_pull("mira@1.0.0"), NoProgress()).path.is_dir()
    with pytest.raises(RegistryError, match=r"may not write here \(403\)"):
        show.push("1.1.0")


def test_a_storage_that_lets_two_create_one_file_is_not_added(
    show: ShowFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of those that speak S3, some pass over `If-None-Match`."""

    class Careless(MemoryFileSystem):  # type: ignore[misc]
        protocol = "s3"

        def pipe_file(self, path: str, value: bytes, mode: str = "overwrite") -> None:
            super().pipe_file(path, value)

    def open_careless(name: str, address: RegistryAddress, base: Path) -> Store:
        return FsspecStore(Careless(), "/b/x", name, one_writer=address.writers == "one")

    monkeypatch.setattr(registries, "open_store", open_careless)
    before = (show.folder / "facekit.toml").read_text()
    with pytest.raises(RegistryError, match="let two writers create one file"):
        add_registry("careless", "s3://b/x", options=["endpoint_url=http://x"])
    assert (show.folder / "facekit.toml").read_text() == before
    assert add_registry("careless", "s3://b/x", one_writer=True).name == "careless"


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

    monkeypatch.setattr(FsspecStore, "put_new", put_new)
    checked = check()
    assert (checked.versions, checked.exit_code) == (1, 0)
    assert checked.notes == (
        "nothing can be written from here, so writers were not tried"
        " (main: the storage refuses (403))",
    )
