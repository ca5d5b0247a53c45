"""A board's gates calibrated on photos and takes of its cast."""

import shutil

import pytest

from facekit.errors import OutputExists, UsageError
from facekit.types import NoProgress, Plan
from facekit.workflows.calibrate import plan_calibrate, run_calibrate
from facekit.workflows.render import plan_render

BOARD = """\
schema: facekit.storyboard/1
project: {id: ep01}
engine: {base: tiny}
cast: {mira: {preset: mira}, twin: {preset: twin}}
sequences: [{id: S, shots: [{id: A, frames: 5, action: '@mira nodding'}, WHO]}]
"""


def test_a_show_has_its_own_threshold(trained, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("mira", "twin"):
        shutil.copytree(trained.adapter.parent, tmp_path / "characters" / name)
    board = tmp_path / "board.yaml"
    board.write_text(BOARD.replace(", WHO", ""))
    with pytest.raises(UsageError, match="photos of 1 of the cast are at hand, expected two"):
        plan_calibrate(board, device="cpu")
    board.write_text(BOARD.replace("WHO", "{id: B, frames: 5, action: '@twin nodding'}"))
    plan = plan_calibrate(board, device="cpu")
    done = run_calibrate(plan, NoProgress(), faces=trained.judge)
    assert isinstance(plan, Plan)
    assert isinstance(done, Plan)
    assert plan_render(board, device="cpu").judge.p05 == done.found.to_json()["p05"]
    with pytest.raises(OutputExists):
        plan_calibrate(board, device="cpu")
