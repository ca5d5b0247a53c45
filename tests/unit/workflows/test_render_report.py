"""The report of a rendered board: what it reads from the files, and what it does not tell."""

import json
import re
import shutil
import socket
from urllib.parse import unquote

import pytest

from facekit.errors import UsageError
from facekit.types import NoProgress
from facekit.workflows.render import plan_render, run_render
from facekit.workflows.render_draw import Studio
from facekit.workflows.render_look import pick_take, render_report
from facekit.workflows.render_report import ReportForm
from tests.unit.workflows.conftest import register_encoders

BOARD = """\
schema: facekit.storyboard/1
project: {{id: ep01, title: The Letter}}
deliver: {{fps: 24, handles: 0, mezzanine: none}}
engine: {{base: tiny, defaults: {{num_inference_steps: 1, guidance_scale: 1}}}}
cast: {{mira: {{preset: {adapter}}}}}
gates: {{max_takes: 2, identity: {{p05: -1, coverage: 0, on_na: pass}}, wrong_person: 999, drift_slope: -99}}
sequences:
  - id: S
    title: The kitchen
    shots:
      - {{id: A, frames: 90, action: '@mira nodding', takes: 2}}
      - {{id: B, frames: 3, place: park}}
      - {{id: C, frames: 3, action: '@mira talking'}}
"""  # noqa: E501


@pytest.fixture(scope="module")
def rendered(trained, tmp_path_factory):
    """A folder with a board of which two shots are rendered."""
    folder = tmp_path_factory.mktemp("rendered")
    path = folder / "board.yaml"
    path.write_text(BOARD.format(adapter=trained.adapter))
    with pytest.MonkeyPatch.context() as patch:
        register_encoders(patch)
        out = folder / "renders" / "ep01"
        plan = plan_render(path, out=out, device="cpu", only=["A", "B"])
        studio = Studio(
            plan.board.recipe, plan.device, plan.judge,
            backbone=trained.backbone, faces=trained.faces, judging=trained.judge,
        )  # fmt: skip
        run_render(plan, NoProgress(), studio=studio)
    return folder


@pytest.fixture
def out(rendered, tmp_path, monkeypatch):
    """A copy of its renders."""
    shutil.copytree(rendered, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    return tmp_path / "renders" / "ep01"


def test_the_report_knows_each_shot_and_leads_to_its_files(out, trained):
    report = json.loads((out / "report" / "report.json").read_text())
    first, second, third = report["shots"]
    assert (first["name"], first["verdict"], len(first["made"])) == ("S_A", "pass", 2)
    assert sum(take["is_chosen"] for take in first["made"]) == 1
    assert first["frames"]["delivered"] == 90
    starts = first["frames"]["seams"]
    assert starts
    assert len(starts) == len(first["frames"]["chunks"]) - 1
    faces = first["faces"]["mira"]
    assert len(faces["similarity"]) == len(faces["status"]) > starts[-1]
    assert {one["gate"] for one in first["gates"]} >= {"identity.p05", "swap"}
    assert (second["verdict"], second["faces"]) == ("pass", {})
    assert (third["verdict"], third["made"]) == ("to do", [])
    identity = json.loads((out / "S/S_A/v001/takes/t01.identity.json").read_text())
    assert report["characters"]["mira"]["ceiling"] == identity["ceilings"]["mira"]
    assert report["cost"]["draw_s"] == pytest.approx(
        sum(take["draw_s"] for take in [*first["made"], *second["made"]])
    )
    page = (out / "report" / "index.html").read_text()
    ways = list(re.findall(r'href="([^"#]+)"', page))
    assert len(ways) > 8
    assert [way for way in ways if not (out / "report" / unquote(way)).exists()] == []
    assert "S, The kitchen" in page


def test_nothing_to_report_on_is_told_and_what_is_left_is_counted(rendered, tmp_path):
    path = rendered / "board.yaml"
    with pytest.raises(UsageError, match=r"no take in .* yet.*; run: facekit render"):
        render_report(path, out=tmp_path / "none")
    with pytest.raises(UsageError, match=r"S_A has no takes yet.*; run: facekit render"):
        pick_take(path, "S_A", "t01", out=tmp_path / "none")
    there = rendered / "renders" / "ep01"
    assert plan_render(path, out=tmp_path / "none", device="cpu").cost_left.shots == 3
    assert plan_render(path, out=there, device="cpu").cost_left.shots == 1
    done = plan_render(path, out=there, device="cpu", only=["S_A"])
    assert "cost: nothing is left to draw" in done.describe()
    assert done.to_json()["cost_left"]["takes"] == 0


def test_a_published_report_names_no_place(out, tmp_path):
    folder = tmp_path / "public"
    written = render_report(tmp_path / "board.yaml", form=ReportForm(folder=folder, max_mb=0.2))
    assert written.report == folder / "index.html"
    assert written.report.stat().st_size < 2e5
    for path in folder.iterdir():
        text = path.read_text()
        assert str(tmp_path) not in text, path
        assert f'"{socket.gethostname()}"' not in text, path
    assert re.findall(r'href="[^#]', written.report.read_text()) == []
    assert (
        json.loads((folder / "report.json").read_text())["render"]["board"]["path"] == "board.yaml"
    )


def test_a_shot_that_could_not_be_drawn_and_one_measured_without_photos(out, tmp_path):
    takes = out / "S/S_B/v001/takes"
    record = json.loads((takes / "t01.json").read_text())
    void = {"void": "nobody stands there", "fingerprint": record["fingerprint"]}
    (takes / "t01.json").write_text(json.dumps(void))
    identity = json.loads((takes / "t01.identity.json").read_text())
    (takes / "t01.identity.json").write_text(json.dumps({**identity, **void}))
    (takes / "t01.mp4").unlink()
    for path in (out / "S/S_A/v001/takes").glob("*.identity.json"):
        told = json.loads(path.read_text())
        del told["ceilings"]  # as takes of older renders are
        path.write_text(json.dumps(told))
    render_report(tmp_path / "board.yaml")
    report = json.loads((out / "report" / "report.json").read_text())
    assert report["shots"][1]["made"][0]["reasons"] == ["nobody stands there"]
    assert report["characters"]["mira"]["ceiling"] is None
    assert "nobody stands there" in (out / "report" / "index.html").read_text()
