import dataclasses
import json
import shutil

import pytest
import torch

from facekit.adapters.character_file import CharacterFile
from facekit.errors import (
    AdapterDamaged,
    AdapterError,
    AdapterMismatch,
    OutputError,
    OutputExists,
    RecipeError,
    UsageError,
)
from facekit.media.video import read_clip
from facekit.recipe import dump_recipe, load_recipe
from facekit.types import NoProgress, Plan
from facekit.workflows import shoot as shooting
from facekit.workflows.shoot import plan_shoot, run_shoot
from facekit.workflows.train import plan_train, run_train

PROMPTS = ("close-up of @mira in the kitchen", "medium shot of @mira in the park")


def plan(trained, out, prompts=PROMPTS, **options):
    return plan_shoot(
        prompts, character=str(trained.adapter), out=out, recipe=trained.recipe, **options
    )


def shoot(trained, made):
    return run_shoot(made, NoProgress(), pipe=trained.backbone.pipe)


def test_every_prompt_gets_its_takes_with_picture_and_record(trained, tmp_path):
    made = plan(trained, tmp_path / "shots", seed=5, takes=2, num_frames=5, aspect="16:9")

    result = shoot(trained, made)

    assert isinstance(made, Plan)
    assert len(result.clips) == 4
    assert [shot.seed for shot in made.shots] == [5, 6, 5, 6]
    for path in result.clips:
        assert read_clip(path).frames.shape == (5, 96, 176, 3)
        assert path.with_suffix(".png").is_file()
        record = json.loads(path.with_suffix(".json").read_text())
        assert "@mira" in record["shot"]["prompt"]
        assert "@" not in record["resolved_prompt"]
        assert record["character"] == "mira"
    *_, step = result.describe().splitlines()
    called = trained.adapter.parent
    assert step == f"next: facekit eval {tmp_path / 'shots'} --with {called}"


def test_the_plan_says_everything_and_makes_nothing(trained, tmp_path):
    made = plan(trained, tmp_path / "shots")

    assert not (tmp_path / "shots").exists()
    text = made.describe()
    assert "a person in the kitchen" in text
    assert json.loads(json.dumps(made.to_json()))["takes"][0]["seed"] == 0


def test_prompts_call_the_character_by_its_trigger(trained, tmp_path):
    trigger = "a man with black hair and glasses"
    enrolled = plan_train(
        [trained.photos],
        name="tom",
        recipe=trained.with_level("L0"),
        out=tmp_path,
        trigger=trigger,
    )
    run_train(enrolled, NoProgress(), faces=trained.faces, backbone=trained.backbone)

    made = plan_shoot(
        ["close-up of @tom in the park"],
        character=str(tmp_path / "tom"),
        out=tmp_path / "shots",
        recipe=trained.recipe,
    )

    assert made.prompts == (f"close-up of {trigger} in the park",)
    (clip,) = shoot(trained, made).clips
    assert json.loads(clip.with_suffix(".json").read_text())["resolved_prompt"] == made.prompts[0]


def test_guiding_the_identity_of_a_plain_lora_is_refused_by_the_plan(trained, tmp_path):
    """It was refused once the backbone was loaded."""
    made = CharacterFile.load(trained.adapter)
    header = dataclasses.replace(made.header, level="none", sites=())
    lora = dataclasses.replace(made, header=header, identity=None, tokens_BKC=None)
    lora.save(tmp_path / "lora.safetensors")
    recipe = load_recipe("tiny/train", ["sample.identity_guidance=2"])

    with pytest.raises(AdapterError, match=r"a plain LoRA .*, got sample\.identity_guidance"):
        plan_shoot(PROMPTS, character=str(tmp_path / "lora.safetensors"), recipe=recipe)


def test_the_same_plan_gives_the_same_bytes(trained, tmp_path):
    first, second = (
        shoot(trained, plan(trained, tmp_path / name, PROMPTS[:1])).clips[0].read_bytes()
        for name in ("a", "b")
    )

    assert first == second


