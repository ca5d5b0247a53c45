import copy
import json

import pytest
import torch

from facekit.errors import RightsRefused, UsageError
from facekit.presets.bundle import open_bundle
from facekit.presets.names import PACK_SIGNATURE
from facekit.presets.packing import write_archive
from facekit.types import NoProgress
from facekit.workflows.preset_look import inspect_preset, plan_verify_preset, run_verify_preset
from facekit.workflows.presets import plan_pack, run_pack


def test_it_looks_the_same_where_it_was_packed(as_anna, trained):
    plan = plan_verify_preset(as_anna.path, parity=True, device="cpu")
    done = run_verify_preset(plan, NoProgress(), pipe=trained.backbone.pipe, faces=trained.faces)
    assert done.parity.verdict == "exact"
    assert done.parity.same_stack
    assert done.exit_code == 0
    assert "signed by: anna" in done.describe()
    json.dumps(done.to_json())


def test_with_other_weights_of_the_backbone_it_looks_otherwise(as_anna, trained):
    pipe = copy.copy(trained.backbone.pipe)
    pipe.transformer = copy.deepcopy(pipe.transformer)
    with torch.no_grad():
        for parameter in pipe.transformer.parameters():
            parameter.mul_(-1.5)
    plan = plan_verify_preset(as_anna.path, parity=True, device="cpu")

    done = run_verify_preset(plan, NoProgress(), pipe=pipe, faces=trained.faces)

    assert done.parity.verdict == "different"
    assert done.exit_code == 7
    assert "do not use it" in done.describe()


def test_parity_needs_the_seeded_shot(as_anna, trained, tmp_path):
    plain = run_pack(
        plan_pack(str(trained.adapter), subject="synthetic", pictures=False), NoProgress()
    )
    with pytest.raises(UsageError, match="packed without pictures"):
        plan_verify_preset(plain.path, parity=True)
    done = run_verify_preset(plan_verify_preset(plain.path), NoProgress())
    assert done.parity is None
    assert done.exit_code == 0


def test_a_commercial_use_that_a_part_does_not_allow_is_refused(as_anna):
    with pytest.raises(RightsRefused, match="expected licences that allow commercial use"):
        plan_verify_preset(as_anna.path, commercial=True)


def test_an_inspection_tells_who_signed_and_what_tells_a_person(as_anna, tmp_path, monkeypatch):
    facts = inspect_preset(as_anna.path)
    assert facts.signature.startswith("by anna (")
    assert "templates.safetensors (you can open them)" in facts.describe()
    assert facts.to_json()["manifest"]["schema"] == "facekit.preset/1"

    monkeypatch.setenv("FACEKIT_KEYS", str(tmp_path / "bob"))
    assert inspect_preset(as_anna.path).signature.startswith("not good: ")
    bundle = open_bundle(as_anna.path)
    write_archive(tmp_path / "x.facekit", bundle.content, bundle.files, {})
    assert inspect_preset(tmp_path / "x.facekit").signature == "none"
    write_archive(tmp_path / "y.facekit", bundle.content, bundle.files, {PACK_SIGNATURE: b"{"})
    assert "it names nobody" in inspect_preset(tmp_path / "y.facekit").signature
