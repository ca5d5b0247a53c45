"""What a page lists by hand is what the code has."""

from pathlib import Path

from facekit.toon.character import BEARDS, CLOTHES, GLASSES, HAIR_COLORS, HAIR_STYLES
from facekit.toon.scene import ACTIONS, LIGHTS, MOODS, PLACES
from facekit.types import SHOT_SIZES

WORDS = {
    "shot size": SHOT_SIZES,
    "place": PLACES,
    "mood": MOODS,
    "action": ACTIONS,
    "light": LIGHTS,
    "hair": HAIR_STYLES,
    "its color": HAIR_COLORS,
    "glasses": GLASSES,
    "beard": BEARDS,
    "shirt": CLOTHES,
}


def test_the_page_on_shooting_lists_the_words_of_the_toon_world(root: Path) -> None:
    """The words stood in a Python file, which one page named."""
    page = (root / "docs" / "howto" / "shoot.md").read_text()
    for what, words in WORDS.items():
        said = [{"bald": "no hair"}.get(word, word) for word in words if word != "none"]
        assert f"| {what} | {', '.join(said)} |" in page
