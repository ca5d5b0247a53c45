"""Photos to a character file on the tiny backbone, with a random face encoder."""

import json
import shlex
import shutil
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import facekit
from facekit.adapters.character import load_character
from facekit.errors import (
    CheckpointMismatch,
    MediaError,
    OutputExists,
    PackageMissing,
    PhotosRefused,
    UsageError,
    WeightsMissing,
)
from facekit.media.images import read_image, write_image
from facekit.recipe import Recipe, load_recipe, recipe_digest
from facekit.training.trainer import Validation
from facekit.types import NoProgress
from facekit.workflows import processes, train
from facekit.workflows.backbone import backbone_spec, load_backbone
from facekit.workflows.characters import find_character
from facekit.workflows.check import plan_check, run_check
from facekit.workflows.likeness import held_out_likeness
from facekit.workflows.shoot import plan_shoot, run_shoot
from facekit.workflows.train import TrainOutcome, plan_train, run_train
from tests.tiny.backbones import predict
from tests.tiny.training import TinyFaces


class Alike(TinyFaces):
    """Every face is of one person, as far as this encoder can tell, and none is a copy."""

    def encode(self, crops: Any) -> Any:
        vectors = super().encode(crops)
        vectors = vectors * 0.3 + np.eye(1, self.dim, dtype=np.float32)
        return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("drawn") / "photos"
    rng = np.random.default_rng(0)
    for index in range(5):
        coarse = rng.integers(40, 220, (8, 8, 3), dtype=np.uint8)
        write_image(folder / f"{index}.png", np.kron(coarse, np.ones((12, 12, 1), np.uint8)))
    (folder / "0.txt").write_text("close-up of @mira in the park, blue eyes, happy")
    return folder


@pytest.fixture
def photos(drawn: Path, tmp_path: Path) -> Path:
    return shutil.copytree(drawn, tmp_path / "photos")


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "characters"


ONE_PROMPT = 'validate.prompts=["close-up of {character}"]'


def _recipe(*overrides: str) -> Recipe:
    return load_recipe("tiny/train", ["photos.max_yaw_deg=180", ONE_PROMPT, *overrides])


def _train(photos: Path, out: Path, *overrides: str, **options: Any) -> TrainOutcome:
    plan = plan_train([photos], name="mira", recipe=_recipe(*overrides), out=out, **options)
    return run_train(plan, NoProgress(), faces=Alike())


@pytest.fixture(scope="module")
def trained_once(drawn: Path, tmp_path_factory: pytest.TempPathFactory) -> TrainOutcome:
    """What becomes of `drawn`; for tests that only read it, or change a copy of it."""
    with pytest.MonkeyPatch.context() as patch:  # homes are of one test each
        patch.setenv("FACEKIT_CACHE", str(tmp_path_factory.mktemp("cache")))
        return _train(drawn, tmp_path_factory.mktemp("trained_once") / "characters")


@pytest.fixture
def finished(trained_once: TrainOutcome, out: Path) -> Path:
    """A copy of the character, in `out`; its photos are as good as those of `photos`."""
    shutil.copytree(trained_once.adapter.parents[1], out)
    return out / "mira" / "adapter.safetensors"


