import json

import pytest

from facekit.adapters.character_file import CharacterFile
from facekit.errors import AdapterError, UsageError
from facekit.presets.bundle import open_bundle
from facekit.workflows.preset_files import load_any
from facekit.workflows.preset_remake import plan_export, plan_strip, run_export, run_strip


def test_without_templates_it_is_another_preset_that_names_the_first(as_anna, tmp_path):
    plan = plan_strip(as_anna.path)
    assert "stays: weights/adapter.safetensors" in plan.describe()
    done = run_strip(plan)

    assert done.plan.out.name == "mira-1.0.0+stripped.facekit"
    assert done.describe().count("lost: ") == 3
    stripped = open_bundle(done.plan.out)
    assert "identity/templates.safetensors" not in stripped.files
    assert stripped.manifest.lineage.parent == as_anna.digest
    assert stripped.manifest.version == "1.0.0+stripped"
    loaded = load_any(done.plan.out)
    assert loaded.file.embeddings_PD is None
    assert loaded.file.identity is not None
    json.dumps(done.to_json())
    with pytest.raises(UsageError, match="holds no templates"):
        plan_strip(done.plan.out)


def test_the_other_form_has_the_same_digest(as_anna, tmp_path):
    for to, source, out in (
        ("folder", as_anna.path, tmp_path / "mira"),
        ("archive", tmp_path / "mira", tmp_path / "again.facekit"),
    ):
        done = run_export(plan_export(source, out, to=to))
        assert done.notes == (f"digest: {as_anna.digest}",)
    assert (tmp_path / "again.facekit").read_bytes() == as_anna.path.read_bytes()


def test_the_character_comes_out_as_it_went_in(as_anna, trained, tmp_path):
    done = run_export(plan_export(as_anna.path, tmp_path / "mira.safetensors", to="character"))
    assert "not to be given to others" in done.describe()
    before, after = (
        CharacterFile.load(path) for path in (trained.adapter, tmp_path / "mira.safetensors")
    )
    assert before.to_bytes() == after.to_bytes()


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
