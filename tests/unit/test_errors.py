import ast
import inspect
import re

import pytest

from facekit import errors

TREE = re.compile(r"^[ |+-]*(\w+)\s+(\d+)\b", re.MULTILINE)


def test_drawn_tree_lists_every_error_with_its_exit_code() -> None:
    assert errors.__doc__
    drawn = {name: int(code) for name, code in TREE.findall(errors.__doc__)}
    real = {name: getattr(errors, name).exit_code for name in errors.__all__}
    assert drawn == real


def test_drawn_tree_has_the_real_parents() -> None:
    parents = {
        node.name: ast.unparse(node.bases[0])
        for node in ast.parse(inspect.getsource(errors)).body
        if isinstance(node, ast.ClassDef)
    }
    stack: list[str] = []
    for line in (errors.__doc__ or "").splitlines():
        found = TREE.match(line)
        if not found:
            continue
        depth = (found.start(1) - 4) // 4
        del stack[depth:]
        assert parents[found[1]] == (stack[-1] if stack else "Exception")
        stack.append(found[1])


@pytest.mark.parametrize(
    ("name", "code"),
    [("NoFaceFound", "no_face_found"), ("FacekitError", "facekit_error")],
)
def test_code_is_snake_case(name: str, code: str) -> None:
    assert getattr(errors, name)("x").code == code


def test_next_step_is_what_follows_the_last_semicolon() -> None:
    error = errors.MediaError("a.png: empty; 0 bytes; copy it again")
    assert error.next_step == "copy it again"
    assert errors.MediaError("a.png: empty").next_step == ""
