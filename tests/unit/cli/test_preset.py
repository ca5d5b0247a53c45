"""What the options of `facekit preset` and `facekit keys` become."""

import json
from pathlib import Path
from typing import Any

import pytest

from facekit_cli.main import app
from tests.tiny.backbones import tiny_character, tiny_pipe


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FACEKIT_KEYS", str(tmp_path / "keys"))
    tiny_character(tiny_pipe()).save(tmp_path / "mira.safetensors")
    return tmp_path


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, dict[str, Any]]:
    code = app([*arguments, "--json"], standalone_mode=False)
    (line,) = capsys.readouterr().out.splitlines()
    return code or 0, json.loads(line)


def test_a_preset_from_pack_to_export(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(capsys, "keys", "init", "anna")[1]["data"]["name"] == "anna"
    pack = ("preset", "pack", "mira.safetensors", "--no-pictures", "--id", "org.show/mira")
    code, said = run(capsys, *pack)
    assert (code, said["error"]["code"]) == (4, "consent_refused")
    code, said = run(capsys, *pack, "--subject", "non-human", "--dry-run")
    assert (code, said["data"]["out"]) == (0, "mira-1.0.0.facekit")
    assert not Path("mira-1.0.0.facekit").exists()
    code, said = run(
        capsys,
        *(*pack, "--subject", "non-human", "--version", "1.1.0", "--title", "Mira"),
        *("--tag", "lead", "--license", "MIT", "--templates", "clear", "--redistribute"),
        *("--created", "2026-11-21", "--commercial", "--folder", "--out", "mira"),
    )
    assert (code, said["schema"]) == (0, "facekit.preset.pack/1")
    told = json.loads(Path("mira/facekit.json").read_text())
    assert (told["title"], told["tags"], told["subject"]["type"]) == (
        "Mira",
        ["lead"],
        "non-human",
    )
    assert told["rights"] == {
        "license": "MIT",
        "commercial": True,
        "redistribute": True,
        "retain_until": None,
    }
    assert told["created"] == "2026-11-21T00:00:00Z"
    assert run(capsys, "preset", "inspect", "mira")[1]["data"]["digest"] == said["data"]["digest"]
    code, said = run(capsys, "preset", "verify", "mira", "--commercial")
    assert (code, said["data"]["signed_by"][0][:5]) == (0, "anna ")
    assert run(capsys, "preset", "export", "mira", "a.facekit", "--to", "archive")[0] == 0
    assert run(capsys, "preset", "strip-biometrics", "a.facekit", "--out", "b.facekit")[0] == 0
    code, said = run(capsys, "preset", "diff", "a.facekit", "b.facekit", "--out", "diff.html")
    assert (code, [one["key"] for one in said["data"]["rights"]]) == (0, ["templates"])
    assert Path("diff.html").is_file()
    code, said = run(capsys, "shoot", "a park", "--with", "b.facekit", "--dry-run")
    assert (code, said["data"]["character"]) == (0, "mira0")


def test_keys_of_others_and_new_ones(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    line = run(capsys, "keys", "init", "anna")[1]["data"]["line"]
    assert run(capsys, "keys", "rotate", "--as", "anna2")[1]["data"]["line"].endswith(" anna2")
    assert run(capsys, "keys", "show")[1]["data"]["default"] == "anna2"
    assert not run(capsys, "keys", "trust", line)[1]["data"]["new"]
    assert run(capsys, "preset", "verify", "nothing.facekit")[0] == 2
