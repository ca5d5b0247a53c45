import json
import shutil

import pytest

from facekit.errors import FaceError, MediaError, OutputExists, UsageError
from facekit.recipe import load_recipe
from facekit.types import NoProgress
from facekit.workflows.evaluate import plan_evaluate, run_evaluate
from facekit.workflows.measuring import _most_frequent, read_photos
from facekit.workflows.shoot import plan_shoot, run_shoot


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
    assert "base clips: 2" in made.describe()


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


def test_a_character_without_its_photos_asks_for_some(trained, clips, tmp_path):
    alone = tmp_path / "mira"
    alone.mkdir()
    shutil.copy(trained.adapter, alone)
    hidden = trained.photos.rename(trained.photos.with_name("hidden"))
    try:
        with pytest.raises(UsageError, match="name photos that training never saw with --photos"):
            plan_evaluate([clips], character=str(alone), recipe=trained.recipe, out=tmp_path / "r")
        made = plan_evaluate(
            [clips],
            character=str(alone),
            photos=[hidden],
            recipe=trained.recipe,
            out=tmp_path / "r",
        )
        figures = run_evaluate(made, NoProgress(), faces=trained.judge).scores.figures
    finally:
        hidden.rename(trained.photos)
    assert figures["m_cp"] is None
    assert figures["ceiling"] is not None


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
