import json
import shutil
from dataclasses import asdict
from hashlib import sha256

import numpy as np
import pytest

from facekit.errors import OutputExists, UsageError
from facekit.recipe import dump_recipe, load_recipe
from facekit.signing.home import key_home
from facekit.types import NoProgress, Shot
from facekit.weights import file_digest
from facekit.workflows.preset_content import PARITY, PARITY_FRAMES
from facekit.workflows.preset_diff import diff_presets
from facekit.workflows.preset_diff_page import diff_page
from facekit.workflows.preset_diff_parity import compare_shots
from facekit.workflows.preset_drawing import webp
from facekit.workflows.presets import plan_pack, run_pack
from tests.tiny.presets import tiny_contents, write_preset

MEASURED = "a" * 64


def report(name, gain, encoder="judge", seeds=(0, 1, 2)):
    """What `facekit eval` writes, as far as a comparison looks at it."""
    shots = [
        {
            "name": f"s{seed}",
            "prompt": "close-up",
            "seed": seed,
            "num_frames": 3,
            "height": 96,
            "width": 96,
            "frames": {
                "similarity": [0.5 + gain + 0.01 * seed, 0.4 + (seed - 1) * gain, None],
                "yaw_deg": [5.0, 40.0, 5.0],
            },
        }
        for seed in seeds
    ]
    return {
        "character": name,
        "verdict": "pass",
        "figures": {"sim_held": 0.5 + gain, "likeness_ratio": 0.9},
        "intervals_over_shots": {"sim_held": {"mean": 0.5, "ci95": [0.4, 0.6], "count": 3}},
        "pose_strata": {"0-20": 0.5},
        "settings": {
            "reported with encoder": encoder,
            "character file": f"/home/anna/mira (sha256 {MEASURED})",
        },
        "shots": shots,
    }


def packed(trained, tmp_path, version, told=None, **options):
    path = None
    if told is not None:
        path = tmp_path / f"{version}.json"
        path.write_text(json.dumps(told).replace(MEASURED, file_digest(trained.adapter)))
    plan = plan_pack(
        str(trained.adapter),
        version=version,
        subject="synthetic",
        pictures=False,
        report=path,
        **options,
    )
    return run_pack(plan, NoProgress())


def test_what_changed_is_told_rights_first(as_anna, trained, tmp_path):
    one = packed(trained, tmp_path, "1.0.0", report("mira", 0.0))
    two = packed(trained, tmp_path, "1.1.0", report("mira", 0.1), licence="MIT")

    diff = diff_presets(one.path, two.path, out=tmp_path / "diff.html")

    keys = ["rights.license", "rights.commercial", "rights.redistribute"]
    assert [change.key for change in diff.rights] == keys
    assert not diff.parts
    _, near, far = diff.scores
    assert near.difference.mean == pytest.approx(0.1)
    assert near.is_paired
    assert near.difference.low > 0
    assert far.difference.mean == pytest.approx(0.0)
    assert far.difference.low < 0 < far.difference.high
    text = diff.describe()
    order = [text.index(word) for word in ("rights:", "base, encoder", "recipe:", "turn of the")]
    assert order == sorted(order)
    assert "+0.100 [+0.100, +0.100]" in text
    assert "may be chance" in text
    json.dumps(diff.to_json(), allow_nan=False)
    page = (tmp_path / "diff.html").read_text()
    assert page.index("Rights") < page.index("Recipe") < page.index("Likeness by pose")
    assert "rights differ" in page
    with pytest.raises(OutputExists):
        diff_presets(one.path, two.path, out=tmp_path / "diff.html")


def test_who_changed_the_recipe_is_told_where_both_follow_one(as_anna, trained, tmp_path):
    first = packed(trained, tmp_path, "1.0.0")
    folder = tmp_path / "mira"
    paths = []
    for version, setting in (("1.1.0", "train.steps=3"), ("1.2.0", "sample.num_frames=5")):
        shutil.copytree(trained.adapter.parent, folder)
        recipe = load_recipe(folder / "recipe.toml", [setting])
        (folder / "recipe.toml").write_text(dump_recipe(recipe))
        plan = plan_pack(
            str(folder), version=version, subject="synthetic", pictures=False, follows=first.path
        )
        paths.append(run_pack(plan, NoProgress()).path)
        shutil.rmtree(folder)

    diff = diff_presets(*paths, origin=first.path)

    assert {one.key: one.changed_by for one in diff.recipe} == {
        "train.steps": "A",
        "sample.num_frames": "B",
    }
    assert "(changed in A, was 2)" in diff.describe()
    with pytest.raises(UsageError, match="name the preset that both follow"):
        diff_presets(first.path, paths[0], origin=paths[1])


