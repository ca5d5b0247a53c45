"""The page on the Python API: its code runs, and every row of its table is a test."""

import ast
import re
from pathlib import Path
from typing import Any

import pytest

import facekit
from tests.tiny.backbones import tiny_character, tiny_pipe

TESTS = ("test_diffusers_features", "test_diffusers_memory", "test_other_loras")
TESTS += ("test_pipeline_calls",)


def read_page(root: Path) -> str:
    return (root / "docs" / "howto" / "python_api.md").read_text(encoding="utf-8")


def test_the_code_of_the_page_runs(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From the first line to the last, on a small model of the toon backbone's classes."""
    monkeypatch.chdir(tmp_path)
    pipe = tiny_pipe()
    for seed, name in enumerate(("mira", "anna")):
        (tmp_path / "characters" / name).mkdir(parents=True)
        tiny_character(pipe, seed=seed).save(tmp_path / "characters" / name / "adapter.safetensors")
    pipe.save_pretrained(tmp_path / "toon")
    monkeypatch.setattr(facekit, "toon_backbone_dir", lambda: tmp_path / "toon")
    blocks = re.findall(r"```python\n(.*?)```", read_page(root), re.S)
    code = "\n".join(blocks).replace("num_inference_steps=20", "num_inference_steps=2")
    code = code.replace("height=96", "height=32").replace("width=96", "width=32")
    code = code.replace("num_frames=9", "num_frames=5")
    names: dict[str, Any] = {}
    exec(code, names)
    assert (names["in_the_block"] == names["plainly"]).all()
    bare = names["draw"]("mira in the park", names["length"])
    assert not (names["plainly"] == bare).all()
    assert len(blocks) == 5


def test_every_row_is_a_test_and_every_test_a_row(root: Path) -> None:
    rows = re.findall(r"^\|.*\| `(test_\w+)` \|$", read_page(root), re.M)
    there = [
        node.name
        for name in TESTS
        for node in ast.parse((root / "tests" / "invariants" / f"{name}.py").read_text()).body
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")
    ]
    assert sorted(rows) == sorted(there)