def test_strength_zero_is_the_bare_backbone(trained, tmp_path):
    bare = shoot(trained, plan(trained, tmp_path / "bare", PROMPTS[:1], strength=0.0))
    with_her = shoot(trained, plan(trained, tmp_path / "with", PROMPTS[:1]))

    assert bare.clips[0].read_bytes() != with_her.clips[0].read_bytes()
    assert json.loads(with_her.clips[0].with_suffix(".json").read_text())["strength"] == 1.0


def files(folder):
    return {path: path.stat().st_mtime_ns for path in folder.iterdir()}


def test_the_same_command_goes_on_where_it_was_stopped(trained, tmp_path):
    """It said so, and refused to touch the takes that were there."""
    out = tmp_path / "shots"

    class Stops(NoProgress):
        def advance(self, n: int = 1, info: str = "") -> None:
            if len(list(out.glob("*.png"))) == 1:
                raise KeyboardInterrupt

    def made():
        return plan(trained, out, takes=2, num_frames=1, aspect="9:16", device="cpu")

    pieces = plan(trained, out, num_frames=1, aspect="9:16")
    shoot(trained, dataclasses.replace(pieces, **first(pieces)))
    before = files(out)
    assert made().done == (True, False, False, False)
    with pytest.raises(KeyboardInterrupt):
        run_shoot(made(), Stops(), pipe=trained.backbone.pipe)

    again = made()
    result = shoot(trained, again)

    assert "takes: 4, 1 of them there already" in again.describe()
    assert [take["done"] for take in again.to_json()["takes"]] == [True, False, False, False]
    assert len(result.clips) == 4
    assert all(path.is_file() for path in result.clips)
    assert {path: files(out)[path] for path in before} == before
    finished = files(out)
    assert shoot(trained, made()).clips == result.clips
    assert files(out) == finished


def first(made):
    return {name: getattr(made, name)[:1] for name in ("shots", "prompts", "fingerprints", "done")}


def test_a_finished_command_loads_no_backbone(trained, tmp_path, monkeypatch):
    shoot(trained, plan(trained, tmp_path, PROMPTS[:1]))

    def never(*_):
        raise AssertionError

    monkeypatch.setattr(shooting, "load_backbone", never)
    assert len(run_shoot(plan(trained, tmp_path, PROMPTS[:1]), NoProgress()).clips) == 1


@pytest.mark.parametrize(
    "other",
    [{"strength": 0.5}, {"num_frames": 5}, {"aspect": "16:9"}, {"prompts": [PROMPTS[0] + ", sad"]}],
)
def test_takes_that_were_made_otherwise_are_kept_unless_forced(trained, tmp_path, other):
    asked = {"prompts": PROMPTS[:1], **other}
    shoot(trained, plan(trained, tmp_path, PROMPTS[:1]))
    for path in tmp_path.iterdir():  # the words of a prompt give the name
        path.rename(
            tmp_path / f"{plan(trained, tmp_path / 'x', **asked).shots[0].name}{path.suffix}"
        )

    with pytest.raises(OutputExists, match="--force"):
        plan(trained, tmp_path, **asked)
    assert plan(trained, tmp_path, force=True, **asked).done == (False,)
    plan(trained, tmp_path, seed=9, **asked)


def test_a_take_of_another_character_is_another(trained, tmp_path):
    shoot(trained, plan(trained, tmp_path / "shots", PROMPTS[:1]))
    enrolled = plan_train(
        [trained.photos], name="mira", recipe=trained.with_level("L0"), out=tmp_path
    )
    run_train(enrolled, NoProgress(), faces=trained.faces, backbone=trained.backbone)

    with pytest.raises(OutputExists, match="another prompt, seed, setting, character or backbone"):
        plan_shoot(PROMPTS[:1], character=str(tmp_path / "mira"), out=tmp_path / "shots")


