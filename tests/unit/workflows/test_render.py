"""Boards rendered on the tiny backbone: what is made, what is kept, what is delivered."""

import dataclasses
import json
import re
import shutil

import numpy as np
import pytest

from facekit.adapters.character_file import CharacterFile
from facekit.adapters.character_header import SubjectRecord
from facekit.errors import (
    ConsentRefused,
    OutputError,
    PresetRevoked,
    RenderBusy,
    StoryboardError,
    UsageError,
)
from facekit.media.images import write_image
from facekit.media.video import read_clip
from facekit.types import NoProgress, Plan
from facekit.workflows import board_facts
from facekit.workflows import takes as takes_module
from facekit.workflows.board_export import SHOT_RECORD, export_board
from facekit.workflows.render import plan_render, run_render
from facekit.workflows.render_draw import Studio
from facekit.workflows.render_lock import locked
from facekit.workflows.render_look import pick_take, render_report, render_status, retake_plan
from facekit.workflows.rights_place import find_rights

BOARD = """\
schema: facekit.storyboard/1
project: {{id: ep01}}
deliver: {{fps: 24, handles: 0, mezzanine: none}}
engine: {{base: tiny, defaults: {{num_inference_steps: 1, guidance_scale: 1}}}}
cast: {{mira: {{preset: {adapter}}}}}
gates: {{max_takes: 2, on_fail: keep_best, {gates}}}
sequences:
  - id: S
    shots:
      - {{id: A, frames: 12, action: '@mira nodding', takes: 2}}
      - {{id: B, frames: 12, extend_of: A, takes: 1}}
      - {{id: C, frames: 3, place: park}}
"""
LOOSE = "identity: {p05: -1, coverage: 0, on_na: pass}, wrong_person: 999, drift_slope: -99"


