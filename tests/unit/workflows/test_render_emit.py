"""Job files: their commands are run, three at once, and give what one plain render gives."""

import dataclasses
import multiprocessing
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from openjd.model import decode_job_template

from facekit.errors import OutputExists, UsageError
from facekit.types import NoProgress, Plan
from facekit.workflows import render_emit
from facekit.workflows.render import plan_render, run_render
from facekit.workflows.render_emit import EmitPlan, plan_emit, run_emit
from facekit.workflows.render_part import run_part
from facekit_cli.main import app
from tests.tiny.makers import BOARD


@pytest.fixture
def board(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "a board.yaml"
    path.write_text(BOARD)
    return path


def tool(folder: Path, name: str, text: str) -> str:
    """Put a program in front of all others; gives PATH."""
    path = folder / "bin" / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return f"{path.parent}{os.pathsep}{os.environ['PATH']}"


def said_by(script: Path, task: str, path: str) -> list[str]:
    """The arguments of facekit when a task is run."""
    done = subprocess.run(
        ["sh", str(script), task], capture_output=True, text=True, check=True,
        env={**os.environ, "PATH": path}, cwd="/",
    )  # fmt: skip
    return done.stdout.splitlines()


def test_three_tasks_at_once_and_the_last_give_the_plain_render(
    board: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert not app(
        ["render", str(board), "--device", "cpu", "--out", "both ways", "--emit", "slurm",
         "--to", "jobs", "--json"], standalone_mode=False,
    )  # fmt: skip
    assert '"tasks": 3' in capsys.readouterr().out
    path = tool(tmp_path, "facekit", 'for word; do printf "%s\\n" "$word"; done; pwd')
    # each process begins where this one is: torch is loaded once
    fork: Any = multiprocessing.get_context("fork")
    processes = []
    for task in "123":
        *words, where = said_by(tmp_path / "jobs" / "task.sh", task, path)
        assert (Path(where), words[-1:] and words[:2]) == (tmp_path, ["render", str(board)])
        processes.append(fork.Process(target=app, args=(words,)))
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0, 0, 0]
    out = tmp_path / "both ways"
    assert not (out / "manifest.json").exists()
    *words, _ = said_by(tmp_path / "jobs" / "task.sh", "last", path)
    assert "--part" not in words
    assert not app([*words, "--json"], standalone_mode=False)
    assert '"made": 0' in capsys.readouterr().out
    assert (out / "report" / "index.html").is_file()
    plain = run_render(plan_render(board, device="cpu"), NoProgress())
    takes = sorted(plain.out_dir.rglob("takes/*.mp4"))
    assert len(takes) == 4
    for take in [*takes, *plain.out_dir.rglob("*.otio")]:
        assert (out / take.relative_to(plain.out_dir)).read_bytes() == take.read_bytes()
    with pytest.raises(UsageError, match="every shot is there"):
        plan_emit(board, "slurm", tmp_path / "more")


def emitted(board: Path, to: Path, kind: str, **how: Any) -> EmitPlan:
    plan = plan_emit(board, kind, to, **how)
    result = run_emit(plan, NoProgress())
    assert isinstance(plan, Plan)
    assert isinstance(result, Plan)
    assert all(file.is_file() for file in result.files)
    return plan


def test_slurm_gets_an_array_and_a_last_task_after_it(board: Path, tmp_path: Path) -> None:
    to = tmp_path / "my jobs"
    plan = emitted(board, to, "slurm", only=["B", "D"], weights=[Path("my weights")])
    assert plan.tasks == (("S_A", "S_B"), ("S_D",))  # what goes on from another stays with it
    path = tool(tmp_path, "sbatch", 'echo "$@" >> "$LOG"; [ "$1" != --parsable ] || echo "7;farm"')
    subprocess.run(
        ["sh", str(to / "submit.sh"), "-p", "gpu"], check=True, capture_output=True,
        env={**os.environ, "PATH": path, "LOG": str(tmp_path / "log")}, cwd="/",
    )  # fmt: skip
    assert (tmp_path / "log").read_text().splitlines() == [
        "--parsable -p gpu shots.sbatch",
        "--dependency=afterany:7 -p gpu last.sbatch",
    ]
    array = (to / "shots.sbatch").read_text()
    assert "#SBATCH --array=1-2\n" in array
    assert "#SBATCH --gpus-per-task=1\n" in array
    path = tool(tmp_path, "facekit", 'echo "$@"')
    done = subprocess.run(
        ["sh", str(to / "shots.sbatch")], capture_output=True, text=True, check=True,
        env={**os.environ, "PATH": path, "SLURM_ARRAY_TASK_ID": "2"},
    )  # fmt: skip
    assert "--weights my weights --part --only S_D" in done.stdout
    assert "last) exec facekit" in (to / "task.sh").read_text()
    assert "--weights 'my weights' --only B --only D ;;" in (to / "task.sh").read_text()
    emitted(board, tmp_path / "cpu", "slurm", device="cpu")
    assert "gpu" not in (tmp_path / "cpu" / "shots.sbatch").read_text()


def test_openjd_reads_its_template(board: Path, tmp_path: Path) -> None:
    emitted(board, tmp_path / "jobs", "openjd")
    content = yaml.safe_load((tmp_path / "jobs" / "template.yaml").read_text())
    template = decode_job_template(template=content)
    assert [step.name for step in template.steps] == ["Shots", "Last"]
    assert template.steps[1].dependencies[0].dependsOn == "Shots"
    assert content["steps"][0]["parameterSpace"]["taskParameterDefinitions"][0]["range"] == "1-3"


def test_every_task_knows_where_photos_are(board: Path, tmp_path: Path) -> None:
    plan = plan_emit(board, "slurm", tmp_path / "jobs")
    told = {"photos": {"mira": "/my photos"}, "use": "advertising", "territory": ("DE", "FR")}
    run_emit(dataclasses.replace(plan, **told), NoProgress())
    path = tool(tmp_path, "facekit", 'for word; do printf "%s\\n" "$word"; done')
    for task in ("1", "last"):
        words = said_by(tmp_path / "jobs" / "task.sh", task, path)
        assert words[words.index("--photos") + 1] == "mira=/my photos"
        assert words[words.index("--use") + 1] == "advertising"
        assert " --territory DE --territory FR " in " ".join(words)


def test_more_groups_than_an_array_has_room_for_share_tasks(
    board: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(render_emit, "_MAX_TASKS", 2)
    plan = plan_emit(board, "slurm", tmp_path / "jobs")
    assert plan.tasks == (("S_A", "S_B", "S_D"), ("S_C_16x9",))


def test_what_cannot_be_emitted_is_refused(board: Path, tmp_path: Path) -> None:
    for how, told in (
        ({"kind": "lsf"}, r"--emit lsf: no such job files, expected one of slurm, openjd"),
        ({"to": None}, r"--emit slurm without --to"),
        ({"device": "cuda:1"}, r"--device cuda:1 with --emit"),
    ):
        asked: dict[str, Any] = {"kind": "slurm", "to": tmp_path / "jobs", **how}
        with pytest.raises(UsageError, match=told):
            plan_emit(board, asked.pop("kind"), asked.pop("to"), **asked)
    with pytest.raises(OutputExists, match="is not an empty folder"):
        plan_emit(board, "slurm", tmp_path)
    with pytest.raises(UsageError, match="--part without --only"):
        run_part(plan_render(board, device="cpu"), NoProgress())
    for words in (
        ["--part", "--ray", "auto"],
        ["--emit", "slurm", "--part"],
        ["--to", "jobs"],
        ["--emit", "slurm", "--to", "jobs", "--workers", "2"],
    ):
        assert app(["render", str(board), *words], standalone_mode=False) == 2


def test_tasks_sign_as_whoever_asks_for_them(
    board: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("FACEKIT_CREDENTIALS")
    monkeypatch.setenv("FACEKIT_KEYS", "my keys")
    path = tool(tmp_path, "facekit", 'echo "$@"; echo "$FACEKIT_KEYS"')
    for flags, unsigned in (([], False), (["--no-credentials"], True)):
        to = tmp_path / f"jobs-{unsigned}"
        words = ["render", str(board), "--emit", "slurm", "--to", str(to), "--json", *flags]
        with monkeypatch.context() as patch:
            patch.setenv("FACEKIT_CREDENTIALS", "")
            assert not app(words, standalone_mode=False)
        for task in ("1", "last"):
            said, keys = said_by(to / "task.sh", task, path)
            assert ("--no-credentials" in said) == unsigned
            assert keys == str(tmp_path / "my keys")
    assert (tmp_path / "my keys" / "credentials" / "facekit.pub").is_file()
    monkeypatch.setenv("FACEKIT_CREDENTIALS", "none")
    assert plan_emit(board, "slurm", tmp_path / "more").no_credentials
