"""Whoever has a preset with templates judges takes as whoever has the photos."""

import dataclasses
import json
import shutil

import numpy as np
import pytest
import torch

from facekit.adapters.templates import split_templates
from facekit.errors import RenderError, UsageError
from facekit.faces import vendors
from facekit.media.video import write_clip
from facekit.presets.bundle import open_bundle
from facekit.types import Clip, NoProgress
from facekit.workflows import preset_judging
from facekit.workflows.calibrate import plan_calibrate, run_calibrate
from facekit.workflows.characters import evaluation_recipe
from facekit.workflows.evaluate import plan_evaluate, run_evaluate
from facekit.workflows.keys import init_key
from facekit.workflows.preset_diff import diff_presets
from facekit.workflows.preset_files import load_any, preset_adapter
from facekit.workflows.preset_judging import plan_judging
from facekit.workflows.preset_look import inspect_preset
from facekit.workflows.preset_strip import plan_strip, run_strip
from facekit.workflows.presets import plan_pack, run_pack
from facekit.workflows.render_judge import Judge, JudgePlan, plan_judge
from facekit.workflows.take_identity import plan_identities
from tests.tiny.faces import draw_photo
from tests.unit.workflows.conftest import JudgeFaces
from tests.unit.workflows.test_calibrate import BOARD

CPU = torch.device("cpu")
NOBODY = "mira: no photos to judge by, so its shots need a look: "


def packed_again(character, **options):
    plan = plan_pack(
        str(character), subject="synthetic", pictures=False, device="cpu", force=True, **options
    )
    return run_pack(plan, NoProgress()).path


def judged_by(preset):
    return plan_judge({"mira": preset_adapter(preset)})


def test_templates_judge_by_the_numbers_of_the_photos(trained, as_anna):
    by_photos, by_preset = plan_judge({"mira": trained.adapter}), judged_by(as_anna.path)
    assert by_preset.warnings == ()
    assert by_preset.digest == by_photos.digest, "takes that were measured count for both"
    assert by_preset.to_json()["by_templates"] == {"mira": 1}
    json.dumps(by_preset.to_json())
    assert not by_photos.kept
    one, other = (Judge(plan, CPU, trained.judge) for plan in (by_photos, by_preset))
    np.testing.assert_array_equal(one.cast["mira"], other.cast["mira"])
    np.testing.assert_array_equal(one.enrolled["mira"], other.enrolled["mira"])
    assert len(other.enrolled["mira"]) == 5
    assert one.ceilings == other.ceilings
    assert "mira" in one.ceilings


def test_templates_calibrate_as_photos_do(trained, as_anna, tmp_path):
    board = tmp_path / "board.yaml"
    found = []
    others = sorted(trained.photos.glob("*.png"))[:3]
    for character in (trained.adapter, as_anna.path):
        text = BOARD.replace(", WHO", "").replace(", twin: {preset: twin}", "")
        text = text.replace("preset: mira", f"preset: {character}")
        board.write_text(text)
        plan = plan_calibrate(board, device="cpu", others=others, far=0.4, force=True)
        found.append(run_calibrate(plan, NoProgress(), faces=trained.judge).found)
    assert "mira 1 (by its templates)" in plan.describe()
    assert found[0] == found[1]
    assert found[0].num_same == 5


def test_templates_evaluate_as_photos_do(trained, as_anna, tmp_path):
    frames = np.stack([draw_photo(seed=seed) for seed in (3, 3, 3, 4, 4)])
    write_clip(tmp_path / "clips" / "a.mp4", Clip(frames=frames, fps=8.0))
    told = []
    for name, character in (("photos", trained.adapter), ("preset", as_anna.path)):
        plan = plan_evaluate(
            [tmp_path / "clips" / "a.mp4"],
            character=str(character),
            recipe=evaluation_recipe(str(character)),
            out=tmp_path / name,
            device="cpu",
        )
        told.append(run_evaluate(plan, NoProgress(), faces=trained.judge).to_json())
    assert told[0]["figures"] == told[1]["figures"]
    assert told[0]["figures"]["sim_held"] is not None
    assert told[0]["gates"] == told[1]["gates"]
    assert "1 unseen, 5 used in training, by the templates" in plan.describe()
    other = dataclasses.replace(plan, kept=dataclasses.replace(plan.kept, encoder_digest="2" * 64))
    with pytest.raises(RenderError, match="measured by judge@222222222222, expected judge@1111"):
        run_evaluate(other, NoProgress(), faces=trained.judge)


