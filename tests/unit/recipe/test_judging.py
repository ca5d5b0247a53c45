import pytest

from facekit.errors import RecipeError
from facekit.recipe import load_recipe


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("validate.prompts=[]", "validate.prompts: is empty, expected at least one"),
        ("validate.seeds=[]", "validate.seeds: is empty, expected at least one"),
        ("validate.seeds=[11, 12, 11]", "validate.seeds: holds 11 more than once, expected each"),
        ("validate.prompts=['a', 'a']", "validate.prompts: holds a more than once, expected each"),
        ("validate.prompts=['a', ' ']", "validate.prompts: holds an empty text, expected what"),
    ],
)
def test_validation_that_cannot_be_sampled_is_refused_at_once(override: str, message: str) -> None:
    """The first validation said so, after the photos were read and the weights loaded."""
    with pytest.raises(RecipeError, match=message):
        load_recipe(overrides=[override])


def test_aspects_may_come_more_than_once() -> None:
    """They take turns, so one that comes twice has twice the clips."""
    recipe = load_recipe(overrides=["validate.aspects=['1:1', '1:1', '16:9']"])
    assert recipe.validate.aspects == ("1:1", "1:1", "16:9")
