import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
import torch

import facekit
from facekit.adapters.character_file import CharacterFile
from facekit.errors import (
    AdapterError,
    ConsentRefused,
    KeyRefused,
    PresetRevoked,
    SignatureRefused,
)
from facekit.presets.bundle import open_bundle
from facekit.presets.manifest import ADAPTER
from facekit.presets.manifest_parts import Rights, Subject
from facekit.presets.packing import copy_bundle
from facekit.presets.seen import Seen
from facekit.signing.home import KeyHome
from facekit.signing.sealing import seal
from facekit.types import NoProgress
from facekit.workflows import preset_files
from facekit.workflows.character_delete import plan_delete, run_delete
from facekit.workflows.characters import call_character, find_character, shooting_recipe
from facekit.workflows.preset_files import (
    SEALED_TEMPLATES,
    enclosing_bundle,
    load_any,
    open_preset,
    open_templates,
    preset_adapter,
)
from facekit.workflows.preset_look import inspect_preset, plan_verify_preset, run_verify_preset
from facekit.workflows.presets import plan_pack, run_pack
from facekit.workflows.shoot import plan_shoot
from facekit.workflows.verify_known import judge_preset
from tests.tiny.presets import tiny_contents, write_preset


def test_a_preset_is_the_character_that_was_packed(as_anna, trained):
    original = CharacterFile.load(trained.adapter)
    loaded = facekit.load_character(as_anna.path)

    assert loaded.file.to_bytes() == original.to_bytes()
    recipe, source = shooting_recipe(loaded)
    assert recipe == trained.recipe
    assert source.endswith("recipe.toml")
    assert find_character(call_character(loaded.source)) == find_character(str(as_anna.path))


def test_a_shot_is_planned_with_a_preset(as_anna, tmp_path):
    made = plan_shoot(["close-up of @mira"], character=str(as_anna.path), num_frames=5)
    assert made.characters[0].name == "mira"
    assert made.recipe.base.name == "tiny"


def test_a_stranger_cannot_use_it_before_they_trust_the_key(as_anna, tmp_path, monkeypatch):
    packer = KeyHome(as_anna.home).own()[0]
    monkeypatch.setenv("FACEKIT_KEYS", str(tmp_path / "bob"))
    with pytest.raises(SignatureRefused, match="no valid signature by a trusted key"):
        load_any(as_anna.path)
    KeyHome(tmp_path / "bob").trust(packer)
    assert load_any(as_anna.path).name == "mira"


def test_templates_are_for_whom_they_are_sealed(as_anna, trained, tmp_path, monkeypatch):
    bob = KeyHome(tmp_path / "bob").create("bob")
    KeyHome(tmp_path / "bob").trust(KeyHome(as_anna.home).own()[0])
    made = run_pack(
        plan_pack(
            str(trained.adapter),
            subject="synthetic",
            seal_for=[bob.public.line],
            pictures=False,
            is_folder=True,
            out=tmp_path / "sealed",
        ),
        NoProgress(),
    )
    original = CharacterFile.load(trained.adapter)

    assert load_any(made.path).file.embeddings_PD is None
    monkeypatch.setenv("FACEKIT_KEYS", str(tmp_path / "bob"))
    # A key that was brought along: its line calls it otherwise than its file.
    line = (tmp_path / "bob" / "bob.pub").read_text()
    (tmp_path / "bob" / "bob.pub").write_text(line.replace(" bob", " bob @ home, at night"))
    opened = load_any(made.path / "weights" / "adapter.safetensors").file
    assert torch.equal(opened.embeddings_PD, original.embeddings_PD)
    assert opened.header.photos == original.header.photos
    assert not list(tmp_path.rglob("templates.safetensors")), "never opened on disk"


def test_a_folder_is_used_where_it_lies(as_anna, tmp_path):
    copy_bundle(open_bundle(as_anna.path), tmp_path / "mira.facekit", archive=False)
    assert find_character("mira.facekit").is_relative_to("mira.facekit")
    assert load_any(tmp_path / "mira.facekit").name == "mira"


@pytest.mark.parametrize(("days", "is_refused"), [(-1, True), (1, False)])
def test_a_character_is_not_used_after_the_day_until_which_it_was_to_be_kept(
    days, is_refused, tmp_path, monkeypatch
):
    monkeypatch.setenv("FACEKIT_KEYS", str(tmp_path / "keys"))
    key = KeyHome(tmp_path / "keys").create("ana")
    until = str(datetime.now(UTC).date() + timedelta(days=days))
    rights = Rights(license="MIT", commercial=True, retain_until=until)
    bundle = write_preset(tmp_path / "made", tiny_contents(), key=key, rights=rights)
    error = ConsentRefused if is_refused else AdapterError  # the tiny weights are none
    with pytest.raises(error, match="rule: retention" if is_refused else "adapter"):
        load_any(bundle.source)


