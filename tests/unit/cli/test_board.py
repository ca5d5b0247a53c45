"""What the commands of boards print, from the file to the timeline."""

import json
from pathlib import Path
from typing import Any

import pytest

from facekit_cli.main import app

BOARD = """\
schema: facekit.storyboard/1
project: {id: ep01}
deliver: {fps: 25}
sequences: [{id: SEQ010, shots: [{id: SH0010, seconds: 1, place: park}]}]
"""


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict[str, Any]:
    assert not app([*arguments, "--json"], standalone_mode=False)
    (line,) = capsys.readouterr().out.splitlines()
    said: dict[str, Any] = json.loads(line)
    assert said["ok"]
    return said


def test_a_board_goes_all_the_way(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("board.yaml").write_text(BOARD)
    assert run(capsys, "board", "validate", "board.yaml")["data"]["shots"] == 1
    plan = run(capsys, "board", "plan", "board.yaml", "--device", "cpu")
    assert plan["schema"] == "facekit.board.plan/1"
    (shot,) = plan["data"]["shots"]
    assert shot["frames"]["cut"] == 25
    files = [f"a.{kind}" for kind in ("otio", "edl", "xml", "fcpxml")]
    asked = [word for file in files for word in (f"--{file[2:]}", file)]
    said = run(capsys, "board", "export", "board.yaml", *asked, "--aspect", "1:1")
    assert said["data"]["files"] == files
    assert all(Path(file).stat().st_size > 100 for file in files)
    code = app(["board", "export", "board.yaml", "--otio", "a.otio"], standalone_mode=False)
    assert code == 2
    assert "a.otio: the file exists" in capsys.readouterr().err


def test_boards_are_begun_and_imported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run(capsys, "board", "new", "new.yaml")["data"] == {"path": "new.yaml"}
    Path("a.csv").write_text("shot,seconds,place\nSH0010,2,park\n")
    said = run(capsys, "board", "import", "a.csv", "--out", "b.yaml")
    assert (said["data"]["shots"], said["data"]["cast"]) == (1, [])
    assert run(capsys, "board", "validate", "b.yaml")["data"]["sequences"] == 1
