"""By what takes are judged, and what their gates ask for."""

import dataclasses
import shutil
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from facekit.errors import RenderError, UsageError
from facekit.generation.storyboard_parts import Gates
from facekit.media.images import write_image
from facekit.workflows.render_judge import Judge, JudgePlan, limits_of, parse_photos, plan_judge

PEOPLE = (
    SimpleNamespace(id="mira", face_required=True),
    SimpleNamespace(id="tom", face_required=False),
)


def limits(judge: JudgePlan, **gates: object):
    shot = SimpleNamespace(gates=Gates(**gates), characters=PEOPLE)
    return limits_of(shot, judge, 0.35)


def test_auto_is_calibrated_or_the_floor_and_a_number_goes_before_both() -> None:
    judge = JudgePlan(encoder="judge", photos={"mira": (), "tom": ()})
    assert limits(judge).p05 == {"mira": 0.35, "tom": 0.35}
    found = dataclasses.replace(judge, p05={"mira": 0.5})
    assert limits(found).p05 == {"mira": 0.5, "tom": 0.35}
    assert limits(found, identity={"p05": 0.2}).p05 == {"mira": 0.2, "tom": 0.2}
    assert limits(found, identity={"p05": "off"}).p05 == {"mira": "off", "tom": "off"}
    assert limits(judge).demanded == {"mira"}
    off = limits(judge, swap="off", wrong_person="off", drift_slope="off")
    assert (off.swap, off.wrong_person, off.drift_slope) == ("off", "off", "off")


def test_who_has_no_photos_has_no_limit() -> None:
    judge = JudgePlan(encoder="judge", photos={"tom": ()})
    assert limits(judge).p05 == {"tom": 0.35}
    assert limits(judge, identity={"p05": "off"}).p05 == {"mira": "off", "tom": "off"}


def test_thresholds_of_another_encoder_are_refused(trained) -> None:
    plan = plan_judge({"mira": trained.adapter})
    assert (plan.encoder, plan.floor, plan.calibrated) == ("judge", None, "")
    cpu = torch.device("cpu")
    own = Judge(plan, cpu, trained.judge)
    assert own.floor == trained.judge.min_same_person
    old = dataclasses.replace(plan, floor=0.1, calibrated_by="judge@other")
    with pytest.raises(RenderError, match="calibrated with judge@other, expected judge@1111"):
        Judge(old, cpu, trained.judge)
    assert (
        Judge(dataclasses.replace(old, calibrated_by=own.encoder), cpu, trained.judge).floor == 0.1
    )
    with pytest.raises(UsageError, match="no photos of anybody"):
        Judge(JudgePlan(encoder="judge", photos={}), cpu, trained.judge)


def test_photos_that_are_away_are_named_in_a_whole_sentence(trained, monkeypatch) -> None:
    def away(*_: object) -> None:
        raise UsageError("a: 9 of 9 photos are not in b (c.png, d.png), expected those; name it")

    monkeypatch.setattr("facekit.workflows.render_judge.find_photos", away)
    told = "mira: no photos to judge by, so its shots need a look: a: 9 of 9 photos are not in b"
    (warning,) = plan_judge({"mira": trained.adapter}).warnings
    assert warning == f"{told} (c.png, d.png)"


def test_photos_that_have_moved_are_named(trained, tmp_path) -> None:
    away = shutil.copy(trained.adapter, tmp_path)  # without the run's result nobody knows a folder
    assert "no photos to judge by" in plan_judge({"mira": away}).warnings[0]
    moved = parse_photos([f"@mira={trained.photos}"], ["mira"])
    plan = plan_judge({"mira": away}, photos=moved, must_find=moved)
    assert (plan.warnings, plan.photos) == ((), plan_judge({"mira": trained.adapter}).photos)
    others = {"mira": str(tmp_path / "others")}
    write_image(tmp_path / "others" / "new.png", np.zeros((64, 64, 3), np.uint8))
    with pytest.raises(UsageError, match="other photos than those of mira, expected the folder"):
        plan_judge({"mira": away}, photos=others, must_find=others)
    assert plan_judge({"mira": away}, photos=others).photos == {}


@pytest.mark.parametrize(
    ("said", "told"),
    [
        (["mira"], "expected NAME=FOLDER with one of mira, tom as the name"),
        (["ines=."], "expected NAME=FOLDER with one of mira, tom as the name"),
        (["mira=.", "@mira=."], "mira has a folder already"),
        (["tom=nowhere"], "no such folder, expected the one that holds the photos of tom"),
    ],
)
def test_photos_that_nobody_can_find_are_refused(said: list[str], told: str) -> None:
    with pytest.raises(UsageError, match=told):
        parse_photos(said, ["mira", "tom"])
