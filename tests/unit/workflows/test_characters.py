import dataclasses
import shlex
from pathlib import Path

import pytest

from facekit.adapters.character import load_character
from facekit.adapters.character_file import CharacterFile
from facekit.errors import RecipeError, UsageError
from facekit.recipe import dump_recipe, load_recipe
from facekit.workflows.characters import (
    ADAPTER_FILE,
    RECIPE_FILE,
    call_character,
    evaluation_recipe,
    find_character,
    shooting_recipe,
)


def test_a_name_a_folder_and_a_file_all_find_the_character(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "characters" / "mira"
    folder.mkdir(parents=True)
    (folder / ADAPTER_FILE).write_bytes(b"x")

    for name in ("mira", str(folder), str(folder / ADAPTER_FILE)):
        assert find_character(name).resolve() == folder / ADAPTER_FILE


def test_an_unknown_name_lists_the_known_ones(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError, match="train one with: facekit train PHOTOS --as tom"):
        find_character("tom")
    (tmp_path / "characters" / "mira").mkdir(parents=True)
    (tmp_path / "characters" / "mira" / ADAPTER_FILE).write_bytes(b"x")
    with pytest.raises(UsageError, match="expected one of mira"):
        find_character("tom")


def test_what_is_said_after_with_leads_back_to_the_file(tmp_path, monkeypatch):
    """A character outside of `characters` was called by its name, which led nowhere."""
    monkeypatch.chdir(tmp_path)
    for place in ("characters/mira", "my faces/mira", "characters/old/mira"):
        Path(place).mkdir(parents=True)
        (Path(place) / ADAPTER_FILE).write_bytes(b"x")
    Path("tom.safetensors").write_bytes(b"x")

    adapters = [
        Path("characters/mira") / ADAPTER_FILE,
        Path("my faces/mira") / ADAPTER_FILE,
        tmp_path / "characters/old/mira" / ADAPTER_FILE,
        Path("tom.safetensors"),
    ]
    called = [call_character(adapter) for adapter in adapters]

    assert called[0] == "mira"
    assert called[1] == "'my faces/mira'"
    for adapter, said in zip(adapters, called, strict=True):
        (argument,) = shlex.split(said)
        assert find_character(argument).resolve() == adapter.resolve()


def test_a_character_knows_the_recipe_that_trained_it(trained):
    character = load_character(trained.adapter)

    recipe, source = shooting_recipe(character, ["sample.num_inference_steps=7"])

    assert source == str(trained.adapter.parent / RECIPE_FILE)
    assert recipe.sample.num_inference_steps == 7
    assert shooting_recipe(character) == (trained.recipe, source)


def encoders(path, *settings):
    encoder = evaluation_recipe(str(path), settings).encoder
    return encoder.train, encoder.report


def test_the_character_knows_which_encoder_trained_it(trained, tmp_path):
    """Trained by toon-b, it was refused, and the advice led from one refusal to the next."""
    made = CharacterFile.load(trained.adapter)
    assert made.header.encoder == "tiny"
    assert encoders(trained.adapter) == ("tiny", "judge")
    path = tmp_path / ADAPTER_FILE
    for name, pair in {"toon-a": ("toon-a", "toon-b"), "toon-b": ("toon-b", "toon-a")}.items():
        header = dataclasses.replace(made.header, encoder=name)
        dataclasses.replace(made, header=header).save(path)
        assert encoders(path) == pair
        assert encoders(path, "encoder.report=judge") == (name, "judge")
    assert evaluation_recipe(str(path), ["gates.min_xmin=0.25"]).gates.min_xmin == 0.25
    with pytest.raises(RecipeError, match="'toon-b', expected two different encoders"):
        evaluation_recipe(str(path), ["encoder.report=toon-b"])


def test_a_character_is_measured_by_the_gates_of_its_own_recipe(trained, tmp_path):
    """`eval` always took those of toon/train, which gate no copying: there the truth is known."""
    folder = tmp_path / "mira"
    folder.mkdir()
    path = folder / ADAPTER_FILE
    made = CharacterFile.load(trained.adapter)
    made.save(path)
    own = load_recipe("tiny/train", ["gates.max_drift=0.5", "photos.duplicate_distance=2"])
    (folder / RECIPE_FILE).write_text(dump_recipe(own))

    measured = evaluation_recipe(str(path), ["gates.min_xmin=0.25"])

    assert (measured.gates.max_drift, measured.gates.min_xmin) == (0.5, 0.25)
    assert measured.photos.duplicate_distance == 2
    assert evaluation_recipe(str(trained.adapter)) == trained.recipe


def test_copying_is_gated_where_no_truth_is_known(trained, tmp_path):
    path = tmp_path / ADAPTER_FILE
    made = CharacterFile.load(trained.adapter)
    limits = {}
    for backbone in ("toon", "wan2_1_t2v_1_3b"):
        header = dataclasses.replace(made.header, backbone=backbone)
        dataclasses.replace(made, header=header).save(path)
        limits[backbone] = evaluation_recipe(str(path)).gates.max_m_cp
    assert limits == {"toon": None, "wan2_1_t2v_1_3b": 0.15}


def test_a_file_that_is_no_character_is_a_slip_and_no_damage(tmp_path):
    """README.md was called a damaged character, to be fetched again."""
    (tmp_path / "README.md").write_text("# no character")

    with pytest.raises(UsageError, match=r"no such character, expected .*\.safetensors file"):
        find_character(str(tmp_path / "README.md"))
