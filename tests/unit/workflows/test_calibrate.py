"""A board's gates calibrated on photos and takes of its cast."""

import json
import shutil

import pytest
from PIL import Image

from facekit.errors import OutputExists, UsageError
from facekit.types import NoProgress, Plan
from facekit.workflows.calibrate import plan_calibrate, run_calibrate
from facekit.workflows.render import plan_render, run_render
from facekit.workflows.render_calibration import CALIBRATION_FILE
from facekit.workflows.render_draw import Studio

BOARD = """\
schema: facekit.storyboard/1
project: {id: ep01}
engine: {base: tiny, defaults: {num_inference_steps: 1, guidance_scale: 1}}
cast: {mira: {preset: mira}, twin: {preset: twin}}
gates: {max_takes: 1}
sequences: [{id: S, shots: [{id: A, frames: 5, action: '@mira nodding'}, WHO]}]
"""


@pytest.fixture
def board(trained, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("mira", "twin"):
        shutil.copytree(trained.adapter.parent, tmp_path / "characters" / name)
    board = tmp_path / "board.yaml"
    board.write_text(BOARD.replace("WHO", "{id: B, frames: 5, action: '@twin nodding'}"))
    return board


def test_a_show_has_its_own_threshold(trained, board):
    whole = board.read_text()
    board.write_text(BOARD.replace(", WHO", ""))
    with pytest.raises(UsageError, match="photos of 1 of the cast are at hand, expected two"):
        plan_calibrate(board, device="cpu")
    board.write_text(whole)
    plan = plan_calibrate(board, device="cpu")
    done = run_calibrate(plan, NoProgress(), faces=trained.judge)
    assert isinstance(plan, Plan)
    assert isinstance(done, Plan)
    assert plan_render(board, device="cpu").judge.p05 == done.found.to_json()["p05"]
    with pytest.raises(OutputExists):
        plan_calibrate(board, device="cpu")


def test_what_it_rests_on_is_written_and_a_character_made_anew_ends_it(trained, board, tmp_path):
    done = run_calibrate(plan_calibrate(board, device="cpu"), NoProgress(), faces=trained.judge)
    told = json.loads((tmp_path / "renders/ep01" / CALIBRATION_FILE).read_text())
    assert told["schema"] == "facekit.calibration/1"
    assert set(told["cast"]) == {"mira", "twin"}
    assert (told["date"], told["digest"], told["takes"]) == (done.date, done.digest, [])
    assert told["encoder"].startswith("judge@")
    assert any("no takes yet" in note for note in told["notes"])
    assert any("cannot tell 1.0%, expected 100" in note for note in told["notes"])
    with Image.open(tmp_path / "renders/ep01/calibration.png") as picture:
        assert picture.width > 1000
    plan = plan_render(board, device="cpu")
    assert plan.judge.floor == told["floor"]
    assert f"calibrated {done.date[:10]}" in plan.describe()
    told["cast"]["mira"]["character"] = "0" * 64
    done.file.write_text(json.dumps(told))
    aside = plan_render(board, device="cpu")
    assert (aside.judge.floor, aside.judge.p05) == (None, None)
    assert "mira was made anew since" in aside.describe()
    assert "not calibrated" in aside.describe()


def test_one_member_is_told_from_other_people(trained, board, tmp_path):
    board.write_text(BOARD.replace(", WHO", ""))
    others = sorted(trained.photos.glob("*.png"))[:3]
    plan = plan_calibrate(board, device="cpu", others=others, far=0.4)
    assert len(plan.others) == 3
    found = run_calibrate(plan, NoProgress(), faces=trained.judge).found
    assert (found.num_other, found.far, found.is_enough) == (3, 0.4, True)


def test_takes_count_as_one_face_whatever_the_gates_said_of_them(trained, board, tmp_path):
    plan = plan_render(board, device="cpu")
    studio = Studio(
        plan.board.recipe, plan.device, plan.judge,
        backbone=trained.backbone, faces=trained.faces, judging=trained.judge,
    )  # fmt: skip
    run_render(plan, NoProgress(), studio=studio)
    asked = plan_calibrate(board, device="cpu")
    assert [take.who for take in asked.takes] == ["mira", "twin"]
    assert "takes of somebody alone: 2" in asked.describe()
    done = run_calibrate(asked, NoProgress(), faces=trained.judge)
    told = json.loads(done.file.read_text())
    assert told["takes"] == sorted(take.fingerprint for take in asked.takes)
    assert sum(count for count, _ in done.takes.values()) <= 2
    prompts = board.read_text().replace("nodding", "talking")
    board.write_text(prompts)
    assert plan_calibrate(board, device="cpu", force=True).takes == ()  # of another prompt
