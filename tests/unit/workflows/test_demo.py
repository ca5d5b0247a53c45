import json

import pytest

from facekit.errors import OutputExists
from facekit.types import NoProgress, Plan
from facekit.workflows import demo
from facekit.workflows.demo import plan_demo, run_demo


@pytest.fixture
def plan(trained, tmp_path):
    def make(**options):
        return plan_demo(
            out=tmp_path / "demo",
            quick=True,
            recipe=trained.recipe,
            photos=trained.photos,
            **options,
        )

    return make


def run(trained, made):
    return run_demo(
        made,
        NoProgress(),
        faces=trained.faces,
        report_faces=trained.judge,
        backbone=trained.backbone,
    )


def test_the_demo_ends_by_saying_where_the_report_is(trained, plan, tmp_path):
    made = plan(results=tmp_path / "published.json")

    result = run(trained, made)

    assert isinstance(made, Plan)
    assert isinstance(result, Plan)
    report = tmp_path / "demo" / "report" / "report.html"
    assert result.describe().splitlines()[-1] == f"report: {report}"
    record = json.loads((tmp_path / "demo" / "demo.json").read_text())
    assert list(record["seconds"]) == ["check", "load", "train", "shoot", "base", "evaluate"]
    assert record["peak_memory_gb"] > 0.1
    assert record == json.loads((tmp_path / "published.json").read_text())
    assert record["versions"]["torch"]
    assert result.evaluation.scores.figures["off_face_change"] is not None


def test_a_demo_that_was_stopped_goes_on(trained, plan, tmp_path, monkeypatch):
    """Stopped after training and half of the shots, nothing of that is done again."""
    made = plan()

    def stop(*args, **kwargs):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(demo, "run_evaluate", stop)
        with pytest.raises(KeyboardInterrupt):
            run(trained, made)
    kept = {
        path: path.stat().st_mtime_ns
        for path in (tmp_path / "demo").rglob("*")
        if path.suffix in (".mp4", ".safetensors")
    }
    removed = tmp_path / "demo" / "shots" / f"{made.shots[0].name}.json"
    removed.unlink()

    result = run(trained, plan())

    assert result.evaluation.report.is_file()
    again = removed.with_suffix(".mp4")
    assert {path for path, time in kept.items() if path.stat().st_mtime_ns != time} == {again}


def test_a_folder_with_something_else_is_not_touched(plan, tmp_path):
    (tmp_path / "demo").mkdir()
    (tmp_path / "demo" / "thesis.txt").write_text("mine")

    with pytest.raises(OutputExists, match="holds another demo or something else"):
        plan()
    plan(force=True)


def test_the_seed_makes_another_demo(trained, plan):
    first, second = plan(), plan(seed=5)

    assert first.fingerprint != second.fingerprint
    assert second.shots[0].seed == 5
