"""Recipes as things to list, show, copy and check."""

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from facekit.errors import UsageError
from facekit.media.files import ensure_new, write_text
from facekit.recipe import (
    Recipe,
    RecipeSummary,
    dump_recipe,
    list_recipes,
    load_recipe,
    recipe_digest,
    recipe_path,
)

__all__ = [
    "CheckedRecipe",
    "CopiedRecipe",
    "RecipeList",
    "ResolvedRecipe",
    "check_recipe",
    "copy_recipe",
    "list_shipped",
    "resolve",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class RecipeList:
    """The shipped recipes."""

    recipes: tuple[RecipeSummary, ...]

    def describe(self) -> str:
        """One line each: name and description."""
        width = max((len(recipe.name) for recipe in self.recipes), default=0)
        return "\n".join(f"{r.name:<{width}}  {r.description}" for r in self.recipes)

    def to_json(self) -> Mapping[str, object]:
        """Name and description of each."""
        return {"recipes": [{"name": r.name, "description": r.description} for r in self.recipes]}


@dataclass(frozen=True, slots=True, kw_only=True)
class ResolvedRecipe:
    """A recipe with every value it decides."""

    recipe: Recipe

    def describe(self) -> str:
        """The complete TOML."""
        return dump_recipe(self.recipe).rstrip("\n")

    def to_json(self) -> Mapping[str, object]:
        """The values and their digest."""
        return {
            "recipe": self.recipe.model_dump(mode="json"),
            "digest": recipe_digest(self.recipe),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckedRecipe:
    """A recipe without mistakes."""

    path: Path
    digest: str

    def describe(self) -> str:
        """The file and its digest."""
        return f"{self.path}: fine, digest {self.digest[:12]}"

    def to_json(self) -> Mapping[str, object]:
        """The file and its digest."""
        return {"path": str(self.path), "digest": self.digest}


@dataclass(frozen=True, slots=True, kw_only=True)
class CopiedRecipe:
    """A recipe that is now the user's own."""

    path: Path

    def describe(self) -> str:
        """The new file and how to use it."""
        named = shlex.quote(str(self.path))
        return f"{self.path}: written; use it with facekit train PHOTOS --as NAME --recipe {named}"

    def to_json(self) -> Mapping[str, object]:
        """The new file."""
        return {"path": str(self.path)}


def list_shipped() -> RecipeList:
    """List what ships with facekit.

    Raises:
        RecipeError: A shipped recipe is broken.
    """
    return RecipeList(recipes=list_recipes())


def resolve(source: str, overrides: Sequence[str] = ()) -> ResolvedRecipe:
    """Load a recipe with its defaults, parent and overrides.

    Raises:
        RecipeError: Every mistake in one message.
    """
    return ResolvedRecipe(recipe=load_recipe(source, overrides))


def check_recipe(source: str, overrides: Sequence[str] = ()) -> CheckedRecipe:
    """Prove that a recipe is well formed, without running it.

    Raises:
        RecipeError: Every mistake in one message.
    """
    recipe = load_recipe(source, overrides)
    return CheckedRecipe(path=recipe_path(source), digest=recipe_digest(recipe))


def copy_recipe(source: str, target: Path, *, force: bool = False) -> CopiedRecipe:
    """Copy a recipe as it is written, comments and all, to a file of the user's own.

    Raises:
        UsageError: The target does not end in .toml.
        OutputExists: The target is there.
        OutputError: The target cannot be written.
    """
    if target.suffix != ".toml":
        raise UsageError(f"{target}: expected a name ending in .toml; add the ending")
    content = recipe_path(source).read_text(encoding="utf-8")
    write_text(ensure_new(target, force, other="FILE"), content)
    return CopiedRecipe(path=target)
