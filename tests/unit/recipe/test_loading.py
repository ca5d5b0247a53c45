import json
import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from facekit.errors import RecipeError
from facekit.recipe import Recipe, dump_recipe, list_recipes, load_recipe, recipe_digest


def write(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.write_text(text)
    return path


def test_default_recipe_is_toon_l2() -> None:
    recipe = load_recipe()
    assert (recipe.base.name, recipe.identity.level) == ("toon", "L2")


def test_every_shipped_recipe_loads_and_says_what_it_is() -> None:
    summaries = list_recipes()
    assert "toon/train" in [summary.name for summary in summaries]
    assert all(summary.description for summary in summaries)


@pytest.mark.parametrize("summary", list_recipes(), ids=lambda summary: summary.name)
def test_dump_and_load_give_the_same_recipe(summary: object, tmp_path: Path) -> None:
    recipe = load_recipe(summary.path)  # type: ignore[attr-defined]
    again = load_recipe(write(tmp_path, "again.toml", dump_recipe(recipe)))
    assert again == recipe
    assert recipe_digest(again) == recipe_digest(recipe)


def test_a_score_that_no_detector_gives_is_refused() -> None:
    with pytest.raises(RecipeError, match=r"photos\.min_detection_score"):
        load_recipe(overrides=["photos.min_detection_score=0.3"])


@pytest.mark.parametrize("level", ["L1", "L2", "none"])
def test_a_level_that_trains_takes_a_step(level: str) -> None:
    """At 0 steps the plan said L2, and an untrained file was written."""
    with pytest.raises(
        RecipeError, match=rf"\n  identity\.level {level} trains and train\.steps is 0"
    ):
        load_recipe("toon/train_l0", [f"identity.level={level}"])


def test_guiding_the_identity_needs_guidance_of_the_text() -> None:
    """It was left away without a word."""
    with pytest.raises(RecipeError, match="sample: identity_guidance is 2 and guidance_scale 1"):
        load_recipe(overrides=["sample.identity_guidance=2", "sample.guidance_scale=1"])


def test_override_is_toml_and_a_bare_word_is_a_string() -> None:
    recipe = load_recipe(
        overrides=["lora.rank=32", "encoder.report = toon-c", "identity.sigma_window=[0.1, 0.9]"]
    )
    assert recipe.lora.rank == 32
    assert recipe.encoder.report == "toon-c"
    assert recipe.identity.sigma_window == (0.1, 0.9)


def test_later_override_wins() -> None:
    assert load_recipe(overrides=["lora.rank=4", "lora.rank=8"]).lora.rank == 8


def test_extends_merges_section_by_section(tmp_path: Path) -> None:
    write(tmp_path, "below.toml", 'description = "b"\n[lora]\nrank = 4\nalpha = 8.0\n')
    path = write(tmp_path, "above.toml", 'extends = "below.toml"\n[lora]\nrank = 2\n')
    recipe = load_recipe(path)
    assert (recipe.lora.rank, recipe.lora.alpha, recipe.description) == (2, 8.0, "")


def test_extends_is_one_level_deep(tmp_path: Path) -> None:
    write(tmp_path, "a.toml", "")
    write(tmp_path, "b.toml", 'extends = "a.toml"')
    path = write(tmp_path, "c.toml", 'extends = "b.toml"')
    with pytest.raises(RecipeError, match=r"expected one level; extend a\.toml instead"):
        load_recipe(path)


def test_all_mistakes_at_once_with_the_nearest_name(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        "bad.toml",
        '[lora]\nrnak = 3\n[train]\nsteps = -1\n[lossy]\nx = 1\n[identity]\nlevel = "L5"\n'
        "[dropout]\nidentity = 0.6\ntext = 0.6\n",
    )
    with pytest.raises(RecipeError) as caught:
        load_recipe(path)
    message = str(caught.value)
    assert message.startswith(f"{path}: 5 mistakes\n")
    assert "lora.rnak: unknown key (did you mean 'rank'?)" in message
    assert "train.steps: got -1, expected greater than or equal to 0" in message
    assert "lossy: unknown key (did you mean 'loss'?)" in message
    assert "identity.level: got 'L5', expected 'L0', 'L1', 'L2' or 'none'" in message
    assert "dropout: identity + text + both is 1.25, expected at most 1" in message
    assert caught.value.next_step.startswith("see facekit recipe show toon/train for")


def test_encoder_that_trains_may_not_report() -> None:
    for one in ("encoder.report=toon-a", "encoder.train=toon-b"):
        with pytest.raises(RecipeError, match=r"two different encoders .set the other key as well"):
            load_recipe(overrides=[one])
    both = load_recipe(overrides=["encoder.report=toon-a", "encoder.train=toon-b"]).encoder
    assert (both.train, both.report) == ("toon-b", "toon-a")


@pytest.mark.parametrize("override", ["lora.rank", "=3", ".rank=3", "lora.=3"])
def test_malformed_override(override: str) -> None:
    with pytest.raises(RecipeError, match=r"expected section\.key=value"):
        load_recipe(overrides=[override])


def test_unknown_recipe_lists_the_known_ones() -> None:
    with pytest.raises(RecipeError, match=r"did you mean 'toon/train'.*tiny/train.*; see"):
        load_recipe("toon/trian")


def test_broken_toml_names_the_file(tmp_path: Path) -> None:
    path = write(tmp_path, "x.toml", "[lora\nrank = 3")
    with pytest.raises(RecipeError, match=r"x\.toml: not TOML .*line 1"):
        load_recipe(path)


def test_recipe_is_frozen() -> None:
    with pytest.raises(ValueError, match="frozen"):
        load_recipe().lora.rank = 3  # type: ignore[misc]


def test_digest_ignores_the_description_and_nothing_else() -> None:
    recipe = load_recipe()
    other = Recipe.model_validate({**recipe.model_dump(), "description": "other"})
    assert recipe_digest(other) == recipe_digest(recipe)
    assert recipe_digest(load_recipe(overrides=["train.seed=1"])) != recipe_digest(recipe)


def test_every_field_is_documented() -> None:
    for name, section in Recipe.model_fields.items():
        if name == "description":
            continue
        model = type(section.default)
        missing = [key for key, info in model.model_fields.items() if not info.description]
        assert not missing, name


@given(st.text(max_size=40))
def test_any_text_survives_the_dump(text: str) -> None:
    recipe = Recipe.model_validate({"description": text})
    assert tomllib.loads(dump_recipe(recipe))["description"] == text


def test_a_gate_is_switched_off_by_a_word_that_survives_the_dump(tmp_path: Path) -> None:
    """A mark that nothing misses looked like a gate that everything passes."""
    off = load_recipe("toon/train", ["gates.min_xmin=off"])
    assert (off.gates.max_m_cp, off.gates.min_xmin) == (None, None)
    text = dump_recipe(off)
    assert 'max_m_cp = "off"\nmax_m_cp_over_truth = 0.15\n' in text
    (tmp_path / "mine.toml").write_text(text)
    again = load_recipe(tmp_path / "mine.toml")
    assert again == off
    assert recipe_digest(again) == recipe_digest(off) != recipe_digest(load_recipe("toon/train"))
    assert json.dumps(off.model_dump(mode="json"), allow_nan=False)
    for wrong in ("2", "inf", "of"):
        with pytest.raises(RecipeError, match=r"gates\.min_xmin: got "):
            load_recipe("toon/train", [f"gates.min_xmin={wrong}"])


def test_what_is_no_number_is_told_in_few_words() -> None:
    with pytest.raises(RecipeError, match="steps: got 'abc', expected a valid integer;"):
        load_recipe("toon/train", ["train.steps=abc"])


def test_a_key_of_another_section_is_told_and_that_it_was_an_override() -> None:
    with pytest.raises(RecipeError) as caught:
        load_recipe("toon/train", ["validate.num_inference_steps=2"])
    message = str(caught.value)
    assert "train.toml with --set validate.num_inference_steps=2: 1 mistake" in message
    assert "unknown key (did you mean sample.num_inference_steps?)" in message
