import json

import pytest

from facekit.errors import UsageError
from facekit.presets.bundle import open_bundle
from facekit.workflows.preset_files import load_any
from facekit.workflows.preset_strip import plan_strip, run_strip


def test_without_templates_it_is_another_preset_that_names_the_first(as_anna, tmp_path):
    plan = plan_strip(as_anna.path)
    assert "stays: weights/adapter.safetensors" in plan.describe()
    done = run_strip(plan)

    assert done.plan.out.name == "mira-1.0.0+stripped.facekit"
    assert done.describe().count("lost: ") == 4
    stripped = open_bundle(done.plan.out)
    assert "identity/templates.safetensors" not in stripped.files
    assert stripped.manifest.lineage.parent == as_anna.digest
    assert stripped.manifest.version == "1.0.0+stripped"
    card = stripped.read("README.md").decode()
    assert "mira@1.0.0+stripped" in card
    assert "mira-1.0.0+stripped.facekit" in card
    assert "templates" not in card
    assert json.loads(stripped.read("provenance/lineage.json"))["parent"] == as_anna.digest
    loaded = load_any(done.plan.out)
    assert loaded.file.embeddings_PD is None
    assert loaded.file.identity is not None
    json.dumps(done.to_json())
    with pytest.raises(UsageError, match="holds no templates"):
        plan_strip(done.plan.out)