@pytest.fixture
def board(trained, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "board.yaml"
    path.write_text(BOARD.format(adapter=trained.adapter, gates=LOOSE))
    return path


@pytest.fixture
def go(trained, board):
    def run(plan=None, progress=None):
        plan = plan or plan_render(board, device="cpu")
        studio = Studio(
            plan.board.recipe, plan.device, plan.judge,
            backbone=trained.backbone, faces=trained.faces, judging=trained.judge,
        )  # fmt: skip
        return run_render(plan, progress or NoProgress(), studio=studio)

    return run


def files(folder):
    return {
        path.relative_to(folder).as_posix(): path.stat().st_mtime_ns
        for path in folder.rglob("*")
        if path.is_file() and path.parent.name in ("takes", "v001", "v002")
    }


def test_a_board_is_rendered_once_and_then_left_as_it_is(board, go, tmp_path, monkeypatch):
    before = plan_render(board, device="cpu")
    assert isinstance(before, Plan)
    assert not (tmp_path / "renders").exists()
    made = go(before)
    out = tmp_path / "renders" / "ep01"
    assert isinstance(made, Plan)
    assert (made.made, made.exit_code, made.words) == (4, 0, {"pass": 3})
    assert json.loads(json.dumps(made.to_json(), allow_nan=False))["verdicts"] == {"pass": 3}
    record = json.loads((out / "S/S_B/v001" / SHOT_RECORD).read_text())
    upstream = json.loads((out / "S/S_A/v001" / SHOT_RECORD).read_text())
    assert record["frames"]["lead"] == 1
    take = json.loads((out / "S/S_B/v001/takes/t01.json").read_text())
    assert take["goes_on_from"].endswith(f"S/S_A/v001/takes/{upstream['take']}.mp4")
    clip = read_clip(out / "S/S_B/v001" / record["media"])
    assert (clip.num_frames, clip.fps) == (12, 24.0)
    identity = json.loads((out / "S/S_A/v001/identity.json").read_text())
    assert identity["take"] == upstream["take"]
    assert identity["encoder"].startswith("judge")
    assert (out / "timeline" / "ep01.edl").is_file()
    assert json.loads((out / "manifest.json").read_text())["made"] == 4
    assert len((out / "report" / "shots.csv").read_text().splitlines()) == 4
    page = (out / "report" / "index.html").read_text()
    assert "S_A" in page
    assert "http://" not in page.replace("http://www.w3.org", "")
    there = files(out)
    again = go()
    assert (again.made, files(out)) == (0, there)
    exported = export_board(board, {"otio": tmp_path / "a.otio"})
    assert (len(exported.rendered), exported.planned) == (3, ())
    _what_is_finished_shows_whatever_became_of_the_preset(board, monkeypatch)


def _what_is_finished_shows_whatever_became_of_the_preset(board, monkeypatch):
    found = board_facts.find_character

    def revoked_one(name, *, revoked=False):
        if not revoked:
            raise PresetRevoked("mira@1.0.0: was revoked, expected another; lock another version")
        return found(name)

    with monkeypatch.context() as patch:
        patch.setattr(board_facts, "find_character", revoked_one)
        with pytest.raises(PresetRevoked, match=r"board.yaml:5: cast.mira.preset.*lock another"):
            plan_render(board, device="cpu")
        looked = render_status(board)
        assert [row["verdict"] for row in looked.rows] == ["pass"] * 3
        assert "was revoked" in looked.describe()
        assert "was revoked" in render_report(board).describe()
    board.write_text(
        re.sub("preset: [^}]*", "preset: org.studio.show/mira@prod", board.read_text())
    )
    with pytest.raises(
        StoryboardError, match=r"facekit preset lock org.studio.show/mira@prod"
    ) as caught:
        plan_render(board, device="cpu")
    assert "board new" not in str(caught.value)
    last = render_status(board)
    assert [row["verdict"] for row in last.rows] == ["pass"] * 3
    assert "facekit preset lock org.studio.show/mira@prod" in last.describe()
    assert "facekit preset lock org.studio.show/mira@prod" in render_report(board).describe()


def test_where_photos_are_now_is_remembered(trained, board, go, tmp_path):
    away = shutil.copy(trained.adapter, tmp_path)
    gone = BOARD.format(adapter=away, gates=LOOSE)
    board.write_text(gone[: gone.index("      - {id: B")])
    assert any("no photos" in told for told in plan_render(board, device="cpu").warnings)
    assert go().words == {"review": 1}
    takes = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("takes/*.mp4")}
    said = plan_render(board, device="cpu", photos=[f"mira={trained.photos}"])
    assert go(said).words == {"pass": 1}
    assert {path: path.stat().st_mtime_ns for path in takes} == takes  # judged anew, not drawn
    later = plan_render(board, device="cpu")
    assert (later.judge.digest, later.state.shots["S_A"].word) == (said.judge.digest, "pass")
    pick_take(board, "S_A", "t02")
    assert render_status(board).rows[0]["verdict"] == "pass"


def test_after_a_kill_it_goes_on_and_gives_the_same_pictures(board, go, tmp_path):
    out = tmp_path / "renders" / "ep01"

    class Stops(NoProgress):
        def advance(self, n: int = 1, info: str = "") -> None:
            if info.startswith("S_A:t02"):
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        go(progress=Stops())
    there = files(out)
    assert "S/S_A/v001/takes/t01.mp4" in there
    (out / "S/S_A/v001/takes/t02.mp4").unlink()  # killed while it was written
    done = go()
    assert done.made == 3
    assert {name: files(out)[name] for name in there if "t01" in name and "A" in name} == {
        name: when for name, when in there.items() if "t01" in name and "A" in name
    }
    whole = {path: read_clip(path).frames.astype(int) for path in out.rglob("*.mp4")}
    out.rename(tmp_path / "old")
    go()
    assert set(out.rglob("*.mp4")) == set(whole)
    for path, frames in whole.items():  # other batches round otherwise
        apart = abs(read_clip(path).frames - frames)
        # A delivery is lossy: a level of the take may become some of a pixel of it.
        assert apart.max() <= 4 if path.parent.name == "takes" else apart.mean() < 0.5


