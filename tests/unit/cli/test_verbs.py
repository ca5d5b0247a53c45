"""What the options of a verb become; planned for real, nothing is run."""

import dataclasses
import json
import os
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from facekit.errors import UsageError
from facekit.media.images import write_image
from facekit.media.video import write_clip
from facekit.recipe import Recipe, load_recipe
from facekit.types import Clip
from facekit.workflows import cost
from facekit.workflows.cost import recipe_cost
from facekit.workflows.shot_asked import MAX_STRENGTH
from facekit_cli.main import app
from tests.tiny.backbones import tiny_character, tiny_pipe
from tests.unit.workflows.test_cost import NO_LOSSES


@pytest.fixture
def photos(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for index in range(5):
        pixels = np.random.default_rng(index).integers(0, 256, (96, 96, 3), dtype=np.uint8)
        write_image(tmp_path / "photos" / f"{index}.png", pixels)
    return tmp_path / "photos"


@cache
def _cost_of(base: str, options: tuple[tuple[str, Any], ...]) -> Any:
    return recipe_cost(load_recipe(f"{base}/train", NO_LOSSES), **dict(options))


@pytest.fixture(autouse=True)
def _estimated_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """One of each backbone does: it takes longer than all else, and its numbers are not asked."""
    monkeypatch.setattr(
        cost,
        "recipe_cost",
        lambda recipe, **options: _cost_of(recipe.base.name, tuple(sorted(options.items()))),
    )


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, dict[str, Any]]:
    code = app([*arguments, "--json"], standalone_mode=False)
    (line,) = capsys.readouterr().out.splitlines()
    return code or 0, json.loads(line)