def test_other_shots_are_compared_as_groups_and_other_encoders_not_at_all(
    as_anna, trained, tmp_path
):
    one = packed(trained, tmp_path, "1.0.0", report("mira", 0.0))
    two = packed(trained, tmp_path, "1.1.0", report("mira", 0.1, seeds=(7, 8)))
    three = packed(trained, tmp_path, "1.2.0", report("mira", 0.1, encoder="another"))

    groups = diff_presets(one.path, two.path)
    assert groups.scores_note.startswith("other shots in each")
    four = packed(trained, tmp_path, "1.3.0", report("mira", 0.1, seeds=(2, 3)))
    assert diff_presets(one.path, four.path).scores_note.startswith("one shot in both")
    assert not groups.scores[0].is_paired
    assert groups.scores[0].difference.count == 2
    other = diff_presets(one.path, three.path)
    assert other.scores == ()
    assert "not comparable" in other.scores_note


def test_pictures_and_parity_of_the_same_preset_are_the_same(as_anna, tmp_path):
    diff = diff_presets(as_anna.path, as_anna.path, out=tmp_path / "same.html")
    assert (diff.rights, diff.parts, diff.recipe) == ((), (), ())
    assert diff.parity["pixel_error"] == 0
    assert (tmp_path / "same.html").read_text().count("data:image/webp") == 2
    assert "packed without a report" in diff.scores_note


def test_a_shot_that_was_sampled_otherwise_is_compared_all_the_same(tmp_path):
    """Ten steps against twelve: other pixels, and it is told why."""
    bundles = []
    for steps, grey in ((10, 40), (12, 91)):
        shot = Shot(name="00", prompt="close-up", seed=3, num_frames=2, height=8, width=8, kind="")
        frames = np.full((2, 8, 8, 3), grey, np.uint8)
        record = {
            "schema": "facekit.parity/1",
            "shot": asdict(shot),
            "sampling": {"num_inference_steps": steps, "guidance_scale": 3.0},
            "frames_sha256": sha256(frames.tobytes()).hexdigest(),
        }
        extra = {PARITY: json.dumps(record).encode(), PARITY_FRAMES: webp(frames.reshape(-1, 8, 3))}
        bundles.append(write_preset(tmp_path / f"{steps}", tiny_contents(extra)))

    told = compare_shots(*bundles)

    assert told["pixel_error"] == pytest.approx(0.2)
    assert told["sampling"] == {"num_inference_steps": [10, 12]}
    assert "sampled otherwise (num_inference_steps 10 -> 12), pixels differ by" in told["said"]
    assert "sampled" not in compare_shots(bundles[0], bundles[0])["said"]


@pytest.mark.parametrize(
    ("rows", "said"),
    [(0, "No value differs."), (1, "1 value differs, 1 of them"), (2, "2 values differ, 2 of")],
)
def test_the_page_counts_in_good_english(rows, said):
    changes = [("rights.license", "a", "b")] * rows
    assert said in diff_page(("a", "b"), [("Rights", changes)], [], "", "", [])


def test_that_templates_went_is_a_change_of_rights(as_anna, trained, tmp_path):
    line = key_home().own()[0].line
    one = packed(trained, tmp_path, "2.0.0", templates="clear")
    two = packed(trained, tmp_path, "2.1.0", seal_for=[line])
    three = packed(trained, tmp_path, "2.2.0")
    (change,) = diff_presets(one.path, two.path, out=tmp_path / "page.html").rights
    assert (change.key, change.after) == ("templates", "sealed for anna")
    assert "in the clear" in str(change)
    assert "packed without a contact sheet" in (tmp_path / "page.html").read_text()
    (change,) = diff_presets(two.path, three.path).rights
    assert change.after == "none"
