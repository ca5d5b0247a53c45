import pytest

from facekit.adapters.character_file import CharacterFile
from facekit.errors import AdapterError, KeyRefused, UsageError
from facekit.presets.bundle import open_bundle
from facekit.presets.manifest import ADAPTER
from facekit.signing.home import KeyHome
from facekit.types import NoProgress
from facekit.workflows.preset_export import plan_export, run_export
from facekit.workflows.presets import plan_pack, run_pack


def test_the_other_form_has_the_same_digest(as_anna, tmp_path):
    for to, source, out in (
        ("folder", as_anna.path, tmp_path / "mira"),
        ("archive", tmp_path / "mira", tmp_path / "again.facekit"),
    ):
        done = run_export(plan_export(source, out, to=to))
        assert done.notes == (f"digest: {as_anna.digest}",)
    assert (tmp_path / "again.facekit").read_bytes() == as_anna.path.read_bytes()


def test_the_character_comes_out_as_it_went_in(as_anna, trained, tmp_path):
    out = tmp_path / "mira.safetensors"
    plan = plan_export(as_anna.path, out, to="character", with_templates=True)
    assert "in the clear" in plan.describe()
    assert "not to be given to others" in run_export(plan).describe()
    before, after = (
        CharacterFile.load(path) for path in (trained.adapter, tmp_path / "mira.safetensors")
    )
    assert before.to_bytes() == after.to_bytes()


def test_what_was_sealed_is_not_written_in_the_clear(as_anna, trained, tmp_path, monkeypatch):
    anna = KeyHome(as_anna.home).own()[0]
    sealed = plan_pack(
        str(trained.adapter),
        subject="synthetic",
        seal_for=[anna.line],
        pictures=False,
        out=tmp_path / "sealed.facekit",
    )
    run_pack(sealed, NoProgress())

    plan = plan_export(sealed.out, tmp_path / "mira.safetensors", to="character")
    assert "left out" in plan.describe()
    run_export(plan)
    assert (tmp_path / "mira.safetensors").read_bytes() == open_bundle(sealed.out).read(ADAPTER)
    assert CharacterFile.load(tmp_path / "mira.safetensors").embeddings_PD is None

    asked = plan_export(sealed.out, tmp_path / "all", to="character", with_templates=True)
    assert "in the clear" in asked.describe()
    with pytest.raises(UsageError, match="--with-templates does nothing"):
        plan_export(sealed.out, tmp_path / "x", to="folder", with_templates=True)
    home = KeyHome(tmp_path / "bob")
    monkeypatch.setenv("FACEKIT_KEYS", str(home.folder))
    home.trust(anna)
    with pytest.raises(KeyRefused, match="no templates that a key of yours opens"):
        plan_export(sealed.out, tmp_path / "x", to="character", with_templates=True)


def test_other_tools_get_what_they_read(as_anna, trained, tmp_path):
    trained.backbone.pipe.save_pretrained(tmp_path / "base")
    out = tmp_path / "x.safetensors"
    plan = plan_export(as_anna.path, out, to="diffusers", source=tmp_path / "base")
    assert plan.to_json()["to_format"] == "diffusers"
    done = run_export(plan)
    assert done.written[0].is_file()
    with pytest.raises((UsageError, AdapterError)):
        plan_export(as_anna.path, tmp_path / "y.safetensors", to="nothing")
    with pytest.raises(UsageError, match="do nothing"):
        plan_export(as_anna.path, tmp_path / "y", to="folder", bake=1.0)
