import json
import shutil
import sys
import time

import pytest

from facekit.errors import MediaError, OutputExists
from facekit.types import NoProgress, Plan
from facekit.workflows import backbone, demo
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


def run(trained, made, progress=None):
    return run_demo(
        made,
        progress or NoProgress(),
        faces=trained.faces,
        report_faces=trained.judge,
        backbone=trained.backbone,
    )


def test_the_demo_ends_by_saying_where_the_report_is(trained, plan, tmp_path, monkeypatch):
    made = plan()
    monkeypatch.setattr(sys, "argv", ["benchmarks/demo.py", "--quick"])
    monkeypatch.setattr(sys, "orig_argv", ["python", "-m", "benchmarks.demo", "--quick"])

    result = run(trained, made)

    assert isinstance(made, Plan)
    assert isinstance(result, Plan)
    report = tmp_path / "demo" / "report" / "report.html"
    assert result.describe().splitlines()[-1] == f"report: {report}"
    record = json.loads((tmp_path / "demo" / "demo.json").read_text())
    assert list(record["seconds"]) == ["check", "load", "train", "shoot", "base", "evaluate"]
    assert record["peak_memory_gb"] > 0.1
    assert record["machine"]["versions"]["torch"]
    assert record["machine"]["device"] == "cpu"
    assert record["command"] == "python -m benchmarks.demo --quick", "what was typed"
    assert len(record["manifest_digest"]) == 64
    assert record["total_seconds"] == pytest.approx(sum(record["seconds"].values()), abs=0.1)
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


def record_of(folder):
    return json.loads((folder / "demo.json").read_text())


def test_a_finished_demo_keeps_its_times_and_force_counts_anew(trained, plan, tmp_path):
    """Every further call added its times, though it only found everything there."""
    run(trained, plan())
    first = record_of(tmp_path / "demo")

    run(trained, plan())

    assert record_of(tmp_path / "demo")["seconds"] == first["seconds"]
    assert record_of(tmp_path / "demo")["total_seconds"] == first["total_seconds"]

    path = tmp_path / "demo" / "demo.json"
    path.write_text(json.dumps({**record_of(tmp_path / "demo"), "seconds": {"train": 1e6}}))

    run(trained, plan(force=True))

    assert record_of(tmp_path / "demo")["total_seconds"] < 1e5


def test_the_times_of_a_stage_that_was_stopped_add_up(plan, tmp_path):
    def stop():
        raise KeyboardInterrupt

    made = plan()
    stages = demo._Stages(made)
    stages.run("check", lambda: None)
    with pytest.raises(KeyboardInterrupt):
        stages.run("train", stop)
    assert record_of(made.out_dir)["stopped_in"] == "train"
    path = made.out_dir / "demo.json"
    stored = record_of(made.out_dir)
    path.write_text(json.dumps({**stored, "seconds": {"check": 5.0, "train": 70.0}}))

    again = demo._Stages(made)
    again.run("check", lambda: None)
    again.run("train", lambda: time.sleep(0.05))

    assert again.seconds["check"] == 5.0
    assert again.seconds["train"] > 70.04
    assert "stopped_in" not in record_of(made.out_dir)


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


def test_the_photos_count_by_what_is_in_them(plan, trained, tmp_path):
    """Another picture under the same name went on with the demo of the first one."""
    moved, changed = tmp_path / "moved", tmp_path / "changed"
    for folder in (moved, changed):
        shutil.copytree(trained.photos, folder)
    options = {"out": tmp_path / "demo", "quick": True, "recipe": trained.recipe}

    first = plan()
    assert plan_demo(photos=moved, **options).fingerprint == first.fingerprint
    one, other = sorted(changed.glob("*.png"))[:2]
    one.write_bytes(other.read_bytes())
    second = plan_demo(photos=changed, **options)
    assert second.fingerprint != first.fingerprint
    one.with_suffix(".txt").write_text("in the park")
    assert plan_demo(photos=changed, **options).fingerprint != second.fingerprint
    with pytest.raises(MediaError, match="no such file or folder"):
        plan_demo(photos=tmp_path / "nowhere", **options)


def test_shots_of_another_build_are_not_taken_for_this_ones(plan, tmp_path, monkeypatch):
    """The record of an earlier demo lies there whole; then the shipped weights are rebuilt."""
    made = plan()
    (tmp_path / "demo").mkdir()
    record = {"fingerprint": made.fingerprint, "seconds": {}, "peak_memory_gb": 0.1}
    (tmp_path / "demo" / "demo.json").write_text(json.dumps(record))
    assert plan().fingerprint == made.fingerprint

    rebuilt = tmp_path / "weights"
    rebuilt.mkdir()
    (rebuilt / "manifest.json").write_text("another build")
    monkeypatch.setattr(backbone, "toon_dir", lambda: rebuilt)

    with pytest.raises(OutputExists, match="holds another demo"):
        plan()


def test_the_plan_says_what_is_there_already(trained, plan, tmp_path):
    """In an empty folder it promised to go on; two stages had one name ("shots")."""
    labels = []

    class Listens(NoProgress):
        def start(self, total, label):
            labels.append(label)

    assert plan().describe().endswith(f"out: {tmp_path / 'demo'}")
    demo._Stages(plan())
    assert plan().describe().endswith("(goes on where it stopped)")
    result = run(trained, plan(), Listens())
    assert "the same without the character" in labels
    assert len(set(labels)) == len(labels)
    assert plan().describe().endswith("(finished; only measured anew)")
    assert plan(force=True).describe().endswith(f"out: {tmp_path / 'demo'}")
    assert "\ntime over all sittings: " in result.describe()
