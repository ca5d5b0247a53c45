"""What is worth saying of a recipe before anything is trained."""

from collections.abc import Iterator

from facekit.backbones.hub import fetch_commands
from facekit.recipe import Recipe
from facekit.workflows.backbone import (
    backbone_spec,
    has_base_adapter,
    load_tokenizer,
    unknown_words,
)

__all__ = ["plan_warnings"]


def plan_warnings(trigger: str | None, recipe: Recipe) -> Iterator[str]:
    """What is allowed and better known before training.

    Args:
        trigger: The words for the character, where they were given.
        recipe: Of the run.
    """
    if recipe.identity.level == "none" and not has_base_adapter(recipe):
        yield (
            f"{recipe.base.name} has no base identity adapter, so nothing but a plain LoRA can be"
            " trained on it"
        )
    spec = backbone_spec(recipe)
    if not recipe.base.source and (missing := fetch_commands(spec)):
        yield f"{spec.name} is not on this machine, and is needed; run: {' && '.join(missing)}"
    if spec.family.needs_picture:
        chosen = "set validate.every to 0 to keep the last weights" if recipe.validate.every else ""
        yield (
            f"{recipe.base.name} begins every clip with a picture, and validation has an empty grey"
            f" one alone, so its score says nothing; {chosen or 'the last weights are kept'}, judge"
            " them on clips of your own"
        )
    unknown = unknown_words(load_tokenizer(recipe), trigger) if trigger else ()
    if unknown:
        yield (
            f"trigger {trigger!r}: {recipe.base.name} does not know"
            f" {', '.join(map(repr, unknown))}, so to it any unknown word means the same; choose"
            " words that it knows"
        )
