"""Recipes: TOML into one frozen, closed description of a run."""

from facekit.recipe.loading import (
    RecipeSummary,
    dump_recipe,
    list_recipes,
    load_recipe,
    recipe_digest,
    recipe_path,
)
from facekit.recipe.sections import (
    LEAST_DETECTION_SCORE,
    BaseSection,
    DropoutSection,
    EncoderSection,
    GatesSection,
    IdentitySection,
    Level,
    LoraSection,
    LossSection,
    PhotosSection,
    Recipe,
    SampleSection,
    TrainSection,
    ValidateSection,
)

__all__ = [
    "LEAST_DETECTION_SCORE",
    "BaseSection",
    "DropoutSection",
    "EncoderSection",
    "GatesSection",
    "IdentitySection",
    "Level",
    "LoraSection",
    "LossSection",
    "PhotosSection",
    "Recipe",
    "RecipeSummary",
    "SampleSection",
    "TrainSection",
    "ValidateSection",
    "dump_recipe",
    "list_recipes",
    "load_recipe",
    "recipe_digest",
    "recipe_path",
]
