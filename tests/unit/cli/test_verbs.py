"""What the options of a verb become; planned for real, nothing is run."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from facekit.media.images import write_image
from facekit_cli.main import app


@pytest.fixture
def photos(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for index in range(5):
        pixels = np.random.default_rng(index).integers(0, 256, (96, 96, 3), dtype=np.uint8)
        write_image(tmp_path / "photos" / f"{index}.png", pixels)
    return tmp_path / "photos"


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, dict[str, Any]]:
    code = app([*arguments, "--json"], standalone_mode=False)
    (line,) = capsys.readouterr().out.splitlines()
    return code or 0, json.loads(line)


def test_train_options_reach_the_recipe(photos: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, said = run(
        capsys,
        *("train", str(photos), "--as", "mira", "--recipe", "tiny/train", "--level", "L1"),
        *("--seed", "3", "--set", "lora.rank=4", "--set", "train.steps=7", "--dry-run"),
    )
    assert (code, said["ok"], said["schema"]) == (0, True, "facekit.train/1")
    recipe = said["data"]["recipe"]
    assert recipe["base"]["name"] == "tiny"
    assert recipe["identity"]["level"] == "L1"
    assert recipe["lora"]["rank"] == 4
    assert (recipe["train"]["seed"], recipe["train"]["steps"]) == (3, 7)


def test_train_defaults_need_nothing_but_a_name(
    photos: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, said = run(capsys, "train", str(photos), "--as", "mira", "--dry-run")
    assert code == 0
    assert said["data"]["recipe"]["base"]["name"] == "toon"
    assert said["data"]["recipe"]["identity"]["level"] == "L2"
    assert not (photos.parent / "characters").exists()


def test_base_chooses_its_own_recipe(photos: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = ("train", str(photos), "--as", "mira", "--dry-run", "--base")
    assert run(capsys, *command, "tiny")[1]["data"]["recipe"]["base"]["name"] == "tiny"
    code, said = run(capsys, *command, "nonsense")
    assert (code, said["error"]["code"]) == (2, "recipe_error")


def test_empty_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for verb in (["check"], ["train", "--as", "mira"]):
        code, said = run(capsys, *verb, str(tmp_path))
        assert (code, said["error"]["code"]) == (2, "media_error")
        assert "no photos found" in said["error"]["message"]


def test_unknown_character(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    code, said = run(capsys, "shoot", "@mira in the park", "--with", "mira")
    assert (code, said["error"]["code"]) == (2, "usage_error")
    assert "facekit train" in said["error"]["next"]


@pytest.mark.parametrize("verb", ["ls", "show toon/train", "check toon/train"])
def test_recipe_group(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    code, said = run(capsys, "recipe", *verb.split())
    assert (code, said["ok"]) == (0, True)


def test_doctor(capsys: pytest.CaptureFixture[str]) -> None:
    _, said = run(capsys, "doctor")
    assert {"torch", "toon"} <= {finding["name"] for finding in said["data"]["findings"]}
