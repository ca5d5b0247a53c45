"""What the documents show can be typed."""

import ast
import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import typer.main
from typer.core import TyperGroup

import facekit
from facekit_cli.main import app

ROOT = Path(__file__).resolve().parents[2]


def blocks(language: str) -> list[str]:
    text = (ROOT / "README.md").read_text()
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.MULTILINE | re.DOTALL)


def command_lines() -> list[str]:
    lines = "\n".join(blocks("")).splitlines()
    return [line for line in lines if line.startswith("facekit ")]


def test_readme_shows_commands_and_python() -> None:
    assert len(command_lines()) >= 4
    assert len(blocks("python")) == 1


@pytest.mark.parametrize("line", command_lines())
def test_command_line_parses(line: str) -> None:
    _, *arguments = shlex.split(line)
    root: Any = typer.main.get_command(app)
    context = root.make_context("facekit", list(arguments))
    name, command, rest = root.resolve_command(context, list(arguments))
    parsed = command.make_context(name, rest, parent=context)
    if isinstance(command, TyperGroup):
        name, inner, rest = command.resolve_command(parsed, rest)
        assert name is not None
        assert inner is not None
        parsed = inner.make_context(name, rest, parent=parsed)
    assert parsed.params


def test_python_uses_public_names_only() -> None:
    tree = ast.parse(blocks("python")[0])
    used = {
        node.attr
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute)
        and isinstance(node.value, ast.Name)
        and node.value.id == "facekit"
    }
    assert used
    assert used <= set(facekit.__all__)
