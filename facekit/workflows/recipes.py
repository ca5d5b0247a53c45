"""Recipes as things to list, show, copy and check."""

import shlex
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from facekit.errors import UsageError, WeightsError
from facekit.media.files import ensure_new, write_text
from facekit.recipe import (
    CARDS_GB,
    Recipe,
    RecipeSummary,
    card_of,
    dump_recipe,
    list_recipes,
    load_recipe,
    recipe_digest,
    recipe_estimates,
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
    estimates: Mapping[str, float]
    """Memory that a recipe takes, by its name, where that was estimated; units of 2**30 bytes."""

    def describe(self) -> str:
        """One line each: name, memory and description; then cards that nothing fits."""
        width = max((len(recipe.name) for recipe in self.recipes), default=0)
        lines = [f"{r.name:<{width}}  {self._gb(r.name):>7}  {r.description}" for r in self.recipes]
        lines += [
            f"{backbone:<{width}}  {'':>7}  nothing fits {', '.join(map(str, cards))} GB"
            for backbone, cards in self._without().items()
        ]
        return "\n".join(lines)

    def to_json(self) -> Mapping[str, object]:
        """Name, description, the card it is for and what it was estimated to take, of each."""
        return {
            "recipes": [
                {
                    "name": r.name,
                    "description": r.description,
                    "card_gb": card_of(r.name),
                    "estimated_gb": self.estimates.get(r.name),
                }
                for r in self.recipes
            ],
            "nothing_fits_gb": {name: list(cards) for name, cards in self._without().items()},
        }

    def _gb(self, name: str) -> str:
        return f"{self.estimates[name]:.1f} GB" if name in self.estimates else ""

    def _without(self) -> dict[str, tuple[int, ...]]:
        names = {recipe.name for recipe in self.recipes}
        large = dict.fromkeys(name.partition("/")[0] for name in self.estimates)
        found = {
            backbone: tuple(gb for gb in CARDS_GB if f"{backbone}/train_{gb}gb" not in names)
            for backbone in large
        }
        return {backbone: cards for backbone, cards in found.items() if cards}


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
    estimated_gb: float | None = None
    """Memory of a graphics card that training takes, in units of 2**30 bytes; None of the embedded
    backbone, which fits everywhere, and of one whose shape is not known."""

    def describe(self) -> str:
        """The file, its digest and what training takes."""
        takes = "" if self.estimated_gb is None else f", takes about {self.estimated_gb:.1f} GB"
        return f"{self.path}: fine, digest {self.digest[:12]}{takes}"

    def to_json(self) -> Mapping[str, object]:
        """The same as plain data."""
        return {
            "path": str(self.path),
            "digest": self.digest,
            "estimated_gb": self.estimated_gb,
        }


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
    return RecipeList(recipes=list_recipes(), estimates=recipe_estimates())


def resolve(source: str, overrides: Sequence[str] = ()) -> ResolvedRecipe:
    """Load a recipe with its defaults, parent and overrides.

    Raises:
        RecipeError: Every mistake in one message.
    """
    return ResolvedRecipe(recipe=load_recipe(source, overrides))


def check_recipe(source: str, overrides: Sequence[str] = ()) -> CheckedRecipe:
    """Prove that a recipe is well formed and that its backbone can do it, without running it.

    Raises:
        RecipeError: Every mistake in one message.
        UsageError: The backbone is unknown, or cannot do what is asked of it.
    """
    recipe = load_recipe(source, overrides)
    # torch and the backbones, some seconds: listing is without, and so is a mistake in the text
    from facekit.workflows.cost import recipe_cost
    from facekit.workflows.train_checks import misfits

    if mistakes := list(misfits(recipe)):
        raise UsageError("\n".join(mistakes))
    estimated = None
    if recipe.base.name not in ("toon", "tiny"):
        with suppress(WeightsError):
            estimated = round(recipe_cost(recipe).peak / 2**30, 2)
    return CheckedRecipe(
        path=recipe_path(source), digest=recipe_digest(recipe), estimated_gb=estimated
    )


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
