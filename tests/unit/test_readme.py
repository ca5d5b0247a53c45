"""The README's Python does what it says, on the embedded weights."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from facekit.backbones import get_spec
from facekit.recipe import load_recipe
from facekit.resources import datasets_dir
from facekit.types import NoProgress
from facekit.workflows.train import plan_train, run_train

README = Path(__file__).resolve().parents[2] / "README.md"


def test_the_python_of_the_readme_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    recipe = load_recipe("toon/train_l0", ["sample.num_inference_steps=4"])
    run_train(plan_train([datasets_dir() / "toon_mira"], name="mira", recipe=recipe), NoProgress())
    (block,) = re.findall(r"```python\n(.*?)```", README.read_text(encoding="utf-8"), re.S)
    names: dict[str, Any] = {}
    exec(block, names)
    with_mira = np.asarray(names["frames"])
    assert with_mira.shape == (1, 9, 96, 96, 3)
    assert names["length"] == get_spec("toon").max_sequence_length
    assert names["prompt"] == f"close-up of {names['character'].trigger} in the park"
    pipe = names["pipe"]
    assert not any(
        "Identity" in type(p).__name__ for p in pipe.transformer.attn_processors.values()
    )