def test_without_templates_it_is_said_what_to_do(as_anna, tmp_path):
    bare = run_strip(plan_strip(as_anna.path)).plan.out
    plan = judged_by(bare)
    assert (plan.photos, plan.kept) == ({}, {})
    step = "name photos with --photos NAME=FOLDER"
    assert plan.warnings == (
        f"{NOBODY}its preset has no templates; have it packed with --templates clear or --seal-for,"
        f" or {step}",
    )
    with pytest.raises(UsageError, match="take a preset that is packed with templates"):
        plan_identities([load_any(bare)])
    write_clip(tmp_path / "a.mp4", Clip(frames=np.zeros((2, 8, 8, 3), np.uint8), fps=8.0))
    with pytest.raises(UsageError, match="its preset has no templates"):
        plan_evaluate(
            [tmp_path / "a.mp4"], character=str(bare), recipe=evaluation_recipe(str(bare))
        )


def test_templates_of_another_encoder_judge_nobody_and_that_is_said(trained, as_anna, monkeypatch):
    class Newer(JudgeFaces):
        digest = "3" * 64

    monkeypatch.setitem(vendors._loaders, "judge", Newer)
    monkeypatch.setattr(vendors, "_loaded", {})
    plan = judged_by(as_anna.path)
    assert (plan.photos, plan.kept) == ({}, {})
    told = "its templates were measured by judge@111111111111, and judge@333333333333 judges"
    assert plan.warnings[0].startswith(f"{NOBODY}{told}; name photos")
    monkeypatch.setitem(vendors._loaders, "third", Newer)
    plan = plan_judge({"mira": preset_adapter(as_anna.path)}, encoder="third")
    assert "measured by judge@111111111111, and third judges" in plan.warnings[0]
    kept = load_any(as_anna.path).judging
    late = JudgePlan(encoder="judge", photos={"mira": ()}, kept={"mira": kept})
    with pytest.raises(RenderError, match="install those weights, or name photos"):
        Judge(late, CPU, Newer())


def test_sealed_templates_judge_for_whom_they_are_sealed(trained, as_anna, tmp_path, monkeypatch):
    bob = tmp_path / "bob"
    monkeypatch.setenv("FACEKIT_KEYS", str(bob))
    line = init_key("bob").key.line
    monkeypatch.setenv("FACEKIT_KEYS", str(as_anna.home))
    path = packed_again(trained.adapter, seal_for=(line,), out=tmp_path / "sealed.facekit")
    plan = judged_by(path)
    assert plan.warnings[0].startswith(f"{NOBODY}its templates are sealed for others; have it")
    shutil.copytree(as_anna.home, bob, dirs_exist_ok=True)
    monkeypatch.setenv("FACEKIT_KEYS", str(bob))
    assert judged_by(path).digest == plan_judge({"mira": trained.adapter}).digest
    assert b"judging" not in path.read_bytes()


def test_packing_says_what_judges_and_a_preset_packed_again_keeps_it(
    trained, as_anna, tmp_path, monkeypatch
):
    plan = plan_judging(load_any(trained.adapter))
    assert plan.counts == (1, 5)
    assert "judging without photos: by judge, 1 photos" in plan.describe()
    again = packed_again(as_anna.path, version="2.0.0", templates="clear")
    kept = load_any(again).judging
    np.testing.assert_array_equal(kept.held_out_HD, load_any(as_anna.path).judging.held_out_HD)
    lost = tmp_path / "adapter.safetensors"
    shutil.copy(trained.adapter, lost)
    shutil.copy(trained.adapter.with_name("recipe.toml"), tmp_path)
    alone = plan_judging(load_any(lost))
    assert alone.describe().startswith("warning: the templates cannot judge in place of photos: ")
    old = packed_again(lost, version="3.0.0", templates="clear", out=tmp_path / "old.facekit")
    assert load_any(old).judging is None
    assert "nothing to judge by without photos" in inspect_preset(old).describe()
    assert "its templates keep nothing of the photos for it" in judged_by(old).warnings[0]
    monkeypatch.setattr(preset_judging, "vendor_facts", lambda name: NotHere())
    assert plan_judging(load_any(trained.adapter)).lacks.startswith("judge is not installed")


class NotHere:
    is_installed, missing_weights = True, ("weights",)


def test_the_new_part_is_biometric_wherever_a_preset_is_looked_at(trained, as_anna, tmp_path):
    bundle = open_bundle(as_anna.path)
    (file,) = [file for file in bundle.manifest.files if file.role == "templates"]
    assert file.biometric
    assert b"judging.held_out" in bundle.read(file.path)
    assert not [
        path for path in bundle.files if path != file.path and b"judging" in bundle.read(path)
    ]
    assert "judge without photos by judge@111111111111, 1 held out" in (
        inspect_preset(as_anna.path).describe()
    )
    bare = run_strip(plan_strip(as_anna.path)).plan.out
    assert not [path for path in open_bundle(bare).files if path == file.path]
    (change,) = diff_presets(as_anna.path, bare).parts
    assert (change.key, change.after) == ("templates hold", None)
    assert "judge without photos by judge@" in str(change.before)
    joined = load_any(as_anna.path).file.to_bytes()
    assert joined == trained.adapter.read_bytes(), "a character file holds nothing of it"
    assert split_templates(load_any(as_anna.path).file)[1].judging is None
