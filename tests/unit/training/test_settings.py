"""The settings of a run say what the recipe says, and have no values of their own."""

import dataclasses

import pytest

from facekit.adapters.lora import LoraSettings
from facekit.recipe import Recipe, load_recipe
from facekit.training.settings import Dropout, LossWeights, TrainSettings


@pytest.mark.parametrize("kind", [TrainSettings, LossWeights, Dropout])
def test_a_default_stands_in_the_recipe_alone(kind: type) -> None:
    own = [
        field.name
        for field in dataclasses.fields(kind)
        if field.default is not dataclasses.MISSING
        or field.default_factory is not dataclasses.MISSING
    ]
    assert own == []
    with pytest.raises(TypeError, match="missing"):
        LoraSettings(alpha=1.0)  # type: ignore[call-arg]


def test_what_the_recipe_says_arrives() -> None:
    recipe = load_recipe(
        overrides=[
            "train.steps=7",
            "identity.lr=0.5",
            "lora.lr=0.25",
            "loss.flow=2",
            "dropout.text=0.3",
        ]
    )
    settings = TrainSettings.from_recipe(recipe)
    assert (settings.steps, settings.token_lr, settings.lora_lr) == (7, 0.5, 0.25)
    assert (settings.weights.flow, settings.dropout.text) == (2.0, 0.3)
    assert TrainSettings.from_recipe(Recipe()).weights == LossWeights(**Recipe().loss.model_dump())
    assert TrainSettings.from_recipe(Recipe()).dropout == Dropout(**Recipe().dropout.model_dump())