def test_retakes_and_picks_make_new_versions_and_followers_follow(board, go, tmp_path):
    go()
    out = tmp_path / "renders" / "ep01"
    there = files(out)
    plan = retake_plan(board, ["A"], device="cpu")
    assert plan.only == {"S_A"}
    assert go(plan).made == 1
    chosen = json.loads(sorted((out / "S/S_A").glob(f"v*/{SHOT_RECORD}"))[-1].read_text())["take"]
    other = next(x for x in ("t01", "t02", "t03") if x != chosen)
    older = plan_render(board, device="cpu")
    picked = pick_take(board, "A", other)
    assert isinstance(picked, Plan)
    assert picked.follow == ["S_B"]
    assert json.loads((picked.version / SHOT_RECORD).read_text())["take"] == other
    assert (picked.version / "takes" / "t03.mp4").is_file()
    # The one that goes on from another take now; what was picked after the plan stays picked.
    assert go(older).made == 1
    assert sorted(path.name for path in (out / "S/S_B").iterdir()) == ["v001", "v002"]
    assert {name: files(out)[name] for name in there} == there  # nothing was overwritten
    pick_take(board, "A", chosen)
    assert go().made == 0  # the first version of B has that take
    status = render_status(board)
    assert "S_A: pass" in status.describe()
    assert status.to_json()["at_work"] is None
    assert render_report(board).report.is_file()
    with pytest.raises(
        UsageError, match=r"t09: no such take of S_A, expected one of t01, t02, t03"
    ):
        pick_take(board, "A", "t09")


def test_what_fails_is_made_again_and_the_best_is_kept(trained, board, go, tmp_path):
    tight = "identity: {p05: 2, coverage: 1, on_na: fail}"
    board.write_text(BOARD.format(adapter=trained.adapter, gates=tight))
    made = go()
    assert made.exit_code == 5
    rows = {row["name"]: row for row in made.rows}
    assert (rows["S_B"]["verdict"], rows["S_B"]["takes"]) == ("fail", 2)
    assert "max_takes is reached, so the best one is kept" in str(rows["S_B"]["reason"])
    assert rows["S_C"]["verdict"] == "pass"  # nobody is in it
    board.write_text(BOARD.format(adapter=trained.adapter, gates=LOOSE))
    assert go().words == {"pass": 3}  # other gates need no other takes


TIGHT = "identity: {p05: 2, coverage: off}"
SHORT = (
    BOARD.partition("sequences:")[0]
    + """\
sequences:
  - id: S
    shots:
      - {{id: A, frames: 3, action: '@mira nodding', takes: 2}}
      - {{id: B, frames: 3, action: '@mira talking'}}
"""
)


def test_a_spent_budget_makes_no_further_takes(trained, board, go, tmp_path):
    gates = f"{TIGHT}, budget: {{minutes: 1e-6}}"
    board.write_text(SHORT.format(adapter=trained.adapter, gates=gates))
    made = go()
    rows = {row["name"]: row for row in made.rows}
    assert (rows["S_B"]["verdict"], rows["S_B"]["takes"]) == ("fail", 1)
    assert rows["S_A"]["takes"] == 2  # what is asked for is made
    assert "the budget is spent, so the best one is kept" in str(rows["S_B"]["reason"])
    record = (tmp_path / "renders/ep01/S/S_B/v001" / SHOT_RECORD).read_text()
    assert "the budget is spent" in record
    assert [row["verdict"] for row in render_status(board).rows] == ["fail", "fail"]
    assert go().made == 0  # it stays spent
    board.write_text(SHORT.format(adapter=trained.adapter, gates=TIGHT))
    assert go().made == 1  # max_takes is 2


def test_on_fail_stop_ends_with_the_first_shot_that_fails(trained, board, go):
    text = SHORT.format(adapter=trained.adapter, gates=TIGHT)
    board.write_text(text.replace("keep_best", "stop"))
    made = go()
    assert made.exit_code == 5
    assert made.stopped.endswith("and on_fail is stop")
    assert made.stopped.split(" ", 1)[0] in ("S_A", "S_B")
    there = [row["verdict"] for row in made.rows]
    assert there.count("fail") < 2
    board.write_text(text)
    assert go().words == {"fail": 2}


def test_gates_that_are_off_let_everything_pass(trained, board, go):
    off = "identity: {p05: off, coverage: off}, wrong_person: off, swap: off, drift_slope: off"
    board.write_text(SHORT.format(adapter=trained.adapter, gates=off))
    assert go().words == {"pass": 2}


def test_only_what_is_asked_for_and_what_it_goes_on_from(board, go):
    plan = plan_render(board, device="cpu", only=["B"])
    assert plan.only == {"S_A", "S_B"}
    made = go(plan)
    assert {row["name"]: row["verdict"] for row in made.rows}["S_C"] == "to do"
    with pytest.raises(UsageError, match=r"Z: no such shot on .*, expected one of S_A, S_B, S_C"):
        plan_render(board, only=["Z"])