def test_a_dataset_gives_the_same_character_bit_for_bit(
    photos: Path, trained_once: TrainOutcome, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The photos are checked once; then nothing is looked for and nothing encoded again."""
    plain = trained_once
    plan = plan_check([photos], recipe=_recipe(), name="mira", out=tmp_path / "checked")
    report = run_check(plan, faces=Alike())
    assert report.accepted

    pictures = {read_image(path).tobytes() for path in photos.glob("*.png")}
    crops = {read_image(path).tobytes() for path in (tmp_path / "checked" / "crops").iterdir()}
    assert (len(pictures), len(crops)) == (5, 5)

    class Watching(Alike):
        """Validation looks at frames; nobody may look at photos."""

        def detect(self, images: Any) -> Any:
            assert not [image for image in images if image.tobytes() in pictures]
            return super().detect(images)

        def encode(self, crops_given: Any) -> Any:
            assert not [crop for crop in crops_given if crop.pixels.tobytes() in crops]
            return super().encode(crops_given)

    checked = plan_train([plan.out_dir], name="mira", recipe=_recipe(), out=tmp_path / "again")
    assert "a dataset, checked already: 4 photos to train on, 1 held out" in checked.describe()
    assert checked.to_json()["dataset"] == str(plan.out_dir)
    monkeypatch.setenv("FACEKIT_CACHE", str(tmp_path / "nothing is remembered"))
    outcome = run_train(checked, NoProgress(), faces=Watching())
    assert outcome.adapter.read_bytes() == plain.adapter.read_bytes()
    assert outcome.likeness == plain.likeness
    assert [line for line in outcome.warnings if "speaks of the face" in line]


def test_photos_become_a_character(trained_once: TrainOutcome) -> None:
    outcome = trained_once
    folder = outcome.adapter.parent
    assert (folder.parent.name, folder.name) == ("characters", "mira")
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
    roles = [photo.role for photo in header.photos]
    assert (roles.count("train"), roles.count("held_out")) == (4, 1)
    assert {photo.name for photo in header.photos} == {f"{index}.png" for index in range(5)}
    assert load_recipe(folder / "recipe.toml") == _recipe()
    assert any("eyes" in warning for warning in outcome.warnings)
    json.dumps(outcome.to_json())
    assert f"--with {folder}" in outcome.describe().splitlines()[-1]


def test_photos_that_are_set_aside_are_named(
    photos: Path, out: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    folder = tmp_path / "from a phone"
    shutil.copytree(photos, folder)
    (folder / "new.heic").write_bytes(b"something")
    outcome = _train(folder, out, "identity.level=L0")
    (said,) = [warning for warning in outcome.warnings if "set aside" in warning]
    reason = "HEIC, which is read with the extra heic alone, and that is not installed; pip"
    assert said.startswith(f"set aside: {folder}/new.heic: {reason}")


def test_what_was_validated_is_what_is_attached(
    photos: Path, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a stock pipeline, and with the same meaning of the stored strength and window."""
    validated = []

    def watch(recipe: Any, photos: Any, subject: Any, pipe: Any, *rest: Any) -> Any:
        def judge(step: int) -> Validation:
            validated.append(predict(pipe))
            return Validation(score=step / 10)

        return judge

    monkeypatch.setattr(train, "likeness_validation", watch)
    overrides = ("identity.strength=0.5", "identity.sigma_window=[0.1, 0.9]")
    outcome = _train(photos, out, *overrides)
    pipe = load_backbone(_recipe()).pipe
    bare = predict(pipe)
    with facekit.attach(pipe, outcome.adapter) as attached:
        assert torch.equal(predict(pipe), validated[-1])
        attached.set_strength(0.0)
        assert torch.equal(predict(pipe), bare)
    header = load_character(out / "mira").file.header
    assert (header.strength, header.sigma_window) == (0.5, (0.1, 0.9))


@pytest.mark.parametrize("level", ["L0", "L1", "none"])
def test_other_levels(photos: Path, out: Path, level: str) -> None:
    _train(photos, out, f"identity.level={level}", "train.steps=1")
    file = load_character(out / "mira").file
    assert (file.identity is None) == (level == "none")
    assert bool(file.lora) == (level == "none")


def test_the_same_command_gives_the_finished_character(
    drawn: Path, trained_once: TrainOutcome
) -> None:
    out = trained_once.adapter.parents[1]
    before = {path: path.stat().st_mtime_ns for path in (out / "mira").rglob("*")}
    again = _train(drawn, out)
    assert again == trained_once
    after = {path: path.stat().st_mtime_ns for path in (out / "mira").rglob("*")}
    assert {p: t for p, t in after.items() if p.is_file()} == {
        p: t for p, t in before.items() if p.is_file()
    }


def test_a_finished_character_is_the_one_in_its_folder(
    photos: Path, finished: Path, trained_once: TrainOutcome
) -> None:
    """The folder that was written down led nowhere once the whole had moved."""
    again = _train(photos, finished.parents[1])
    assert again.was_there
    assert (again.adapter, again.best_step) == (finished, trained_once.best_step)


def test_a_finished_character_is_opened_before_it_is_called_finished(
    photos: Path, finished: Path
) -> None:
    whole = finished.read_bytes()
    finished.write_bytes(whole[:-100])
    assert _train(photos, finished.parents[1]).adapter.read_bytes() == whole


def test_a_kill_before_the_last_file_is_no_trouble(photos: Path, out: Path, finished: Path) -> None:
    (out / "mira" / "result.json").unlink()
    _train(photos, out)
    assert (out / "mira" / "result.json").is_file()


def test_equal_runs_give_equal_files_and_force_trains_again(
    photos: Path, out: Path, finished: Path
) -> None:
    first = finished.read_bytes()
    forced = _train(photos, out, force=True)
    assert not forced.was_there
    assert forced.adapter.read_bytes() == first


def test_a_character_file_does_not_tell_where_its_photos_were(
    photos: Path, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = _train(photos, out, "identity.level=L0").adapter.read_bytes()
    monkeypatch.chdir(photos.parent)
    shutil.copytree("photos", "somewhere/else")
    moved = _train(Path("somewhere/else"), Path("moved"), "identity.level=L0").adapter
    assert moved.read_bytes() == here
    assert str(photos).encode() not in here


def test_an_interrupted_run_goes_on(photos: Path, out: Path, trained_once: TrainOutcome) -> None:
    straight = trained_once.adapter.read_bytes()

    class Stops(NoProgress):
        def advance(self, n: int = 1, info: str = "") -> None:
            if info.startswith("loss"):
                raise KeyboardInterrupt

    plan = plan_train([photos], name="mira", recipe=_recipe(), out=out)
    with pytest.raises(KeyboardInterrupt):
        run_train(plan, Stops(), faces=Alike())
    plan = plan_train([photos], name="mira", recipe=_recipe(), out=out)
    assert (plan.resumes, plan.is_finished) == (True, False)
    assert "goes on" in plan.describe()
    made = run_train(plan, NoProgress(), faces=Alike())
    assert made.adapter.read_bytes() == straight
    assert not made.was_there
    assert made.describe().count(" s\n") == 1


def test_a_finished_character_is_not_called_unfinished(
    photos: Path, out: Path, finished: Path
) -> None:
    """It "goes on where it stopped", and told the time of the first call as its own."""
    plan = plan_train([photos], name="mira", recipe=_recipe(), out=out)
    assert plan.is_finished
    assert "out: " + str(out / "mira") + " (a finished character of this recipe" in plan.describe()
    again = run_train(plan, NoProgress(), faces=Alike())
    assert again.was_there
    assert " s, earlier; it was finished and nothing was done\n" in again.describe()
    forced = plan_train([photos], name="mira", recipe=_recipe(), out=out, force=True)
    assert not forced.is_finished


def test_the_contrastive_loss_finds_other_faces(photos: Path, out: Path) -> None:
    overrides = ("loss.contrastive=0.1", "loss.identity_max_sigma=1.0", "train.steps=2")
    _train(photos, out, *overrides)
    assert "loss/contrastive" in (out / "mira" / "metrics.jsonl").read_text()


def test_another_recipe_is_refused_and_force_replaces(
    photos: Path, out: Path, finished: Path
) -> None:
    with pytest.raises(CheckpointMismatch, match="another recipe"):
        _train(photos, out, "train.seed=5")
    _train(photos, out, "train.seed=5", "train.steps=1", force=True)
    assert load_character(out / "mira").file.header.training["seed"] == 5


def test_other_photos_are_refused(photos: Path, out: Path, finished: Path) -> None:
    (photos / "4.png").unlink()
    with pytest.raises(CheckpointMismatch, match="other photos"):
        _train(photos, out)


def test_another_vae_is_another_run(photos: Path, out: Path, finished: Path) -> None:
    """Latents of the photos are kept in the folder; those of another VAE must not pass for them."""
    backbone = load_backbone(_recipe())
    with torch.no_grad():
        next(iter(backbone.pipe.vae.parameters())).mul_(1.5)
    plan = plan_train([photos], name="mira", recipe=_recipe(), out=out)
    with pytest.raises(CheckpointMismatch, match="other weights"):
        run_train(plan, NoProgress(), faces=Alike(), backbone=backbone)


def test_what_a_kill_left_behind_is_no_obstacle_and_is_swept(photos: Path, out: Path) -> None:
    """Neither a recipe, before the first file had its name, nor a state."""
    (out / "mira").mkdir(parents=True)
    recipe = out / "mira" / ".recipe-0123abcd.toml"
    recipe.write_text("half of a reci")
    plan = plan_train([photos], name="mira", recipe=_recipe("train.steps=1"), out=out)
    assert not plan.resumes
    state = out / "mira" / ".state-0123abcd.safetensors"
    state.write_bytes(b"half")
    run_train(plan, NoProgress(), faces=Alike())
    assert not recipe.exists()
    assert not state.exists()


def test_a_folder_with_something_else_is_refused(photos: Path, out: Path) -> None:
    (out / "mira").mkdir(parents=True)
    (out / "mira" / "notes.txt").write_text("mine")
    with pytest.raises(OutputExists, match="holds something else"):
        _train(photos, out)
    _train(photos, out, "identity.level=L0", force=True)
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
    assert "found: 5 photos; up to 1 of them held out" in plan.describe()
    json.dumps(plan.to_json())


def test_the_trigger_is_what_captions_and_the_file_say(photos: Path, out: Path) -> None:
    trigger = "a man with black hair and glasses"
    outcome = _train(photos, out, trigger=trigger)
    character = load_character(out / "mira")
    assert outcome.trigger == character.trigger == trigger
    assert f"trigger: {trigger}" in outcome.describe()
    captions = character.file.header.training["captions"]
    assert captions
    assert all(trigger in caption for caption in captions)


def test_words_that_the_backbone_does_not_know_are_named(photos: Path, out: Path) -> None:
    trigger = "a man with curly black hair, freckles"
    plan = plan_train([photos], name="mira", recipe=_recipe(), out=out, trigger=trigger)
    (warning,) = plan.warnings
    assert "tiny does not know 'curly', 'freckles'" in warning
    assert f"trigger: {trigger}" in plan.describe()
    assert f"warning: {warning}" in plan.describe()
    assert plan.to_json()["warnings"] == [warning]
    assert warning in run_train(plan, NoProgress(), faces=Alike()).warnings


def test_a_plan_without_a_trigger_says_what_will_stand_for_the_character(
    photos: Path, out: Path
) -> None:
    plan = plan_train([photos], name="mira", recipe=_recipe(), out=out)
    assert plan.warnings == ()
    assert "trigger: a person, for tiny does not know the name;" in plan.describe()
    known = plan_train([photos], name="woman", recipe=load_recipe(), out=out)
    assert "trigger: a woman person\n" in known.describe()
    plain = _recipe("identity.level=none")
    plan = plan_train([photos], name="mira", recipe=plain, out=out)
    assert "trigger: a mira person\n" in plan.describe()


@pytest.mark.parametrize("trigger", ["", "  "])
def test_a_trigger_needs_words(photos: Path, out: Path, trigger: str) -> None:
    with pytest.raises(UsageError, match=r"trigger is '.*', expected words"):
        plan_train([photos], name="mira", recipe=_recipe(), out=out, trigger=trigger)


def test_another_trigger_is_another_character(photos: Path, out: Path) -> None:
    _train(photos, out, "train.steps=1", trigger="a man")
    with pytest.raises(CheckpointMismatch, match="another trigger"):
        _train(photos, out, "train.steps=1", trigger="a woman")


def test_the_start_is_told_beside_the_best(trained_once: TrainOutcome) -> None:
    outcome = trained_once
    start = outcome.likeness_at_start
    assert start is not None
    assert outcome.likeness is not None
    assert outcome.likeness >= start
    assert f"({start:.3f} at step 0, before training)" in outcome.describe()
    told = any("no checkpoint passed" in warning for warning in outcome.warnings)
    assert told == (outcome.likeness == start)
    header = load_character(outcome.adapter).file.header
    assert header.training["likeness_at_start"] == start


def test_training_that_brought_nothing_is_said(
    photos: Path, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A character that is no better than enrolled must not look trained."""

    def worse_and_worse(*args: Any) -> Any:
        return lambda step: Validation(score=0.5 - step / 100)

    monkeypatch.setattr(train, "likeness_validation", worse_and_worse)
    outcome = _train(photos, out)
    assert (outcome.best_step, outcome.likeness, outcome.likeness_at_start) == (0, 0.5, 0.5)
    (warning,) = [text for text in outcome.warnings if "step 0" in text]
    assert "no checkpoint passed the 0.500 of step 0, so the character is as it was" in warning
    plain = _train(photos, out.parent / "plain", "identity.level=none")
    assert plain.best_step == 2
    advice = "passed the 0.500 of step 0; train for more steps, add photos, or lower"
    assert any(advice in text for text in plain.warnings)


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


def test_half_precision_is_for_the_backbone_alone(photos: Path, out: Path) -> None:
    """The encoder that judges was handed half precision, which numpy does not know."""
    outcome = _train(photos, out, "train.precision=bfloat16", "train.steps=1")
    assert outcome.likeness is not None


def test_the_next_step_can_be_typed(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A character trained elsewhere was called by its name, which is looked for in one folder."""
    monkeypatch.chdir(tmp_path)
    for out, called in ((None, "mira"), (Path("else where"), "else where/mira")):
        outcome = _train(photos, out, "identity.level=L0")  # type: ignore[arg-type]
        *_, step = outcome.describe().splitlines()
        verb, *arguments = shlex.split(step.removeprefix("next: facekit "))
        assert (verb, arguments[-1]) == ("shoot", called)
        assert find_character(called) == outcome.adapter


def test_validation_guides_the_identity_as_shots_do(photos: Path, out: Path) -> None:
    """It chose the checkpoint by two-way guidance, and the shots were guided three ways."""
    overrides = (
        "identity.level=L0",
        "sample.identity_guidance=4",
        "validate.seeds=[11]",
        'validate.prompts=["close-up of {character}"]',
        'validate.aspects=["1:1"]',
    )
    outcome = _train(photos, out, *overrides)
    planned = plan_shoot(
        ["close-up of @mira"], character=str(outcome.adapter), seed=11, out=out / "shots"
    )
    (clip,) = run_shoot(planned, NoProgress()).clips
    validated = read_image(out / "mira" / "samples" / "step-000000.png")
    assert np.array_equal(read_image(clip.with_suffix(".png")), validated)
    plain = _train(photos, out.parent / "two_way", *overrides[:1], *overrides[2:]).adapter
    assert not np.array_equal(read_image(plain.parent / "samples/step-000000.png"), validated)


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("encoder.train=nope", "nope: no such face model, expected one of"),
        ("train.num_frames=3", r"train\.num_frames is 3, expected 4 \* n \+ 1 .*; use 1"),
        ("validate.num_frames=2", r"validate\.num_frames is 2, .* up to 17"),
        ("sample.num_frames=21", r"sample\.num_frames is 21, .*; use 17"),
        ("base.name=nope", "backbone 'nope' is unknown"),
    ],
)
def test_a_plan_refuses_what_must_fail(
    photos: Path, out: Path, override: str, message: str
) -> None:
    with pytest.raises(UsageError, match=message):
        plan_train([photos], name="mira", recipe=_recipe(override), out=out)


def test_packages_that_are_missing_are_told_by_the_plan(
    photos: Path, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("bitsandbytes", "wandb"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(PackageMissing, match=r"bitsandbytes .*pip install 'facekit\[quant\]'"):
        plan_train([photos], name="m", recipe=_recipe("train.optimizer=adamw_8bit"), out=out)
    with pytest.raises(PackageMissing, match=r"wandb .*pip install 'facekit\[track\]'"):
        plan_train([photos], name="m", recipe=_recipe(), out=out, track=["wandb"])
    assert not out.exists()


def test_enrolment_has_nothing_to_track(photos: Path, out: Path) -> None:
    recipe = _recipe("identity.level=L0", "train.steps=0")
    with pytest.raises(UsageError, match="--track tensorboard at the level L0, which has no steps"):
        plan_train([photos], name="mira", recipe=recipe, out=out, track=["tensorboard"])


def test_a_tracked_run_gives_the_same_character_and_force_clears_it(
    photos: Path, out: Path
) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    few = ("validate.loss_levels=1", "train.steps=1", 'validate.aspects=["1:1"]')
    plain = _train(photos, out.parent / "plain", *few)
    plan = plan_train(
        [photos],
        name="mira",
        recipe=_recipe(*few),
        out=out,
        track=["tensorboard", "tensorboard"],
    )
    assert "tracking: tensorboard" in plan.describe().splitlines()
    assert plan.to_json()["track"] == ["tensorboard"]
    made = run_train(plan, NoProgress(), faces=Alike())
    assert made.adapter.read_bytes() == plain.adapter.read_bytes()
    events = EventAccumulator(str(out / "mira" / "tensorboard"))
    events.Reload()
    tags = events.Tags()
    assert {"loss/total", "validate/score", "validate/loss"} <= set(tags["scalars"])
    assert tags["images"] == ["validate/samples"]
    pictures = sorted((out / "mira" / "samples").glob("step-*.png"))
    assert len(events.Images("validate/samples")) == len(pictures) > 1
    assert (out / "mira" / "held_out.safetensors").is_file()
    _train(photos, out, "identity.level=L0", "train.steps=0", force=True)
    assert not (out / "mira" / "tensorboard").exists()
    assert not (out / "mira" / "held_out.safetensors").exists()


def test_a_plain_lora_has_nothing_to_guide(photos: Path, out: Path) -> None:
    recipe = _recipe("identity.level=none", "sample.identity_guidance=2")
    with pytest.raises(UsageError, match=r"is 2 and identity\.level none, which has no identity"):
        plan_train([photos], name="mira", recipe=recipe, out=out)


def test_all_that_does_not_fit_the_backbone_is_told_at_once(photos: Path, out: Path) -> None:
    recipe = _recipe("train.num_frames=3", "validate.num_frames=2")
    with pytest.raises(UsageError, match=r"train\.num_frames(?s:.*)validate\.num_frames"):
        plan_train([photos], name="mira", recipe=recipe, out=out)


def test_a_level_that_needs_a_base_adapter_is_refused_where_none_ships(
    photos: Path, out: Path
) -> None:
    wan = "wan2_1_t2v_1_3b/train"
    plan = plan_train([photos], name="mira", recipe=load_recipe(wan), out=out, drawn=True)
    assert "method: a plain LoRA, no identity branch" in plan.describe()
    assert "backbone: wan2_1_t2v_1_3b (licence Apache-2.0)" in plan.describe()
    assert "warning: wan2_1_t2v_1_3b has no base identity adapter, so nothing" in plan.describe()
    own = plan_train([photos], name="mira", recipe=_recipe("identity.level=none"), out=out)
    assert own.warnings == ()
    recipe = load_recipe(wan, ["identity.level=L2", "loss.contrastive=0.1"])
    with pytest.raises(UsageError, match=r"contrastive is 0\.1, expected 0 for wan2_1_t2v_1_3b"):
        plan_train([photos], name="mira", recipe=recipe, out=out)
    recipe = load_recipe(wan, ["identity.level=L2"])
    message = "ships with facekit, expected .* which identity.level L2 needs;.*identity.level=none"
    with pytest.raises(WeightsMissing, match=message):
        plan_train([photos], name="mira", recipe=recipe, out=out)


def test_all_that_must_be_fetched_first_is_told_by_the_plan(
    photos: Path, out: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from huggingface_hub import constants

    cache = tmp_path / "hub"
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(cache))
    recipe = load_recipe("animatediff_sd15/train")
    (warning,) = [
        each
        for each in plan_train([photos], name="mira", recipe=recipe, out=out, drawn=True).warnings
        if "not on this machine" in each
    ]
    spec = backbone_spec(recipe)
    (motion, commit), (images, _) = spec.family.repositories(spec)
    assert f"run: hf download {motion} --revision {commit} && hf download {images}" in warning
    (cache / f"models--{motion.replace('/', '--')}" / "snapshots" / commit).mkdir(parents=True)
    plan = plan_train([photos], name="mira", recipe=recipe, out=out, drawn=True)
    assert motion not in plan.describe()
    assert images in plan.describe()


@pytest.mark.parametrize(("expert", "noise"), [("low", "little"), ("high", "much")])
def test_which_of_two_networks_is_trained_is_told(
    photos: Path, out: Path, expert: str, noise: str
) -> None:
    recipe = load_recipe("wan2_2_t2v_a14b/train", [f"lora.expert={expert}"])
    plan = plan_train([photos], name="mira", recipe=recipe, out=out, drawn=True)
    assert f"the LoRA for the network of {noise} noise alone" in plan.describe()
    one = plan_train([photos], name="mira", recipe=_recipe(), out=out)
    assert "lora.expert" not in one.describe()


def test_a_source_without_a_backbone_is_refused(photos: Path, out: Path, tmp_path: Path) -> None:
    recipe = load_recipe("toon/train_lora", [f"base.source={tmp_path}"])
    with pytest.raises(WeightsMissing, match=r"no model_index\.json"):
        plan_train([photos], name="mira", recipe=recipe, out=out)


def test_the_device_is_told_and_reaches_the_pipeline(
    photos: Path, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = plan_train([photos], name="mira", recipe=_recipe("train.steps=1"), out=out, device="cpu")
    assert "\ndevice: cpu\n" in plan.describe()
    assert plan.to_json()["device"] == "cpu"
    asked = []
    monkeypatch.setattr(
        processes, "load_backbone", lambda *given, **how: asked.append(given) or load(*given, **how)
    )
    load = load_backbone
    run_train(plan, NoProgress(), faces=Alike())
    assert asked == [(plan.recipe, torch.device("cpu"))]
    with pytest.raises(UsageError, match="no such name"):
        plan_train([photos], name="mira", recipe=_recipe(), out=out, device="gpu")
