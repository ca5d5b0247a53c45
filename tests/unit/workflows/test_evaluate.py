import dataclasses
import json
import shutil

import cv2
import numpy as np
import pytest

from facekit.errors import FaceError, MediaError, OutputExists, UsageError
from facekit.evaluation.gates import build_gates, judge
from facekit.media.images import read_image, write_image
from facekit.media.video import write_clip
from facekit.recipe import load_recipe
from facekit.types import Clip, NoProgress
from facekit.workflows.evaluate import plan_evaluate, run_evaluate
from facekit.workflows.measuring import _most_frequent, read_photos
from facekit.workflows.shoot import plan_shoot, run_shoot
from tests.tiny.faces import draw_photo


@pytest.fixture(scope="module")
def clips(trained, tmp_path_factory):
    folder = tmp_path_factory.mktemp("clips")
    prompts = ("close-up of @mira in the kitchen, happy", "medium shot of @mira in the park")
    for place, strength in ((folder, 1.0), (folder / "base", 0.0)):
        made = plan_shoot(
            prompts,
            character=str(trained.adapter),
            num_frames=5,
            strength=strength,
            out=place,
            recipe=trained.recipe,
        )
        run_shoot(made, NoProgress(), pipe=trained.backbone.pipe)
    return folder


def plan(trained, clips, tmp_path, **options):
    return plan_evaluate(
        [clips],
        character=str(trained.adapter),
        recipe=trained.recipe,
        out=tmp_path / "report",
        **options,
    )


def test_clips_become_a_report_against_photos_that_training_held_out(trained, clips, tmp_path):
    made = plan(trained, clips, tmp_path)

    result = run_evaluate(made, NoProgress(), faces=trained.judge)

    assert len(made.held_out) == 1
    assert len(made.enrolled) == 5
    assert result.report.is_file()
    stored = json.loads((tmp_path / "report" / "report.json").read_text())
    assert stored["figures"]["coverage"] == 1.0
    assert stored["figures"]["motion_ratio"] is not None
    assert stored["settings"]["reported with encoder"].startswith("judge@1111")
    assert stored["settings"]["trained with encoder"].startswith("tiny@")
    assert result.describe().splitlines()[-1] == f"report: {result.report}"
    assert "base clips: 2 of 2" in made.describe()
    assert stored["settings"]["base clips"] == "2 of 2; drawn clips: 0 of 2"


def test_a_missing_base_clip_does_not_drop_the_others(trained, clips, tmp_path):
    """Without the base clip of one shot, motion and locality of none were measured."""
    shots = tmp_path / "shots"
    shutil.copytree(clips, shots)
    gone = sorted((shots / "base").glob("*.mp4"))[0]
    gone.unlink()

    made = plan(trained, shots, tmp_path)
    result = run_evaluate(made, NoProgress(), faces=trained.judge)

    assert made.base_clips[0] is None
    assert made.to_json()["base_clips"][0] is None
    assert "base clips: 1 of 2" in made.describe()
    assert result.scores.figures["motion_ratio"] is not None
    stored = json.loads(result.report.with_suffix(".json").read_text())
    assert [shot["off_face_change"] is None for shot in stored["shots"]] == [True, False]


def test_a_base_clip_of_another_size_is_named_with_its_shot(trained, clips, tmp_path):
    shots = tmp_path / "shots"
    shutil.copytree(clips, shots)
    base = sorted((shots / "base").glob("*.mp4"))[0]
    write_clip(base, Clip(frames=np.zeros((3, 64, 64, 3), np.uint8), fps=8.0))

    with pytest.raises(MediaError, match=rf"{base.stem}: 5 frames of .*, but its base clip {base}"):
        run_evaluate(plan(trained, shots, tmp_path), NoProgress(), faces=trained.judge)


def test_gates_that_nobody_measured_are_told_and_are_no_failure(trained, clips, tmp_path):
    measured = run_evaluate(plan(trained, clips, tmp_path), NoProgress(), faces=trained.judge)
    gates = build_gates({"min_coverage": 0.5, "min_xmin_ratio": 0.75, "max_drift": 2.0})
    result = dataclasses.replace(measured, gates=judge(measured.scores.figures, gates))

    assert result.exit_code == 0
    assert result.to_json()["verdict"] == "incomplete"
    assert "verdict: incomplete (2 of 3 gates measured, all passed)" in result.describe()


