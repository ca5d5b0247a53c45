"""Promises about the tree itself, so that no one has to remember them."""

import ast
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

import facekit
from facekit.recipe import Recipe

MOST_LINES = 600
DATA_FOLDERS = ("recipes", "datasets", "docs")


def sources(root: Path) -> list[Path]:
    return sorted([*(root / "facekit").rglob("*.py"), *(root / "cli").rglob("*.py")])


def test_there_are_sources(root: Path) -> None:
    assert len(sources(root)) > 20


@pytest.mark.parametrize("folder", DATA_FOLDERS)
def test_no_python_among_the_data(root: Path, folder: str) -> None:
    """A .py there would make the folder shadow an installed library of that name."""
    assert not list((root / folder).rglob("*.py"))


def test_no_module_directly_in_cli(root: Path) -> None:
    assert not list((root / "cli").glob("*.py"))


def test_no_folder_for_everything_else(root: Path) -> None:
    banned = {"utils", "util", "common", "helpers", "misc", "manager", "engine"}
    assert not [path for path in sources(root) if banned & {path.stem, path.parent.name}]


def test_modules_stay_short(root: Path) -> None:
    lengths = {path: len(path.read_text().splitlines()) for path in sources(root)}
    too_long = [f"{path}: {n} lines" for path, n in lengths.items() if n > MOST_LINES]
    assert not too_long


def test_code_is_ascii(root: Path) -> None:
    assert not [path for path in sources(root) if not path.read_bytes().isascii()]


def test_packages_are_packages(root: Path) -> None:
    """A forgotten __init__.py makes a namespace package, which the contracts do not see."""
    folders = {path.parent for path in sources(root)}
    assert not [folder for folder in folders if not (folder / "__init__.py").is_file()]


def attributes_read(files: list[Path]) -> set[str]:
    return {
        node.attr
        for path in files
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Load)
    }


def words_read(files: list[Path]) -> set[str]:
    return {
        node.value
        for path in files
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }


def recipe_fields() -> Iterator[tuple[str, str]]:
    for section, info in Recipe.model_fields.items():
        for field in getattr(type(info.default), "model_fields", {}):
            yield section, field


def test_every_recipe_field_is_read_somewhere(root: Path) -> None:
    """A knob without a reader is a lie."""
    outside = [p for p in sources(root) if p.parent != root / "facekit" / "recipe"]
    read = attributes_read(outside)
    words = words_read(outside)  # a gate min_x or max_x is read as the figure x
    fields = list(recipe_fields())
    assert len(fields) > 50
    unread = [f"{section}.{field}" for section, field in fields if field not in read]
    figures = [name for name in unread if name.startswith("gates.")]
    assert set(unread) == set(figures)
    assert not [name for name in figures if name.partition("_")[2] not in words]


def test_the_field_test_can_fail(tmp_path: Path) -> None:
    path = tmp_path / "x.py"
    path.write_text("recipe.lora.rank = 3\nprint(recipe.lora.alpha)\n")
    assert attributes_read([path]) == {"lora", "alpha"}


def test_public_names_are_sorted_real_and_documented(root: Path) -> None:
    assert facekit.__all__ == sorted(facekit.__all__)
    assert all(getattr(facekit, name) is not None for name in facekit.__all__)
    text = (root / "docs" / "index.md").read_text()
    listed = re.findall(r"^\| `(\w+)` \|", text, re.MULTILINE)
    assert listed == facekit.__all__


def test_unknown_public_name() -> None:
    with pytest.raises(AttributeError, match="'facekit' has no attribute 'nonsense'"):
        facekit.nonsense  # noqa: B018
    assert set(facekit.__all__) <= set(dir(facekit))


def dependencies(root: Path) -> list[str]:
    project = tomllib.loads((root / "pyproject.toml").read_text())["project"]
    wanted = [*project["dependencies"], *project["optional-dependencies"]["dev"]]
    return [re.split(r"[>=<\[]", name)[0] for name in wanted]


def test_every_dependency_is_pinned(root: Path) -> None:
    lines = (root / "constraints.txt").read_text().splitlines()
    pinned = {line.split("==")[0].lower() for line in lines if "==" in line}
    assert not [name for name in dependencies(root) if name.lower() not in pinned]


def test_torch_has_one_version(root: Path) -> None:
    """The Makefile installs torch before everything else, at the pinned version."""
    (pinned,) = re.findall(r"^torch==(\S+)$", (root / "constraints.txt").read_text(), re.MULTILINE)
    assert f"torch=={pinned} -c constraints.txt" in (root / "Makefile").read_text()


def test_readme_names_the_two_commands(root: Path) -> None:
    text = (root / "README.md").read_text()
    assert "```\nmake demo\n```" in text
    assert "```\nmake test\n```" in text


def test_links_between_documents_lead_somewhere(root: Path) -> None:
    pages = [root / "README.md", *(root / "docs").rglob("*.md")]
    broken = [
        f"{page.relative_to(root)}: {link}"
        for page in pages
        for link in re.findall(r"\]\(([^)#:]+)\)", page.read_text())
        if not (page.parent / link).exists()
    ]
    assert not broken