def test_a_character_is_shot_by_the_recipe_that_trained_it(trained, tmp_path):
    """Two steps of the recipe became the 24 of its backbone, and its own weights were forgotten."""
    own = plan_shoot(PROMPTS, character=str(trained.adapter), out=tmp_path)

    assert (own.settings.num_inference_steps, own.shots[0].num_frames) == (2, 1)
    assert own.recipe.base.name == "tiny"
    assert f"recipe: {trained.adapter.parent / 'recipe.toml'}\n" in own.describe()
    assert "sampling: 2 steps" in own.describe()
    result = run_shoot(own, NoProgress())
    record = json.loads(result.clips[0].with_suffix(".json").read_text())
    assert record["sampling"]["num_inference_steps"] == 2
    changed = plan_shoot(
        PROMPTS,
        character=str(trained.adapter),
        out=tmp_path / "other",
        overrides=["sample.num_inference_steps=3", "sample.identity_guidance=2"],
    )
    assert changed.settings.num_inference_steps == 3
    assert "sampling: 3 steps, guidance 3, identity guidance 2," in changed.describe()


def test_without_its_recipe_a_character_is_shot_as_its_backbone_is(trained, tmp_path):
    alone = tmp_path / "mira" / "adapter.safetensors"
    alone.parent.mkdir()
    shutil.copy(trained.adapter, alone)

    made = plan_shoot(PROMPTS, character=str(alone), out=tmp_path / "shots")

    assert made.settings.num_inference_steps == 24
    assert f"recipe: toon/train, for there is no {alone.parent / 'recipe.toml'}" in made.describe()
    (alone.parent / "recipe.toml").write_text("not TOML")
    with pytest.raises(RecipeError, match="not TOML"):
        plan_shoot(PROMPTS, character=str(alone), out=tmp_path / "shots")
    text = dump_recipe(load_recipe("tiny/train", ["sample.num_inference_steps=5"]))
    (alone.parent / "recipe.toml").write_text(text)
    made = plan_shoot(PROMPTS, character=str(alone), out=tmp_path / "shots")
    assert "recipe.toml (not the very one that trained this character)\n" in made.describe()


def test_a_finetuned_backbone_is_found_again(trained, tmp_path):
    """Its folder stood in the recipe, which nobody read."""
    shutil.copytree(trained.adapter.parent, tmp_path / "mira")
    trained.backbone.pipe.save_pretrained(tmp_path / "tuned")
    text = dump_recipe(load_recipe("toon/train", [f"base.source={tmp_path / 'tuned'}"]))
    (tmp_path / "mira" / "recipe.toml").write_text(text)

    made = plan_shoot(
        PROMPTS[:1],
        character=str(tmp_path / "mira"),
        num_frames=1,
        out=tmp_path / "shots",
        overrides=["sample.num_inference_steps=1"],
    )

    assert f"backbone: toon from {tmp_path / 'tuned'}" in made.describe()
    assert run_shoot(made, NoProgress()).clips[0].is_file()


def test_a_recipe_of_another_backbone_is_refused(trained, tmp_path):
    with pytest.raises(AdapterMismatch, match="made for backbone toon, got wan2_1_t2v_1_3b"):
        plan_shoot(
            PROMPTS,
            character=str(trained.adapter),
            out=tmp_path,
            overrides=["base.name=wan2_1_t2v_1_3b"],
        )


def test_the_device_reaches_the_pipeline(trained, tmp_path, monkeypatch):
    made = plan(trained, tmp_path, PROMPTS[:1], device="cpu")
    asked = []

    def load(*given):
        asked.append(given)
        return trained.backbone

    monkeypatch.setattr(shooting, "load_backbone", load)
    run_shoot(made, NoProgress())

    assert asked == [(trained.recipe, torch.device("cpu"))]
    assert "\ndevice: cpu\n" in made.describe()
    assert made.to_json()["device"] == "cpu"


def test_mistakes_are_told_before_anything_is_loaded(trained, tmp_path):
    with pytest.raises(UsageError, match="names @tom, expected one of @mira"):
        plan(trained, tmp_path, ["@tom in the park"])
    with pytest.raises(UsageError, match="num_frames is 6"):
        plan(trained, tmp_path, num_frames=6)
    with pytest.raises(UsageError, match="aspect 4:3: unknown"):
        plan(trained, tmp_path, aspect="4:3")


