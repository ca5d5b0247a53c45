"""Every error on purpose ends in a next step; read from the code, so that none is forgotten."""

import ast
from collections.abc import Iterator
from pathlib import Path

from facekit import errors

COMPOSED = {
    "facekit/adapters/loaded_character.py": "{given[0].source}: {error}",
    "facekit/curation/inspection.py": "{'\\n  '.join([head, *self.set_aside])}{tail}",
    "facekit/generation/shots.py": "{'\\n'.join(mistakes)}",
    "facekit/media/unpack.py": "{source.name}: {source.refusal}",
    "facekit/recipe/loading.py": "{_explain(where, error)}",
    "facekit/workflows/recipes.py": "{'\\n'.join(mistakes)}",
    "facekit/workflows/train_checks.py": "{'\\n'.join(mistakes)}",
}
"""Messages made of parts that have their next step already; a golden shows each of them."""


def said(node: ast.expr) -> str:
    """The text of a message, with its expressions in braces."""
    if isinstance(node, ast.Constant):
        return str(node.value)
    if isinstance(node, ast.JoinedStr):
        return "".join(said(part) for part in node.values)
    if isinstance(node, ast.BinOp):
        return said(node.left) + said(node.right)
    inside = node.value if isinstance(node, ast.FormattedValue) else node
    return f"{{{ast.unparse(inside)}}}"


def messages(path: Path) -> Iterator[tuple[int, str]]:
    """Line and text of every error of the project that a module makes."""
    for node in ast.walk(ast.parse(path.read_text())):
        if (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Name)
            and node.func.id in errors.__all__
            and node.args
        ):
            yield node.lineno, said(node.args[0])


def without_a_step(root: Path) -> list[str]:
    found = []
    for path in sorted((root / "facekit").rglob("*.py")):
        name = path.relative_to(root).as_posix()
        for line, text in messages(path):
            step = text.rpartition(";")[2].strip() if ";" in text else ""
            if not step and text != COMPOSED.get(name):
                found.append(f"{name}:{line} {text}")
    return found


def test_every_error_names_a_next_step(root: Path) -> None:
    """A golden once held twenty messages, and five of the others led nowhere."""
    assert without_a_step(root) == []


def test_every_exception_to_that_is_still_there(root: Path) -> None:
    for name, text in COMPOSED.items():
        assert text in [message for _, message in messages(root / name)], name


def test_the_test_can_fail(tmp_path: Path) -> None:
    path = tmp_path / "facekit" / "x.py"
    path.parent.mkdir()
    path.write_text('raise UsageError(f"{a}: bad" + " again")\nraise MediaError("bad; mend it")\n')
    assert without_a_step(tmp_path) == ["facekit/x.py:1 {a}: bad again"]