def test_train_options_reach_the_recipe(photos: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, said = run(
        capsys,
        *("train", str(photos), "--as", "mira", "--recipe", "tiny/train", "--level", "L1"),
        *("--seed", "3", "--set", "loss.flow=2", "--set", "train.steps=7", "--dry-run"),
    )
    assert (code, said["ok"], said["schema"]) == (0, True, "facekit.train/1")
    recipe = said["data"]["recipe"]
    assert recipe["base"]["name"] == "tiny"
    assert recipe["identity"]["level"] == "L1"
    assert recipe["loss"]["flow"] == 2
    assert (recipe["train"]["seed"], recipe["train"]["steps"]) == (3, 7)


def test_trackers_reach_the_plan(photos: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = ("train", str(photos), "--as", "mira", "--recipe", "tiny/train", "--dry-run")
    code, said = run(
        capsys, *command, "--track", "tensorboard, tensorboard", "--track", "tensorboard"
    )
    assert (code, said["data"]["track"]) == (0, ["tensorboard"])
    code, said = run(capsys, *command, "--track", "tensorboard,paper")
    assert (code, said["error"]["code"]) == (2, "usage_error")
    assert "tracker paper is unknown" in said["error"]["message"]


def test_a_trigger_reaches_the_plan(photos: Path, capsys: pytest.CaptureFixture[str]) -> None:
    trigger = "a man with purple hair and glasses"
    command = ("train", str(photos), "--as", "mira", "--recipe", "tiny/train", "--dry-run")
    code, said = run(capsys, *command, "--trigger", trigger)
    assert (code, said["data"]["trigger"]) == (0, trigger)
    assert "'purple'" in said["data"]["warnings"][0]
    code, said = run(capsys, *command, "--trigger", " ")
    assert (code, said["error"]["code"]) == (2, "usage_error")


@pytest.mark.parametrize(
    ("verb", "extra", "next_step"),
    [
        ("train", (), "run the same command again to go on"),
        ("shoot", (), "run the same command again to go on"),
        ("shoot", ("--force",), "run the same command without --force to go on"),
        ("eval", (), "no report was written"),
        ("demo", (), "run the same command again to go on"),
        ("demo", ("--force",), "run the same command without --force to go on"),
    ],
)
def test_what_to_do_after_an_interruption_is_true_of_the_verb(
    verb: str,
    extra: tuple[str, ...],
    next_step: str,
    photos: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """All promised to go on, and some began anew or refused what they had made."""

    def stop(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    module = {"eval": "evaluate"}.get(verb, verb)
    monkeypatch.setattr(f"facekit.workflows.{module}.plan_{module}", stop)
    tiny_character(tiny_pipe()).save(photos.parent / "mira.safetensors")
    arguments = {
        "train": ("photos", "--as", "mira"),
        "shoot": ("a park", "--with", "mira.safetensors"),
        "eval": ("photos", "--with", "mira.safetensors"),
        "demo": (),
    }
    code, said = run(capsys, verb, *arguments[verb], *extra)
    assert (code, said["error"]["code"]) == (130, "interrupted")
    assert said["error"]["next"].startswith(next_step)


@pytest.mark.parametrize("verb", ["train", "shoot", "eval", "demo"])
def test_a_device_that_is_not_there_is_refused_and_one_that_is_is_told(
    verb: str, photos: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made = tiny_character(tiny_pipe())
    made.save(photos.parent / "mira.safetensors")
    write_clip(photos.parent / "a.mp4", Clip(frames=np.zeros((1, 16, 16, 3), np.uint8), fps=8))
    command = {
        "train": ("train", "photos", "--as", "mira", "--dry-run"),
        "shoot": ("shoot", "a park", "--with", "mira.safetensors", "--dry-run"),
        "eval": ("eval", "a.mp4", "--with", "mira.safetensors", "--photos", "photos", "--dry-run"),
        "demo": ("demo", "--dry-run"),
    }[verb]
    code, said = run(capsys, *command, "--device", "cpu")
    assert (code, said["data"]["device"]) == (0, "cpu")
    code, said = run(capsys, *command, "--device", "cuda:9")
    assert (code, said["error"]["code"]) == (2, "usage_error")
    assert "device 'cuda:9'" in said["error"]["message"]


def test_eval_refuses_what_is_no_video(photos: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A plan once took README.md for a clip."""
    tiny_character(tiny_pipe()).save(photos.parent / "mira.safetensors")
    (photos.parent / "README.md").write_text("# no video")
    options = ("--with", "mira.safetensors", "--photos", "photos", "--dry-run")
    code, said = run(capsys, "eval", "README.md", *options)
    assert (code, said["error"]["code"]) == (2, "media_error")
    code, said = run(capsys, "eval", "photos", *options, "--set", "encoder.report=nope")
    assert "nope: no such face model" in said["error"]["message"]


def test_shoot_takes_recipe_values(photos: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tiny_character(tiny_pipe()).save(photos.parent / "mira.safetensors")
    command = ("shoot", "a park", "--with", "mira.safetensors", "--dry-run")
    _, said = run(capsys, *command, "--set", "sample.num_inference_steps=7")
    assert said["data"]["sampling"]["num_inference_steps"] == 7
    assert said["data"]["recipe"].startswith("toon/train")


def test_a_flag_and_a_setting_of_one_key_are_refused(
    photos: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The second silently won."""
    command = ("train", "photos", "--as", "mira", "--dry-run", "--level", "L1")
    code, said = run(capsys, *command, "--set", "identity.level=L2")
    assert (code, said["error"]["code"]) == (2, "usage_error")
    assert "--level and --set identity.level both given" in said["error"]["message"]


def test_check_takes_the_recipe_that_will_train(
    photos: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It always judged by toon/train, and training then refused what it had accepted."""
    made = []
    monkeypatch.setattr(
        "facekit.workflows.check.run_check", lambda plan, _: made.append(plan) or plan
    )
    for choice in (("--base", "wan2_1_t2v_1_3b"), ("--recipe", "wan2_1_t2v_1_3b/train")):
        code, said = run(capsys, "check", "photos", *choice, "--set", "photos.min_usable=7")
        assert code == 0
        assert said["data"]["rules"]["min_face_px"] == 64
        assert said["data"]["rules"]["min_usable"] == 7
        assert made.pop().options == (*choice, "--set", "photos.min_usable=7")
    code, said = run(capsys, "check", "photos", "--base", "nonsense")
    assert (code, said["error"]["code"]) == (2, "recipe_error")


@pytest.mark.parametrize(
    ("verb", "extra", "setting", "sections"),
    [
        ("check", (), "train.steps=3", "[encoder], [photos], [captions]"),
        ("shoot", ("--with", "mira.safetensors"), "train.steps=3", "[base], [sample]"),
        (
            "eval",
            ("--with", "mira.safetensors", "--photos", "photos"),
            "sample.num_frames=5",
            "[encoder], [photos], [gates]",
        ),
    ],
)
def test_a_setting_that_a_command_does_not_read_is_refused(
    verb: str,
    extra: tuple[str, ...],
    setting: str,
    sections: str,
    photos: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """It was accepted and did nothing."""
    tiny_character(tiny_pipe()).save(photos.parent / "mira.safetensors")
    code, said = run(capsys, verb, "photos", *extra, "--set", setting)
    assert (code, said["error"]["code"]) == (2, "usage_error")
    assert f"--set {setting}: this command does not read" in said["error"]["message"]
    assert f"expected a key of {sections};" in said["error"]["message"]
    code, said = run(capsys, verb, "photos", *extra, "--set", "trian.steps=3")
    assert "trian: unknown key (did you mean 'train'?)" in said["error"]["message"]


def test_a_setting_of_what_a_level_does_not_train_is_refused(
    photos: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ("train", "photos", "--as", "mira", "--dry-run")
    for level, setting in (("L0", "train.steps=30"), ("l0", "loss.flow=2"), ("L1", "lora.rank=4")):
        code, said = run(capsys, *command, "--level", level, "--set", setting)
        assert (code, said["error"]["code"]) == (2, "usage_error")
        assert f"level {level.upper()} does not train that" in said["error"]["message"]
    for setting in ("train.seed=3", "train.steps=0", "gates.min_xmin=off", "validate.seeds=[1]"):
        assert run(capsys, *command, "--level", "L0", "--set", setting)[0] == 0


def test_a_value_that_an_option_does_not_know_is_told_in_plain_words(
    photos: Path, root: Path
) -> None:
    path = os.pathsep.join([str(root), str(root / "cli")])
    done = subprocess.run(
        [
            *(sys.executable, "-c", "from facekit_cli.main import main; main()"),
            *("train", "photos", "--as", "mira", "--level", "L3"),
        ],
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert "Invalid value for '--level': 'L3' is not one of" in done.stderr


def test_the_strength_has_two_ends(photos: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tiny_character(tiny_pipe()).save(photos.parent / "mira.safetensors")
    command = ("shoot", "a park", "--with", "mira.safetensors", "--dry-run", "--strength")
    assert run(capsys, *command, str(MAX_STRENGTH))[0] == 0
    for wrong in ("50", "-1", "nan"):
        code, said = run(capsys, *command, wrong)
        assert (code, said["error"]["code"]) == (2, "usage_error")
        assert f"strength is {wrong}, expected 0 to 3; 1 is as trained" in said["error"]["message"]


def test_strength_takes_keyframes(photos: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tiny_character(tiny_pipe()).save(photos.parent / "mira.safetensors")
    command = ("shoot", "a park", "--with", "mira.safetensors", "--dry-run", "--strength")
    assert run(capsys, *command, "0,0.5,1")[1]["data"]["strength"] == [0.0, 0.5, 1.0]
    code, said = run(capsys, *command, "0;1")
    assert (code, said["error"]["code"]) == (2, "usage_error")


def test_a_shot_needs_a_prompt_or_a_clip(photos: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tiny_character(tiny_pipe()).save(photos.parent / "mira.safetensors")
    code, said = run(capsys, "shoot", "--with", "mira.safetensors", "--dry-run")
    assert (code, said["error"]["code"]) == (2, "usage_error")
    assert "no prompt given, expected one for each shot" in said["error"]["message"]


def test_a_level_that_trains_needs_steps(photos: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = ("train", "photos", "--as", "mira", "--recipe", "toon/train_l0", "--dry-run")
    assert run(capsys, *command)[0] == 0
    code, said = run(capsys, *command, "--level", "L2")
    assert (code, said["error"]["code"]) == (2, "recipe_error")
    assert "set train.steps as well, as in train.steps=300" in said["error"]["message"]
    assert run(capsys, *command, "--level", "L2", "--set", "train.steps=5")[0] == 0


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


def test_eval_asks_the_character_which_encoder_trained_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    seen = []

    def plan(clips: object, *, recipe: Recipe, **_: object) -> None:
        seen.append((recipe.encoder.train, recipe.encoder.report, recipe.gates.min_xmin))
        raise UsageError("enough; stop")

    monkeypatch.setattr("facekit.workflows.evaluate.plan_evaluate", plan)
    made = tiny_character(tiny_pipe())
    header = dataclasses.replace(made.header, encoder="toon-b")
    dataclasses.replace(made, header=header).save(tmp_path / "mira.safetensors")
    with_it = ("--with", str(tmp_path / "mira.safetensors"), "--set", "gates.min_xmin=0.5")
    assert run(capsys, "eval", str(tmp_path), *with_it)[0] == 2
    assert seen == [("toon-b", "toon-a", 0.5)]


@pytest.mark.parametrize("verb", ["ls", "show toon/train", "check toon/train"])
def test_recipe_group(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    code, said = run(capsys, "recipe", *verb.split())
    assert (code, said["ok"]) == (0, True)


def test_doctor(capsys: pytest.CaptureFixture[str]) -> None:
    _, said = run(capsys, "doctor")
    assert {"torch", "toon"} <= {finding["name"] for finding in said["data"]["findings"]}