def test_clips_in_subfolders_are_named_by_their_place(trained, clips, tmp_path):
    """Takes of two days may have one name; the report tells them apart and measures the rest."""
    for day in ("day 2", "day 10"):
        shutil.copytree(clips, tmp_path / "shots" / day)
    made = plan_evaluate(
        [tmp_path / "shots"], character=str(trained.adapter), recipe=trained.recipe
    )

    result = run_evaluate(made, NoProgress(), faces=trained.judge)

    assert result.report == tmp_path / "shots" / "report" / "report.html"
    assert "clips: 4 in 2 folders" in made.describe()
    assert "base clips: 4 of 4" in made.describe()
    assert [name.partition("/")[0] for name in made.names] == ["day 2"] * 2 + ["day 10"] * 2
    stored = json.loads(result.report.with_suffix(".json").read_text())
    assert [shot["name"] for shot in stored["shots"]] == list(made.names)
    again = plan_evaluate(
        [tmp_path / "shots"], character=str(trained.adapter), recipe=trained.recipe, force=True
    )
    assert again.clips == made.clips


def test_a_missed_gate_decides_the_exit_code(trained, clips, tmp_path):
    strict = load_recipe(
        "tiny/train", ["encoder.train=tiny", "encoder.report=judge", "gates.min_xmin=1.0"]
    )
    made = plan_evaluate([clips], character=str(trained.adapter), recipe=strict, out=tmp_path / "r")

    assert run_evaluate(made, NoProgress(), faces=trained.judge).exit_code == 5


def test_the_encoder_that_trained_is_refused_before_and_at_the_run(trained, clips, tmp_path):
    own = load_recipe("tiny/train", ["encoder.train=judge", "encoder.report=tiny"])

    with pytest.raises(UsageError, match="which also trained the character"):
        plan_evaluate([clips], character=str(trained.adapter), recipe=own, out=tmp_path / "r")
    with pytest.raises(UsageError, match="which also trained the character"):
        run_evaluate(plan(trained, clips, tmp_path), NoProgress(), faces=trained.faces)


def test_other_photos_may_judge_but_not_those_that_trained(trained, clips, tmp_path):
    photos = sorted(trained.photos.glob("*.png"))
    made = plan(trained, clips, tmp_path, photos=photos[:1])

    with pytest.raises(FaceError, match="used in training, so it cannot judge"):
        read_photos(made.enrolled, (made.enrolled[0],))
    assert made.held_out == (photos[0],)
    copy = tmp_path / "new.png"
    shutil.copy(made.enrolled[0], copy)
    named = plan(trained, clips, tmp_path, photos=[copy])
    with pytest.raises(FaceError, match=r"new\.png: used in training, so it cannot judge"):
        run_evaluate(named, NoProgress(), faces=trained.judge)


def test_photos_that_are_named_may_not_be_near_copies(trained, clips, tmp_path):
    trained_on = plan(trained, clips, tmp_path).enrolled[0]
    smaller = cv2.resize(read_image(trained_on), (90, 90), interpolation=cv2.INTER_AREA)
    write_image(tmp_path / "smaller.png", smaller)
    strict = load_recipe("tiny/train", ["encoder.train=tiny", "encoder.report=judge"])
    made = plan_evaluate(
        [clips],
        character=str(trained.adapter),
        photos=[tmp_path / "smaller.png"],
        recipe=strict,
        out=tmp_path / "r",
    )

    with pytest.raises(FaceError, match=rf"smaller\.png is {trained_on} \(\d of 64 bits"):
        run_evaluate(made, NoProgress(), faces=trained.judge)


