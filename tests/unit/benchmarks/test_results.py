import json

import pytest
import torch

from benchmarks.results import write_results
from facekit.workflows.machine import provenance


def test_values_are_published_with_where_they_come_from(tmp_path):
    about = provenance(torch.device("cpu"))

    write_results(tmp_path / "x.json", {**about, "tar": 0.9})

    assert json.loads((tmp_path / "x.json").read_text()) == {**about, "tar": 0.9}


def test_values_from_nowhere_are_not_published(tmp_path):
    with pytest.raises(ValueError, match=r"x\.json: no machine, manifest_digest, expected what"):
        write_results(tmp_path / "x.json", {"command": "x", "tar": 0.9})
    assert not (tmp_path / "x.json").exists()