def test_one_that_was_revoked_is_refused_by_every_path(as_anna, tmp_path):
    copy_bundle(open_bundle(as_anna.path), tmp_path / "mira", archive=False)
    unpacked = load_any(as_anna.path).source
    seen = Seen.open("s3://of-some-show")
    seen.remember_revoked(as_anna.digest, [KeyHome(as_anna.home).own()[0].keyid])
    seen.save()
    for path in (as_anna.path, tmp_path / "mira", tmp_path / "mira" / ADAPTER, unpacked):
        with pytest.raises(PresetRevoked, match="as this machine has seen"):
            load_any(path)
        with pytest.raises(PresetRevoked):
            find_character(str(path))
    assert open_preset(as_anna.path, revoked=True).digest == as_anna.digest
    assert plan_delete(str(tmp_path / "mira")).character.name == "mira"
    assert "revoked: yes" in inspect_preset(as_anna.path).describe()
    assert "REVOKED" in judge_preset(as_anna.path).describe()


def test_templates_for_a_locked_key_are_not_left_out_in_silence(as_anna, trained, tmp_path):
    home = KeyHome(tmp_path / "bob")
    bob = home.create("bob", passphrase="open sesame")
    sealed = seal(b"whatever", [bob.public])
    bundle = write_preset(tmp_path / "x", tiny_contents({SEALED_TEMPLATES: sealed}))
    with pytest.raises(KeyRefused, match="FACEKIT_PASSPHRASE"):
        open_templates(bundle, home)
    (home.folder / "bob").unlink()
    assert open_templates(bundle, home) is None


def test_many_open_one_archive_at_once(tmp_path, monkeypatch):
    """The second one finds it half unpacked by the first."""
    monkeypatch.setenv("FACEKIT_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("FACEKIT_KEYS", str(tmp_path / "keys"))
    key = KeyHome(tmp_path / "keys").create("anna")
    bundle = write_preset(tmp_path / "x.facekit", tiny_contents(), key=key, archive=True)
    both = threading.Barrier(4)
    real = preset_files.copy_bundle

    def slow(*args, **options):
        unpacked.append(1)
        time.sleep(0.05)
        real(*args, **options)

    def open_it(_):
        both.wait()
        return preset_adapter(bundle.source).read_bytes()

    unpacked = []
    monkeypatch.setattr(preset_files, "copy_bundle", slow)
    with ThreadPoolExecutor(4) as pool:
        assert set(pool.map(open_it, range(4))) == {bundle.read(ADAPTER)}
    assert unpacked == [1]


def test_of_a_person_a_later_consent_may_let_it_be_kept_longer(tmp_path, monkeypatch):
    monkeypatch.setenv("FACEKIT_KEYS", str(tmp_path / "keys"))
    key = KeyHome(tmp_path / "keys").create("ana")
    rights = Rights(license="MIT", commercial=True, retain_until="2026-01-01")
    agreed = {"ref": "subj_1", "consent": "rights/consent.json", "consent_digest": "0" * 64}
    bundle = write_preset(
        tmp_path / "made",
        tiny_contents({"rights/consent.json": b"{}"}),
        key=key,
        rights=rights,
        subject=Subject(type="real", **agreed),
    )
    with pytest.raises(AdapterError, match="adapter"):  # not refused: `permit_character` decides
        load_any(bundle.source)


def test_a_link_leads_past_nothing(as_anna, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "mira.facekit"
    copy_bundle(open_bundle(as_anna.path), folder, archive=False)
    adapter = folder / ADAPTER
    to_folder, to_file = tmp_path / "there", tmp_path / "mira.safetensors"
    to_folder.symlink_to(adapter.parent)
    to_file.symlink_to(adapter)
    (tmp_path / "characters").mkdir()
    (tmp_path / "characters" / "noa").symlink_to(adapter.parent)
    for path in (to_folder / adapter.name, to_file):
        assert enclosing_bundle(path) == folder
    seen = Seen.open("s3://of-some-show")
    seen.remember_revoked(as_anna.digest, [KeyHome(as_anna.home).own()[0].keyid])
    seen.save()
    for name in (str(to_folder), str(to_file), "noa"):
        with pytest.raises(PresetRevoked):
            find_character(name)
    with pytest.raises(PresetRevoked):
        load_any(to_file)


def test_a_seal_for_a_locked_key_stops_neither_deleting_nor_verifying(
    as_anna, trained, tmp_path, monkeypatch
):
    home = KeyHome(tmp_path / "bob")
    bob = home.create("bob", passphrase="open sesame")
    home.trust(KeyHome(as_anna.home).own()[0])
    made = run_pack(
        plan_pack(
            str(trained.adapter), subject="synthetic", seal_for=[bob.public.line], pictures=False,
            is_folder=True, out=tmp_path / "sealed.facekit",
        ),
        NoProgress(),
    )  # fmt: skip
    monkeypatch.setenv("FACEKIT_KEYS", str(home.folder))
    with pytest.raises(KeyRefused):
        load_any(made.path)
    assert run_verify_preset(plan_verify_preset(made.path), NoProgress()).exit_code == 0
    plan = plan_delete(str(made.path))
    assert "photos not known" in plan.describe()
    run_delete(plan, NoProgress())
    assert not made.path.exists()
