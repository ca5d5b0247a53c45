import dataclasses
import shutil

import pytest

from facekit.adapters.character_file import CharacterFile
from facekit.adapters.character_header import SubjectRecord
from facekit.weights import file_digest
from facekit.workflows.origin import facts_of, facts_of_takes
from facekit.workflows.preset_files import load_any
from tests.tiny.presets import tiny_contents, write_preset

RECORD = {"character": "mira", "character_file": None, "backbone": "toon", "fingerprint": "f" * 64}


@pytest.fixture(autouse=True)
def _wanted(monkeypatch):
    monkeypatch.delenv("FACEKIT_CREDENTIALS")


def test_presets_and_consent_of_a_record_are_told():
    cast = [
        {"name": "mira", "file": "gone", "preset": "org/mira@1.0.0", "consent": "c" * 64},
        {"name": "tom", "file": "gone"},
    ]

    shown = facts_of({**RECORD, "character": None, "cast": cast}).shown

    assert [one.name for one in shown] == ["mira", "tom"]
    assert (shown[0].preset, shown[0].consent) == ("org/mira@1.0.0", "c" * 64)
    assert facts_of({"drawn": 3}).made == "drawn"
    assert facts_of({"drawn": 3}).shown == ()


def test_a_file_says_of_which_preset_and_under_what_consent_it_is(as_anna, trained, tmp_path):
    file = CharacterFile.load(trained.adapter)
    whose = SubjectRecord(type="real", ref="subj_1", consent="c" * 64)
    own = tmp_path / "tom" / "adapter.safetensors"
    dataclasses.replace(file, header=dataclasses.replace(file.header, subject=whose)).save(own)
    packed = load_any(as_anna.path).source
    cast = [{"name": "mira", "file": packed}, {"id": "tom", "file": str(own)}]

    mira, tom = facts_of({**RECORD, "cast": cast}).shown

    assert (mira.preset, mira.preset_digest) == ("org.studio.show/mira@1.0.0", as_anna.digest)
    assert (tom.name, tom.consent, tom.preset) == ("tom", "c" * 64, "")
    assert tom.character == file_digest(own)
    assert tom.recipe == file.header.training["recipe_digest"]


def test_a_manifest_near_by_makes_no_preset_of_a_file(as_anna, trained, tmp_path):
    """Content of another digest, another name, and a manifest that says nothing."""
    write_preset(tmp_path / "show", tiny_contents())
    for name in ("weights/adapter.safetensors", "characters/adapter.safetensors"):
        own = tmp_path / "show" / name
        own.parent.mkdir(exist_ok=True)
        shutil.copy(trained.adapter, own)
        (shown,) = facts_of({**RECORD, "character_file": str(own)}).shown
        assert (shown.preset, shown.preset_digest) == ("", "")
    (tmp_path / "show" / "facekit.json").write_text("{}")
    own = tmp_path / "show" / "weights" / "adapter.safetensors"
    assert facts_of({**RECORD, "character_file": str(own)}).shown[0].preset == ""


def test_a_picture_of_several_takes_has_an_id_of_its_own(monkeypatch):
    takes = [{**RECORD, "character": name} for name in ("mira", "tom", "mira")]

    facts = facts_of_takes([*takes, {"drawn": 3}])

    assert [one.name for one in facts.shown] == ["mira", "tom"]
    assert (facts.backbone, facts.made) == ("toon", "trained")
    assert facts.render_id not in {facts_of(take).render_id for take in takes}
    assert facts_of_takes([{"drawn": 3}]).made == "drawn"
    monkeypatch.setenv("FACEKIT_CREDENTIALS", "none")
    assert facts_of_takes(takes) is None
