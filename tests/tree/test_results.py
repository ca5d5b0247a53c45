"""Published numbers belong to the weights that ship."""

import json
from pathlib import Path

import pytest

from facekit.resources import toon_dir
from facekit.weights import MANIFEST_NAME, file_digest

RESULTS = Path(__file__).resolve().parents[2] / "docs" / "results"


@pytest.mark.parametrize("name", sorted(path.name for path in RESULTS.glob("*.json")))
def test_results_were_made_with_the_weights_that_ship(name: str) -> None:
    """Numbers of older weights stay in the documents unless something says so."""
    content = json.loads((RESULTS / name).read_text(encoding="utf-8"))
    shipped = file_digest(toon_dir() / MANIFEST_NAME)
    assert content["manifest_digest"] == shipped, f"run again: {content['command']}"
