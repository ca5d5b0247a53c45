"""What is in the wheel is exactly what is in the tree."""

from pathlib import Path

from hatchling.builders.wheel import WheelBuilder

MAPPED = {"facekit": "facekit", "cli": "", "recipes": "facekit/_share/recipes"}
MAPPED["datasets"] = "facekit/_share/datasets"
CACHES = {"__pycache__", ".ruff_cache", ".mypy_cache"}


def expected(root: Path) -> set[str]:
    return {
        (Path(target) / path.relative_to(root / folder)).as_posix()
        for folder, target in MAPPED.items()
        for path in (root / folder).rglob("*")
        if path.is_file() and not CACHES & set(path.parts)
    }


def test_wheel_holds_every_file_of_the_tree(root: Path) -> None:
    """An unanchored pattern in .gitignore once dropped a folder without a word."""
    builder = WheelBuilder(str(root))
    found = {
        Path(file.distribution_path).as_posix()
        for file in builder.recurse_included_files()
        if not CACHES & set(Path(file.distribution_path).parts)
    }
    assert found == expected(root)


def test_the_comparison_can_fail(root: Path) -> None:
    assert "facekit/_share/recipes/toon/train.toml" in expected(root)
    assert "facekit_cli/main.py" in expected(root)
