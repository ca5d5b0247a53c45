from pathlib import Path

import pytest

from facekit.errors import OutputExists, UsageError
from facekit.recipe import load_recipe
from facekit.workflows import recipes


def test_list_aligns_names_and_descriptions() -> None:
    lines = recipes.list_shipped().describe().splitlines()
    assert len({line.index("  ") for line in lines if line.startswith("toon/train_lora")}) == 1
    assert all("  " in line for line in lines)


def test_shown_recipe_is_a_recipe(tmp_path: Path) -> None:
    shown = recipes.resolve("toon/train", ["lora.rank=4"])
    path = tmp_path / "x.toml"
    path.write_text(shown.describe())
    assert load_recipe(path) == shown.recipe
    assert shown.to_json()["digest"]


def test_check_names_file_and_digest() -> None:
    checked = recipes.check_recipe("toon/train")
    assert checked.describe().endswith(f"fine, digest {checked.digest[:12]}")
    assert checked.to_json()["digest"] == checked.digest


def test_copy_keeps_comments_and_asks_before_replacing(tmp_path: Path) -> None:
    target = tmp_path / "mine.toml"
    copied = recipes.copy_recipe("toon/train", target)
    assert target.read_text().startswith("#")
    assert str(target) in copied.describe()
    assert copied.to_json() == {"path": str(target)}
    spaced = recipes.copy_recipe("toon/train", tmp_path / "my own.toml")
    assert spaced.describe().endswith(f"--recipe '{tmp_path / 'my own.toml'}'")
    with pytest.raises(OutputExists, match="choose another FILE or add --force"):
        recipes.copy_recipe("toon/train", target)


def test_copy_wants_a_toml_name(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"ending in \.toml; add the ending"):
        recipes.copy_recipe("toon/train", tmp_path / "mine.txt")
