import json

import pytest

from facekit.errors import AdapterDamaged, OutputError, OutputExists, UsageError
from facekit.media.video import read_clip
from facekit.types import NoProgress, Plan
from facekit.workflows.shoot import plan_shoot, run_shoot

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
    assert "facekit eval" in result.describe()


def test_the_plan_says_everything_and_makes_nothing(trained, tmp_path):
    made = plan(trained, tmp_path / "shots")

    assert not (tmp_path / "shots").exists()
    text = made.describe()
    assert "a person in the kitchen" in text
    assert json.loads(json.dumps(made.to_json()))["takes"][0]["seed"] == 0


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


def test_takes_that_are_there_are_kept_unless_forced(trained, tmp_path):
    shoot(trained, plan(trained, tmp_path, PROMPTS[:1]))

    with pytest.raises(OutputExists, match="--force"):
        plan(trained, tmp_path, PROMPTS[:1])
    plan(trained, tmp_path, PROMPTS[:1], force=True)
    plan(trained, tmp_path, PROMPTS[:1], seed=9)


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
