"""Recipes: TOML into one frozen, closed description of a run."""

from facekit.recipe.cards import (
    CARDS_GB,
    ESTIMATES_FILE,
    card_of,
    card_recipe,
    recipe_estimates,
)
from facekit.recipe.judging import GatesSection, SampleSection, ValidateSection
from facekit.recipe.loading import (
    RecipeSummary,
    dump_recipe,
    list_recipes,
    load_recipe,
    recipe_digest,
    recipe_path,
    training_recipe,
)
from facekit.recipe.sections import (
    LEAST_DETECTION_SCORE,
    BaseSection,
    CaptionsSection,
    DropoutSection,
    EncoderSection,
    IdentitySection,
    LoraSection,
    LossSection,
    PhotosSection,
    Recipe,
)
from facekit.recipe.training import ClipsSection, MemorySection, NoiseSection, TrainSection
from facekit.recipe.values import Level

__all__ = [
    "CARDS_GB",
    "ESTIMATES_FILE",
    "LEAST_DETECTION_SCORE",
    "BaseSection",
    "CaptionsSection",
    "ClipsSection",
    "DropoutSection",
    "EncoderSection",
    "GatesSection",
    "IdentitySection",
    "Level",
    "LoraSection",
    "LossSection",
    "MemorySection",
    "NoiseSection",
    "PhotosSection",
    "Recipe",
    "RecipeSummary",
    "SampleSection",
    "TrainSection",
    "ValidateSection",
    "card_of",
    "card_recipe",
    "dump_recipe",
    "list_recipes",
    "load_recipe",
    "recipe_digest",
    "recipe_estimates",
    "recipe_path",
    "training_recipe",
]
