"""The example of docs/howto/add_a_backbone.md is a backbone like any other."""

import importlib.util
import inspect
import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from facekit.backbones import detect_spec, get_spec, spec
from facekit.backbones.family import Family
from facekit.generation.sample import SampleSettings, sample
from facekit.recipe import load_recipe
from facekit.types import Shot
from facekit.workflows.probe_base import probe_base
from tests.invariants import test_attach, test_character
from tests.tiny.backbones import network_of, predict, tiny_adapter, tiny_pipe

NAME = "example_2b"


@pytest.fixture
def page(root: Path) -> str:
    return (root / "docs" / "howto" / "add_a_backbone.md").read_text()


@pytest.fixture
def family(page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Family]:
    """The file of the page, imported; its spec is forgotten afterwards."""
    (source,) = re.findall(r"```python\n(.*?)```", page, flags=re.DOTALL)
    path = tmp_path / "example.py"
    path.write_text(source)
    monkeypatch.setattr(spec, "_SPECS", dict(spec._SPECS))
    found = importlib.util.spec_from_file_location("example", path)
    assert found is not None
    assert found.loader is not None
    module = importlib.util.module_from_spec(found)
    found.loader.exec_module(module)
    yield module.EXAMPLE.family
    assert get_spec(NAME) is module.EXAMPLE


def _invariants() -> Iterator[Callable[..., None]]:
    """Those that run on one backbone."""
    for module in (test_attach, test_character):
        for name, test in inspect.getmembers(module, inspect.isfunction):
            takes = set(inspect.signature(test).parameters)
            if name.startswith("test_") and takes and takes <= {"pipe", "backbone", "adapter"}:
                yield test


def test_there_are_invariants() -> None:
    assert len(list(_invariants())) > 10


@pytest.mark.parametrize("invariant", _invariants(), ids=lambda test: test.__name__)
def test_every_invariant_holds(family: Family, invariant: Callable[..., None]) -> None:
    pipe = tiny_pipe(NAME)
    given = {
        "pipe": pipe,
        "backbone": NAME,
        "adapter": tiny_adapter(network_of(pipe), get_spec(NAME)),
    }
    invariant(**{name: given[name] for name in inspect.signature(invariant).parameters})


def test_it_is_found_and_samples_through_the_stock_pipeline(family: Family) -> None:
    pipe = tiny_pipe(NAME)
    example = get_spec(NAME)
    assert detect_spec(pipe) is example
    shot = Shot(
        name="a", prompt="a woman", seed=1, num_frames=5, height=32, width=48, kind="close-up"
    )
    settings = SampleSettings(num_inference_steps=1, guidance_scale=2.0, fps=8.0)
    (clip,) = sample(pipe, [shot], example, settings)
    assert clip.frames.shape == (5, 32, 48, 3)


def test_it_loads_what_was_saved_and_can_be_probed(family: Family, tmp_path: Path) -> None:
    pipe = tiny_pipe(NAME)
    pipe.save_pretrained(tmp_path / "saved")
    loaded = get_spec(NAME).load(tmp_path / "saved")
    torch.testing.assert_close(predict(loaded), predict(pipe))
    told: Any = probe_base(NAME, tmp_path / "saved").to_json()
    assert json.dumps(told["sites"]) == json.dumps(
        [{"path": f"blocks.{index}.attn2", "width": 24} for index in (0, 2)]
    )


def test_the_recipe_of_the_page_is_one(family: Family, page: str, tmp_path: Path) -> None:
    after = page.split("## The recipe", 1)[1].split("##", 1)[0]
    text = "\n".join(line.removeprefix("    ") for line in after.strip().splitlines())
    path = tmp_path / "train.toml"
    path.write_text(text)
    recipe = load_recipe(str(path))
    assert recipe.base.name == NAME
    assert recipe.sample.num_frames is not None
    get_spec(NAME).check_frames(recipe.sample.num_frames)


def test_the_page_names_what_a_family_can_override(page: str) -> None:
    table = page.split("may have to say beside", 1)[1].split("##", 1)[0]
    rows = [row.split("|")[1] for row in table.splitlines() if row.startswith("| `")]
    named = [name for row in rows for name in re.findall(r"`(\w+)`", row)]
    assert named
    assert not [name for name in named if not hasattr(Family, name)]
    shown = set(re.findall(r"def (\w+)\(self", page))
    assert shown >= Family.__abstractmethods__
