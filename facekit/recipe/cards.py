"""Recipes that are made for the memory of a graphics card."""

import json
import re

from facekit.errors import UsageError
from facekit.resources import recipes_dir

__all__ = ["CARDS_GB", "ESTIMATES_FILE", "card_of", "card_recipe", "recipe_estimates"]

CARDS_GB = (8, 16, 24, 48, 80)
"""The memory of common graphics cards, in units of 2**30 bytes."""

ESTIMATES_FILE = "estimates.json"
"""Beside the recipes: the name of each, and what it was estimated to take."""

_CARD = re.compile(r"/train_(\d+)gb$")
_MISSING_SHARE = 0.06
"""A card tells a little less than what it is sold as."""


def card_of(name: str) -> int | None:
    """The memory that a recipe is named after; None where it is made for none."""
    found = _CARD.search(name)
    return int(found[1]) if found else None


def recipe_estimates() -> dict[str, float]:
    """What recipes were estimated to take, by their names; units of 2**30 bytes."""
    path = recipes_dir() / ESTIMATES_FILE
    if not path.is_file():
        return {}
    found: dict[str, float] = json.loads(path.read_text(encoding="utf-8"))
    return found


def card_recipe(base: str, memory_gb: float) -> str:
    """Name the recipe of a backbone for a card: the one for the largest that is no larger.

    Args:
        base: The backbone.
        memory_gb: Of the card, in units of 2**30 bytes.

    Raises:
        UsageError: The backbone has recipes for cards, and none for one as small.
    """
    root = recipes_dir() / base
    cards = [gb for gb in CARDS_GB if (root / f"train_{gb}gb.toml").is_file()]
    fitting = [gb for gb in cards if gb <= memory_gb / (1 - _MISSING_SHARE)]
    if fitting:
        return f"{base}/train_{fitting[-1]}gb"
    if not cards:
        return f"{base}/train"
    raise UsageError(
        f"{base} cannot be trained in {memory_gb:g} GB, expected a card of {cards[0]} GB or more;"
        " choose another --base, or a recipe of your own with --recipe"
    )
