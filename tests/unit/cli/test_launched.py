"""The command in two processes of one launcher: one voice, one result."""

import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest

from facekit.errors import UsageError
from facekit.resources import datasets_dir
from facekit.training.processes import Processes
from facekit_cli.launched import is_first, may_tell, num_processes, require_single
from facekit_cli.main import main
from tests.tiny.processes import together

ONE_CLIP = (
    *("--set", 'validate.prompts=["close-up of {character}"]', "--set", "validate.seeds=[11]"),
    *("--set", 'validate.aspects=["1:1"]', "--set", "sample.num_inference_steps=2"),
)
TRAIN = [
    "--as",
    "mira",
    "--recipe",
    "tiny/train",
    "--device",
    "cpu",
    *ONE_CLIP,
    "--json",
    "--set",
]


def command(processes: Processes, folder: Path, arguments: list[str]) -> int:
    """Run ``facekit`` with stdout and stderr in files of this process."""
    for number, name in ((1, "out"), (2, "err")):
        path = folder / f"{processes.index}.{name}"
        os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT, 0o600), number)
    sys.argv = ["facekit", *arguments]
    try:
        main()
    except SystemExit as ended:
        return int(ended.code or 0)
    return 0


def _said(folder: Path, name: str) -> list[str]:
    return [(folder / f"{index}.{name}").read_text() for index in range(2)]


@pytest.mark.slow
def test_two_processes_train_and_one_speaks(tmp_path: Path) -> None:
    photos = sorted(datasets_dir().glob("toon_mira/mira_0?.png"))[:6]
    arguments = ["train", *map(str, photos), "--out", str(tmp_path), *TRAIN, "train.steps=2"]
    ended = together(2, command, tmp_path, arguments)
    assert [(each.error, each.value) for each in ended] == [(None, 0)] * 2
    first, second = _said(tmp_path, "out")
    result: dict[str, Any] = json.loads(first)
    assert result["ok"]
    assert result["data"]["steps"] == 2
    assert (tmp_path / "mira" / "adapter.safetensors").is_file()
    told = _said(tmp_path, "err")
    assert "train: done" in told[0]
    assert (second, told[1]) == ("", "")


def test_what_is_wrong_is_said_once(tmp_path: Path) -> None:
    arguments = ["train", str(tmp_path / "none"), *TRAIN, "train.steps=2"]
    ended = together(2, command, tmp_path, arguments)
    assert [each.value for each in ended] == [2, 2]
    said = [text for text in _said(tmp_path, "out") if text]
    assert len(said) == 1
    assert json.loads(said[0])["error"]["code"] == "media_error"


def _launched(monkeypatch: pytest.MonkeyPatch, rank: int, local_rank: int) -> None:
    monkeypatch.setenv("WORLD_SIZE", "4")
    monkeypatch.setenv("RANK", str(rank))
    monkeypatch.setenv("LOCAL_RANK", str(local_rank))


def test_which_process_this_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LOCAL_RANK", raising=False)
    monkeypatch.setenv("WORLD_SIZE", "4")  # of something else
    assert (num_processes(), is_first(), may_tell()) == (1, True, True)
    require_single("check")
    _launched(monkeypatch, 0, 0)
    assert (num_processes(), is_first()) == (4, True)
    _launched(monkeypatch, 2, 0)
    assert (is_first(), may_tell()) == (False, True)  # the first of another machine
    _launched(monkeypatch, 1, 1)
    assert (is_first(), may_tell()) == (False, False)
    with pytest.raises(UsageError, match="facekit lab build-toon: 4 processes were started"):
        require_single("lab.build-toon")
