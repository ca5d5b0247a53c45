"""What a page lists by hand is what the code has."""

import re
from pathlib import Path

import pytest

from facekit.recipe import load_recipe
from facekit.toon.character import BEARDS, CLOTHES, GLASSES, HAIR_COLORS, HAIR_STYLES
from facekit.toon.scene import ACTIONS, LIGHTS, MOODS, PLACES
from facekit.types import SHOT_SIZES
from facekit.workflows.check import plan_check, run_check

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


def test_the_page_on_checking_shows_what_check_says_of_the_samples(
    root: Path, monkeypatch: pytest.MonkeyPatch, update_goldens: bool
) -> None:
    """The page showed a table that no photos gave; ``--update-goldens`` writes it anew."""
    path, photos = root / "docs" / "howto" / "check_photos.md", "datasets/toon_mira"
    page = path.read_text()
    command = f"facekit check {photos} --as mira"
    assert f"`{command}`" in page
    monkeypatch.chdir(root)
    report = run_check(plan_check([photos], recipe=load_recipe("toon/train"), name="mira"))
    said = "\n".join(f"    {line}".rstrip() for line in report.describe().splitlines())
    shown = re.search(r"^    photo\b.*?(?=\n\n\S)", page, re.MULTILINE | re.DOTALL)
    assert shown is not None
    if update_goldens:
        path.write_text(page.replace(shown[0], said))
    else:
        assert shown[0] == said
