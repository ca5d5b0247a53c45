"""What is allowed and better known before a shot is made."""

from collections.abc import Iterator, Sequence

from facekit.adapters.character import Character
from facekit.adapters.conditioning import Strength, is_zero
from facekit.recipe import Recipe
from facekit.types import Shot
from facekit.workflows.backbone import backbone_spec, load_tokenizer, unknown_words

__all__ = ["shoot_warnings"]


def shoot_warnings(
    shots: Sequence[Shot],
    prompts: Sequence[str],
    characters: Sequence[Character],
    recipe: Recipe,
    strength: Strength,
    *,
    has_start: bool,
) -> Iterator[str]:
    """Tell what a plan should say, a sentence each.

    Args:
        shots: With `@name` as it was given.
        prompts: What the backbone reads, one per shot.
        characters: Who may be in them.
        recipe: Which backbone.
        strength: Of the characters.
        has_start: Whether a picture or a clip begins them.
    """
    if backbone_spec(recipe).family.needs_picture and not has_start:
        yield (
            f"{recipe.base.name} begins every clip with a picture, and none is given, so an empty"
            " grey one begins them; give one with --first-frame, or choose a backbone that draws"
            " from text alone"
        )
    tokenizer = load_tokenizer(recipe)
    texts = dict(zip((shot.prompt for shot in shots), prompts, strict=True))
    for asked, prompt in texts.items():
        if unknown := unknown_words(tokenizer, prompt):
            yield (
                f"prompt {asked!r}: {recipe.base.name} does not know"
                f" {', '.join(map(repr, unknown))}, so to it any unknown word means the same;"
                " choose words that it knows"
            )
        if not is_zero(strength) and "@" not in asked:
            yield (
                f"prompt {asked!r}: names no character, so nothing in it says that"
                f" {characters[0].name} is there; say @{characters[0].name} where the person"
                " belongs"
            )