def test_what_a_board_is_for_is_said_by_it_or_by_who_renders(board):
    said = plan_render(board, device="cpu", use="advertising", territory=["DE"]).rights.use
    assert (said.use, said.territory) == ("advertising", ("DE",))
    board.write_text(f"{board.read_text()}rights: {{use: documentary, territory: FR}}\n")
    assert plan_render(board, device="cpu", use="documentary").rights.use.territory == ("FR",)
    for asked in ({"use": "advertising"}, {"territory": ["DE"]}):
        with pytest.raises(UsageError, match=r"rights\.(use: documentary|territory: FR)"):
            plan_render(board, device="cpu", **asked)


def test_two_renders_at_once_and_a_full_disk(board, go, tmp_path, monkeypatch):
    out = tmp_path / "renders" / "ep01"
    with locked(out), pytest.raises(RenderBusy):
        go()

    def full(path, clip):
        raise OutputError(f"{path}: not written, no space left on the disk; free some space")

    with monkeypatch.context() as patch:
        patch.setattr(takes_module, "write_clip", full)
        with pytest.raises(OutputError, match="no space left"):
            go()
    assert not list(out.rglob("*.mp4"))
    assert not (out / ".render.lock").exists()
    assert go().words == {"pass": 3}


def test_every_delivered_shot_is_in_the_ledger_once(board, go):
    go()
    go()
    uses = [line.content for line in find_rights().ledger.lines() if line.kind == "use"]
    assert len(uses) == 3
    by_file = {told["file"].rpartition("/")[2]: told for told in uses}
    (who,) = by_file["S_A_v001.mp4"]["people"]
    assert (who["character"], who["seconds"], who["right"]) == ("mira", 0.5, "nobody depicted")
    assert by_file["S_C_v001.mp4"]["people"] == []


def test_a_board_is_rendered_only_as_agreed_and_looked_at_in_any_case(board, trained, tmp_path):
    file = CharacterFile.load(trained.adapter)
    subject = SubjectRecord(type="real", ref="subj_" + "0" * 32, consent="0" * 64)
    header = dataclasses.replace(file.header, subject=subject)
    dataclasses.replace(file, header=header).save(tmp_path / "real.safetensors")
    board.write_text(BOARD.format(adapter=tmp_path / "real.safetensors", gates=LOOSE))
    with pytest.raises(ConsentRefused, match="rule: exists"):
        plan_render(board, device="cpu")
    assert render_status(board).rows


def test_who_is_in_the_picture_that_a_shot_begins_with_is_asked_too(board, trained, tmp_path):
    file = CharacterFile.load(trained.adapter)
    subject = SubjectRecord(type="real", ref="subj_" + "0" * 32, consent="0" * 64)
    header = dataclasses.replace(file.header, subject=subject)
    dataclasses.replace(file, header=header).save(tmp_path / "real.safetensors")
    write_image(tmp_path / "a.png", np.zeros((64, 64, 3), np.uint8))
    record = {"shot": {}, "character": "noa", "character_file": str(tmp_path / "real.safetensors")}
    (tmp_path / "a.json").write_text(json.dumps(record))
    shot = "{id: C, frames: 3, place: park"
    board.write_text(board.read_text().replace(shot, f"{shot}, first_frame: {{image: a.png}}"))
    with pytest.raises(ConsentRefused, match=r"noa(?s:.*)rule: exists"):
        plan_render(board, device="cpu")
    (tmp_path / "a.json").unlink()
    assert plan_render(board, device="cpu").rights.starts["S_C"] == ()


def test_a_board_of_another_show_is_not_signed_as_this_one_says(board, tmp_path, monkeypatch):
    (board.parent / "facekit.toml").write_text("[provenance]\nsign = false\n")
    other = tmp_path / "other"
    other.mkdir()
    (other / "facekit.toml").write_text('[provenance]\ntimestamp = "http://tsa.example"\n')
    monkeypatch.chdir(other)
    with pytest.raises(UsageError, match="expected one show"):
        plan_render(board, device="cpu")