def test_a_character_without_its_photos_asks_for_some(trained, clips, tmp_path):
    alone = tmp_path / "mira"
    alone.mkdir()
    shutil.copy(trained.adapter, alone)
    (tmp_path / "new").mkdir()
    for seed in (50, 51):
        write_image(tmp_path / "new" / f"{seed}.png", draw_photo(seed=seed))
    hidden = trained.photos.rename(trained.photos.with_name("hidden"))
    try:
        with pytest.raises(UsageError, match="name photos that training never saw with --photos"):
            plan_evaluate([clips], character=str(alone), recipe=trained.recipe, out=tmp_path / "r")
        made, moved = (
            plan_evaluate(
                [clips],
                character=str(alone),
                photos=[folder],
                recipe=trained.recipe,
                out=tmp_path / "r",
            )
            for folder in (tmp_path / "new", hidden)
        )
        figures = run_evaluate(made, NoProgress(), faces=trained.judge).scores.figures
        complete = run_evaluate(moved, NoProgress(), faces=trained.judge).scores.figures
    finally:
        hidden.rename(trained.photos)
    assert figures["m_cp"] is None
    assert figures["ceiling"] is not None
    assert "2 unseen, 0 used in training, not at hand: good_0.png" in made.describe()
    assert (len(moved.enrolled), len(moved.held_out), moved.missing) == (5, 1, ())
    assert complete["m_cp"] is not None


def test_a_report_that_is_there_is_kept_unless_forced(trained, clips, tmp_path):
    (tmp_path / "report").mkdir()
    (tmp_path / "report" / "report.html").write_text("mine")

    with pytest.raises(OutputExists):
        plan(trained, clips, tmp_path)
    plan(trained, clips, tmp_path, force=True)


def test_nothing_to_measure(trained, tmp_path):
    with pytest.raises(MediaError, match="no clips found"):
        plan_evaluate(
            [tmp_path], character=str(trained.adapter), recipe=trained.recipe, out=tmp_path
        )


def test_readings_of_frames_are_joined_by_majority():
    readings = [{"mood": "sad"}, {"mood": None}, {"mood": "happy"}, {"mood": "happy"}]

    assert _most_frequent(readings) == {"mood": "happy"}
    assert _most_frequent([{"mood": None}]) == {"mood": None}


def test_a_result_says_what_each_gate_lacked_and_how_to_make_base_clips(trained, clips, tmp_path):
    """One shot, no base clips and no truth were all "not scorable"."""
    alone = sorted(clips.glob("*.mp4"))[0]
    for suffix in (".mp4", ".json"):
        (tmp_path / "one").mkdir(exist_ok=True)
        shutil.copy(alone.with_suffix(suffix), tmp_path / "one")
    made = plan(trained, tmp_path / "one", tmp_path)
    result = run_evaluate(made, NoProgress(), faces=trained.judge)

    said = result.describe()
    assert "not measured  Least alike pair that counts: one shot only\n" in said
    assert "not measured  Motion kept: no base clips\n" in said
    assert "not measured  Copying of photos, beyond the truth: no drawn truth\n" in said
    assert "off " not in said
    for told in (made.describe(), said):
        assert "--strength 0 --out CLIPS/base" in told
    reasons = {gate["figure"]: gate["reason"] for gate in result.to_json()["gates"]}
    assert reasons["motion_ratio"] == "no base clips"
    assert reasons["coverage"] is None
    page = result.report.read_text()
    assert 'href="../one/' in page
    assert "--strength 0" not in plan(trained, clips, tmp_path / "two").describe()


def test_a_gate_that_is_off_is_told_in_plan_result_and_json(trained, clips, tmp_path):
    settings = ["encoder.train=tiny", "encoder.report=judge", "gates.max_drift=off"]
    made = plan_evaluate(
        [clips],
        character=str(trained.adapter),
        recipe=load_recipe("tiny/train", settings),
        out=tmp_path / "report",
    )
    result = run_evaluate(made, NoProgress(), faces=trained.judge)

    assert "drift off" in made.describe()
    assert made.to_json()["gates"]["max_drift"] == "off"
    assert "(drift off)" in result.describe()
    assert json.loads(result.report.with_suffix(".json").read_text())["gates"][-3]["verdict"] == (
        "off"
    )
