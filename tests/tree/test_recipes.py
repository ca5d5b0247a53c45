"""Every shipped recipe runs, and a run reads every field of a recipe."""

import sys
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from facekit.backbones import spec_names
from facekit.evaluation import plots
from facekit.faces import vendors
from facekit.recipe import Recipe, card_of, list_recipes, load_recipe
from facekit.types import NoProgress, Shot
from facekit.workflows.characters import evaluation_recipe
from facekit.workflows.evaluate import EvaluateResult, plan_evaluate, run_evaluate
from facekit.workflows.shoot import plan_shoot, run_shoot
from facekit.workflows.train import plan_train, run_train
from tests.tiny.photos import good_photos
from tests.tiny.training import TinyFaces

SMALL = (
    "base.name=tiny",
    "encoder.train=tiny",
    "encoder.report=judge",
    "identity.num_tokens=4",
    "lora.rank=2",
    "photos.holdout=1",
    "photos.min_face_px=16",
    "photos.min_same_person=-1",
    "photos.duplicate_distance=0",
    "train.batch_size=2",
    "validate.seeds=[11]",
    'validate.prompts=["close-up of {character}"]',
    "sample.num_inference_steps=1",
    "sample.num_frames=1",
)
SECTIONS = {
    type(info.default): name
    for name, info in Recipe.model_fields.items()
    if isinstance(info.default, BaseModel)
}
FIELDS = {(name, field) for kind, name in SECTIONS.items() for field in kind.model_fields}


class Judge(TinyFaces):
    """Stands for the report encoder."""

    name = "judge"
    digest = "1" * 64


@pytest.fixture
def small_faces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plots, "DPI", 20)
    for faces in (TinyFaces, Judge):
        monkeypatch.setitem(vendors._loaders, faces.name, faces)


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> set[tuple[str, str]]:
    """Every (section, field) that code of facekit asks for, the checks of recipes left out."""
    seen: set[tuple[str, str]] = set()

    def record(section: Any, field: str) -> Any:
        asks = str(sys._getframe(1).f_globals.get("__name__", ""))
        if asks.startswith("facekit.") and not asks.startswith("facekit.recipe"):
            seen.add((SECTIONS[type(section)], field))
        return object.__getattribute__(section, field)

    for kind in SECTIONS:
        monkeypatch.setattr(kind, "__getattribute__", record)
    return seen


def run(recipe: Recipe, folder: Path) -> EvaluateResult:
    """Photos to a report; nothing is described, for telling a value is not using it."""
    good_photos(folder / "photos")
    planned = plan_train([folder / "photos"], name="mira", recipe=recipe, out=folder)
    made = run_train(planned, NoProgress())
    shots = plan_shoot(
        ["close-up of @mira in the park"],
        character=str(made.adapter),
        recipe=recipe,
        out=folder / "shots",
    )
    run_shoot(shots, NoProgress())
    character = str(made.adapter)
    measured = plan_evaluate(
        [folder / "shots"], character=character, recipe=evaluation_recipe(character)
    )
    assert measured.recipe == recipe
    return run_evaluate(measured, NoProgress())


ON_THEIR_OWN_MODEL = {f"{name}/train" for name in spec_names() if name != "toon"}
"""Those of `test_backbone_recipes`, which asks the same of them and runs them where they belong."""


@pytest.mark.parametrize(
    "name",
    [
        summary.name
        for summary in list_recipes()
        if summary.name not in ON_THEIR_OWN_MODEL and card_of(summary.name) is None
    ],
)
def test_every_recipe_runs(name: str, small_faces: None, tmp_path: Path) -> None:
    """From photos to a report, at tiny size, for two steps at most.

    Those for cards run on their own backbones, in test_card_recipes.py.
    """
    steps = min(load_recipe(name).train.steps, 2)
    recipe = load_recipe(name, [*SMALL, f"train.steps={steps}"])
    result = run(recipe, tmp_path)
    assert result.report.is_file()
    assert (tmp_path / "mira" / "recipe.toml").is_file()


def test_a_run_reads_every_field(
    small_faces: None, reads: set[tuple[str, str]], tmp_path: Path
) -> None:
    """A knob without a reader is a lie; the reader of another section's field is none."""
    assert len(FIELDS) > 50
    result = run(load_recipe("tiny/train", [*SMALL, "train.steps=1"]), tmp_path)
    unread = FIELDS - reads
    gates = {(section, field) for section, field in unread if section == "gates"}
    assert unread == gates
    # A gate min_x or max_x judges the figure x.
    assert {field.partition("_")[2] for _, field in gates} == {
        gate.gate.figure for gate in result.gates
    }


def test_only_the_section_counts_and_only_code_of_facekit(reads: set[tuple[str, str]]) -> None:
    """An attribute of the same name elsewhere once passed for a reader."""
    recipe = Recipe()
    shot = Shot(name="a", prompt="b", seed=0, num_frames=1, height=8, width=8, kind="close-up")
    look = "shot.num_frames, recipe.validate.num_frames"
    eval(look, {"shot": shot, "recipe": recipe, "__name__": "tests.tree"})
    eval(look, {"shot": shot, "recipe": recipe, "__name__": "facekit.recipe.sections"})
    assert reads == set()
    eval("shot.num_frames", {"shot": shot, "__name__": "facekit.workflows.shoot"})
    assert reads == set()
    eval(look, {"shot": shot, "recipe": recipe, "__name__": "facekit.workflows.shoot"})
    assert reads == {("validate", "num_frames")}
