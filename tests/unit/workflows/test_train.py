"""Photos to a character file on the tiny backbone, with a random face encoder."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from facekit.adapters.character import attach_characters, load_character
from facekit.errors import CheckpointMismatch, MediaError, OutputExists, PhotosRefused, UsageError
from facekit.media.images import write_image
from facekit.recipe import Recipe, load_recipe, recipe_digest
from facekit.types import NoProgress
from facekit.workflows.backbone import load_backbone
from facekit.workflows.likeness import held_out_likeness
from facekit.workflows.train import TrainOutcome, plan_train, run_train
from tests.tiny.training import TinyFaces


class Alike(TinyFaces):
    """Every face is of one person, as far as this encoder can tell, and none is a copy."""

    def encode(self, crops: Any) -> Any:
        vectors = super().encode(crops)
        vectors = vectors * 0.3 + np.eye(1, self.dim, dtype=np.float32)
        return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    rng = np.random.default_rng(0)
    for index in range(5):
        coarse = rng.integers(40, 220, (8, 8, 3), dtype=np.uint8)
        write_image(folder / f"{index}.png", np.kron(coarse, np.ones((12, 12, 1), np.uint8)))
    (folder / "0.txt").write_text("close-up of @mira in the park, blue eyes, happy")
    return folder


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "characters"


def _recipe(*overrides: str) -> Recipe:
    return load_recipe("tiny/train", ["photos.max_yaw_deg=180", *overrides])


def _train(photos: Path, out: Path, *overrides: str, **options: Any) -> TrainOutcome:
    plan = plan_train([photos], name="mira", recipe=_recipe(*overrides), out=out, **options)
    return run_train(plan, NoProgress(), faces=Alike())


def test_photos_become_a_character(photos: Path, out: Path) -> None:
    outcome = _train(photos, out)
    folder = out / "mira"
    assert outcome.adapter == folder / "adapter.safetensors"
    files = {path.name for path in folder.iterdir()}
    assert {
        "adapter.safetensors",
        "recipe.toml",
        "metrics.jsonl",
        "samples",
        "result.json",
    } <= files
    assert (folder / "samples" / "step-000004.png").is_file()
    header = load_character(folder).file.header
    assert (header.name, header.level, header.backbone) == ("mira", "L2", "toon")
    assert header.training["recipe_digest"] == recipe_digest(_recipe())
    assert len(header.training["photos"]["train"]) == 4
    assert len(header.training["photos"]["held_out"]) == 1
    assert load_recipe(folder / "recipe.toml") == _recipe()
    assert any("eyes" in warning for warning in outcome.warnings)
    json.dumps(outcome.to_json())
    assert "next: facekit shoot" in outcome.describe()


def test_the_character_goes_onto_a_stock_pipeline(photos: Path, out: Path) -> None:
    outcome = _train(photos, out)
    pipe = load_backbone(_recipe()).pipe
    with attach_characters(pipe, load_character(outcome.adapter)):
        pass


@pytest.mark.parametrize("level", ["L0", "L1", "none"])
def test_other_levels(photos: Path, out: Path, level: str) -> None:
    _train(photos, out, f"identity.level={level}")
    file = load_character(out / "mira").file
    assert (file.identity is None) == (level == "none")
    assert bool(file.lora) == (level == "none")


def test_the_same_command_gives_the_finished_character(photos: Path, out: Path) -> None:
    first = _train(photos, out)
    before = {path: path.stat().st_mtime_ns for path in (out / "mira").rglob("*")}
    again = _train(photos, out)
    assert again == first
    after = {path: path.stat().st_mtime_ns for path in (out / "mira").rglob("*")}
    assert {p: t for p, t in after.items() if p.is_file()} == {
        p: t for p, t in before.items() if p.is_file()
    }


def test_a_kill_before_the_last_file_is_no_trouble(photos: Path, out: Path) -> None:
    _train(photos, out, "identity.level=L0")
    (out / "mira" / "result.json").unlink()
    _train(photos, out, "identity.level=L0")
    assert (out / "mira" / "result.json").is_file()


def test_equal_runs_give_equal_files_and_force_trains_again(photos: Path, out: Path) -> None:
    adapter = _train(photos, out).adapter
    first = adapter.read_bytes()
    other = _train(photos, out.parent / "elsewhere").adapter
    assert other.read_bytes() == first
    _train(photos, out, force=True)
    assert adapter.read_bytes() == first


def test_an_interrupted_run_goes_on(photos: Path, out: Path) -> None:
    straight = _train(photos, out.parent / "straight").adapter.read_bytes()

    class Stops(NoProgress):
        def advance(self, n: int = 1, info: str = "") -> None:
            if info.startswith("loss"):
                raise KeyboardInterrupt

    plan = plan_train([photos], name="mira", recipe=_recipe(), out=out)
    with pytest.raises(KeyboardInterrupt):
        run_train(plan, Stops(), faces=Alike())
    plan = plan_train([photos], name="mira", recipe=_recipe(), out=out)
    assert plan.resumes
    assert "goes on" in plan.describe()
    assert run_train(plan, NoProgress(), faces=Alike()).adapter.read_bytes() == straight


def test_what_a_kill_left_behind_is_swept(photos: Path, out: Path) -> None:
    plan = plan_train([photos], name="mira", recipe=_recipe(), out=out)
    left = out / "mira" / ".state-0123abcd.safetensors"
    left.parent.mkdir(parents=True)
    left.write_bytes(b"half")
    run_train(plan, NoProgress(), faces=Alike())
    assert not left.exists()


def test_the_contrastive_loss_finds_other_faces(photos: Path, out: Path) -> None:
    overrides = ("loss.contrastive=0.1", "loss.identity_max_sigma=1.0")
    _train(photos, out, *overrides)
    assert "loss/contrastive" in (out / "mira" / "metrics.jsonl").read_text()


def test_another_recipe_is_refused_and_force_replaces(photos: Path, out: Path) -> None:
    _train(photos, out)
    with pytest.raises(CheckpointMismatch, match="another recipe"):
        _train(photos, out, "train.seed=5")
    _train(photos, out, "train.seed=5", force=True)
    assert load_character(out / "mira").file.header.training["seed"] == 5


def test_other_photos_are_refused(photos: Path, out: Path) -> None:
    _train(photos, out)
    (photos / "4.png").unlink()
    with pytest.raises(CheckpointMismatch, match="other photos"):
        _train(photos, out)


def test_a_folder_with_something_else_is_refused(photos: Path, out: Path) -> None:
    (out / "mira").mkdir(parents=True)
    (out / "mira" / "notes.txt").write_text("mine")
    with pytest.raises(OutputExists, match="holds something else"):
        _train(photos, out)
    _train(photos, out, force=True)
    assert (out / "mira" / "notes.txt").read_text() == "mine"


def test_too_few_photos_give_reasons(photos: Path, out: Path) -> None:
    (photos / "3.png").unlink()
    (photos / "4.png").write_bytes(b"")
    with pytest.raises(PhotosRefused, match=r"3 usable of 4 photos(?s:.*)4\.png"):
        _train(photos, out)
    assert not (out / "mira" / "adapter.safetensors").exists()


def test_no_photos_at_all(tmp_path: Path, out: Path) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(MediaError, match="no photos found"):
        plan_train([empty], name="mira", recipe=_recipe(), out=out)


@pytest.mark.parametrize("name", ["", "../x", "a b", "1st", "x" * 65])
def test_names_that_cannot_be_names(photos: Path, out: Path, name: str) -> None:
    with pytest.raises(UsageError, match="name is"):
        plan_train([photos], name=name, recipe=_recipe(), out=out)


def test_a_plan_touches_nothing(photos: Path, out: Path) -> None:
    plan = plan_train([photos], name="mira", recipe=_recipe(), out=out)
    assert not out.exists()
    assert "photos: 5, 1 of them held out" in plan.describe()
    json.dumps(plan.to_json())


def test_frames_without_a_face_count_zero() -> None:
    from facekit.types import Clip

    class Blind(TinyFaces):
        def detect(self, images: Any) -> Any:
            found = super().detect(images)
            return [faces if index % 2 else () for index, faces in enumerate(found)]

    rng = np.random.default_rng(0)
    clip = Clip(frames=rng.integers(0, 255, (2, 48, 48, 3), dtype=np.uint8), fps=8.0)
    seeing, blind = TinyFaces(), Blind()
    goal = seeing.encode([_crop(clip.frames[1], seeing)])
    assert held_out_likeness([clip], goal, blind) == pytest.approx((0.5, 0.5), abs=1e-5)


def _crop(image: Any, faces: TinyFaces) -> Any:
    from facekit.faces.align import align

    return align(image, faces.detect([image])[0][0], size_px=faces.crop_size_px, margin=0.25)
