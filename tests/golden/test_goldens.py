"""Text that people and scripts rely on; a change is accepted with --update-goldens."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.golden import reference
from tests.golden.messages import messages

GOLDENS = {
    "docs/reference/cli.md": reference.cli_reference,
    "docs/reference/dataset.schema.json": reference.dataset_schema,
    "docs/reference/preset.schema.json": reference.preset_schema_text,
    "docs/reference/recipe.md": reference.recipe_reference,
    "docs/reference/storyboard.md": reference.storyboard_reference,
    "docs/reference/storyboard.schema.json": reference.storyboard_schema_text,
    "tests/golden/files/options.txt": reference.option_list,
}


def compare(path: Path, text: str, update: bool) -> None:
    if update:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    assert path.is_file(), f"{path}: missing; run pytest tests/golden --update-goldens"
    assert path.read_text() == text


@pytest.mark.parametrize("name", GOLDENS)
def test_golden(root: Path, name: str, update_goldens: bool) -> None:
    make: Callable[[], str] = GOLDENS[name]
    compare(root / name, make(), update_goldens)


def test_messages(root: Path, tmp_path: Path, update_goldens: bool) -> None:
    """Every message is read aloud once: what, got, expected, next step, with the file named."""
    path = root / "tests" / "golden" / "files" / "messages.txt"
    compare(path, messages(tmp_path), update_goldens)


def test_every_message_names_a_next_step(tmp_path: Path) -> None:
    lines = messages(tmp_path).strip().split("\n\n")
    assert len(lines) >= 55
    assert not [line for line in lines if ";" not in line]


def test_exit_codes_are_all_documented() -> None:
    assert reference.exit_codes_of_errors() <= set(reference.EXIT_CODES)


@pytest.mark.parametrize("verb", ["check", "train", "shoot", "eval", "demo", "doctor"])
def test_everyday_verbs_are_there(verb: str) -> None:
    assert f"facekit {verb}" in [path for path, _, _ in reference.commands()]
