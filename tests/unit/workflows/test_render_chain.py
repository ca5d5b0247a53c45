"""Long shots of a board, and shots that go on from others, as chains."""

import json

import numpy as np
import pytest

from facekit.media.video import read_clip
from facekit.types import NoProgress
from facekit.workflows import chain_units, render_draw
from facekit.workflows.frame_likeness import Likeness
from facekit.workflows.render import plan_render, run_render
from facekit.workflows.render_draw import Studio

BOARD = """\
schema: facekit.storyboard/1
project: {{id: ep01}}
deliver: {{handles: 0, mezzanine: none}}
engine: {{base: tiny, defaults: {{num_inference_steps: 1, guidance_scale: 1}}}}
cast: {{mira: {{preset: {adapter}}}}}
gates: {{max_takes: 1, identity: {{p05: -1, coverage: 0}}, wrong_person: 999, drift_slope: -99}}
sequences:
  - id: S
    shots:
      - {{id: A, frames: 18, action: '@mira nodding'}}
      - {{id: B, frames: 4, extend_of: A}}
      - {{id: C, frames: 4, extend_of: B}}
"""


@pytest.fixture
def go(trained, tmp_path, monkeypatch):
    board = tmp_path / "board.yaml"
    board.write_text(BOARD.format(adapter=trained.adapter))

    def run(out, score=lambda frames: np.full(len(frames), 0.6), only=()):
        likeness = Likeness(encoder="tiny", min_same_person=0.3, score=score)
        monkeypatch.setattr(render_draw, "make_likeness", lambda *_: likeness)
        plan = plan_render(board, out=tmp_path / out, device="cpu", only=only)
        studio = Studio(
            plan.board.recipe, plan.device, plan.judge,
            backbone=trained.backbone, faces=trained.faces, judging=trained.judge,
        )  # fmt: skip
        return run_render(plan, NoProgress(), studio=studio)

    return run


def takes(tmp_path, out):
    found = sorted((tmp_path / out).rglob("takes/t01.mp4"))
    return {path.parents[2].name: path for path in found}


def test_a_kill_in_the_middle_of_a_chain_loses_one_chunk_and_no_byte(go, tmp_path, monkeypatch):
    real, drawn = chain_units._Drawer._draw, []

    def killed(self, unit):
        if len(drawn) == 1:
            raise KeyboardInterrupt
        drawn.append(unit.index)
        return real(self, unit)

    with monkeypatch.context() as patch:
        patch.setattr(chain_units._Drawer, "_draw", killed)
        with pytest.raises(KeyboardInterrupt):
            go("one")
    (kept,) = (tmp_path / "one").rglob("t01.chunks/*.npz")
    assert kept.name == "000-0.npz"

    def seen(self, unit):
        drawn.append(unit.index)
        return real(self, unit)

    monkeypatch.setattr(chain_units._Drawer, "_draw", seen)
    made = go("one")
    first, *rest = drawn
    assert (first, rest[0], made.made) == (0, 1, 3), "the first chunk was read"
    assert not list((tmp_path / "one").rglob("*.chunks"))
    go("two")
    one, two = takes(tmp_path, "one"), takes(tmp_path, "two")
    assert [path.read_bytes() for path in one.values()] == [
        path.read_bytes() for path in two.values()
    ]
    count = len(drawn)
    assert (go("one").made, len(drawn)) == (0, count)

    record = json.loads(one["S_A"].with_suffix(".json").read_text())
    chain = record["chain"]
    assert chain["encoder"] == "tiny"
    assert chain["delivered_frames"] == read_clip(one["S_A"]).num_frames >= 18
    assert chain["seams"] == [chunk["first_frame"] for chunk in chain["chunks"][1:]]
    follower = json.loads(one["S_B"].with_suffix(".json").read_text())["chain"]
    assert (follower["continues"], follower["seams"][0]) == ("S_A", 1)
    assert follower["reference_likeness"] == pytest.approx(0.6)
    log = (tmp_path / "two" / "log.jsonl").read_text().splitlines()
    events = [json.loads(line) for line in log]
    told = [event["event"] for event in events if event["shot"] == "S_A"]
    assert told == ["begun", "made", "judged", "delivered"]
    assert {"time", "take", "seed", "worker", "draw_s"} <= events[1].keys()


def test_a_chain_that_stops_fails_with_the_reason(go, tmp_path):
    calls = []

    def lost(frames):
        calls.append(len(frames))
        return np.full(len(frames), 0.6 if len(calls) == 1 else 0.1)

    made = go("one", lost)
    rows = {row["name"]: row for row in made.rows}
    assert (rows["S_A"]["verdict"], rows["S_B"]["verdict"]) == ("fail", "waiting")
    assert "the chain stopped after" in str(rows["S_A"]["reason"])
    record = json.loads((tmp_path / "one/S/S_A/v001/takes/t01.json").read_text())
    assert record["chain"]["stopped"]
    assert record["draw_s"] > 0
    assert not takes(tmp_path, "one")


def test_a_frame_of_somebody_else_is_not_gone_on_from(go, tmp_path):
    def other(frames):  # of 10 frames that are the measure, and 8 that end with the cut
        scores = np.full(len(frames), 0.6)
        scores[-8:] = 0.1 if len(frames) == 18 else 0.6
        return scores

    made = go("one", other)
    rows = {row["name"]: row for row in made.rows}
    assert "shows somebody else than the character: 0.10" in str(rows["S_B"]["reason"])