def test_a_damaged_character_is_refused(trained, tmp_path):
    broken = tmp_path / "adapter.safetensors"
    broken.write_bytes(trained.adapter.read_bytes()[:200])

    with pytest.raises(AdapterDamaged):
        plan_shoot(PROMPTS, character=str(broken), out=tmp_path / "out", recipe=trained.recipe)


def test_a_file_in_the_place_of_the_folder(trained, tmp_path):
    (tmp_path / "out").write_text("")
    with pytest.raises(OutputExists, match="the file exists, expected a folder"):
        plan(trained, tmp_path / "out")
    with pytest.raises(OutputError):
        shoot(trained, plan(trained, tmp_path / "out" / "deeper"))


def test_the_pipeline_is_bare_after_an_interruption(trained, tmp_path):
    class Interrupted(NoProgress):
        def advance(self, n: int = 1, info: str = "") -> None:
            raise KeyboardInterrupt

    pipe = trained.backbone.pipe
    before = {name: type(p) for name, p in pipe.transformer.attn_processors.items()}
    with pytest.raises(KeyboardInterrupt):
        run_shoot(plan(trained, tmp_path / "out"), Interrupted(), pipe=pipe)

    assert {name: type(p) for name, p in pipe.transformer.attn_processors.items()} == before
    assert not list((tmp_path / "out").iterdir())


def test_the_next_step_replaces_the_report_that_older_takes_left(trained, tmp_path):
    """The command that shoot advised was refused by eval."""
    result = shoot(trained, plan(trained, tmp_path / "shots", PROMPTS[:1]))
    assert not result.describe().endswith("--force")
    (tmp_path / "shots" / "report").mkdir()
    (tmp_path / "shots" / "report" / "report.html").touch()
    assert result.describe().endswith(f"--with {trained.adapter.parent} --force")
    bare = plan(trained, tmp_path / "shots" / "base", PROMPTS[:1], strength=0.0)
    step = shoot(trained, bare).describe().splitlines()[-1]
    assert step.startswith(f"next: facekit eval {tmp_path / 'shots'} --with"), "and not of the base"


def plan_on_toon(trained, out, prompts, **options):
    """With the words of the shipped backbone; the tiny one knows next to none."""
    character = str(trained.adapter)
    return plan_shoot(prompts, character=character, out=out, recipe=load_recipe(), **options)


def test_the_plan_tells_what_the_backbone_does_not_understand(trained, tmp_path):
    """Training warned of it, shooting drew something else without a word."""
    made = plan_on_toon(trained, tmp_path, ["close-up of @mira riding a dragon", *PROMPTS])
    (warning,) = made.warnings
    assert "'close-up of @mira riding a dragon': toon does not know 'riding', 'dragon'" in warning
    assert f"warning: {warning}" in made.describe()
    assert made.to_json()["warnings"] == [warning]
    assert plan_on_toon(trained, tmp_path, PROMPTS).warnings == ()


def test_the_plan_tells_where_no_character_is_named(trained, tmp_path):
    asked = ["close-up of a person in the park"]
    (warning,) = plan_on_toon(trained, tmp_path, asked, takes=2).warnings
    assert "names no character" in warning
    assert "say @mira" in warning
    assert plan_on_toon(trained, tmp_path, asked, strength=0.0).warnings == ()


@pytest.mark.parametrize("strength", [-0.1, 3.1, float("nan")])
def test_a_strength_that_draws_only_noise_is_refused(trained, tmp_path, strength):
    with pytest.raises(UsageError, match="expected 0 to 3; 1 is as trained"):
        plan(trained, tmp_path, strength=strength)


def test_progress_is_told_under_the_name_that_was_given(trained, tmp_path):
    made = plan(trained, tmp_path, PROMPTS[:1], num_frames=1)
    labels = []

    class Listens(NoProgress):
        def start(self, total, label):
            labels.append(label)

    shooting.shoot_takes(
        trained.backbone.pipe,
        made.spec,
        made.shots,
        made.prompts,
        made.fingerprints,
        made.settings,
        tmp_path,
        Listens(),
        label="the same without the character",
    )
    assert labels == ["the same without the character"]
