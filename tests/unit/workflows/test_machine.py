import hashlib
import sys

import pytest
import torch

from facekit.errors import WeightsMissing
from facekit.resources import toon_dir
from facekit.workflows.machine import command_line, machine_facts, provenance


@pytest.mark.parametrize(
    ("whole", "given", "told"),
    [
        (["/x/python3", "-m", "benchmarks.demo", "--quick"], ["--quick"], None),
        (["/x/python3", "-W", "ignore", "-m", "benchmarks.demo", "--quick"], ["--quick"], None),
        (["/x/python3", "/x/bin/facekit", "demo", "-m"], ["demo", "-m"], "facekit demo -m"),
        (["/x/python3", "/x/bin/facekit", "eval", "a b"], ["eval", "a b"], "facekit eval 'a b'"),
    ],
)
def test_the_command_is_what_was_typed(monkeypatch, whole, given, told):
    """A run of `python -m benchmarks.demo` was published as `facekit demo`."""
    program = "/x/bin/facekit" if told else "/x/benchmarks/demo.py"
    monkeypatch.setattr(sys, "orig_argv", whole)
    monkeypatch.setattr(sys, "argv", [program, *given])

    assert command_line() == (told or "python -m benchmarks.demo --quick")


def test_the_device_is_the_one_that_was_used(monkeypatch):
    """On a machine with a GPU, numbers made on the CPU carried the GPU's name."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: f"GPU {device.index}")

    assert machine_facts(torch.device("cpu"))["device"] == "cpu"
    assert machine_facts(torch.device("cuda:1"))["device"] == "GPU 1"


def test_provenance_names_the_weights(tmp_path):
    shipped = hashlib.sha256((toon_dir() / "manifest.json").read_bytes()).hexdigest()
    (tmp_path / "manifest.json").write_text("{}")

    facts = provenance(torch.device("cpu"))
    assert list(facts) == ["command", "machine", "manifest_digest"]
    assert facts["manifest_digest"] == shipped
    assert provenance(torch.device("cpu"), tmp_path)["manifest_digest"] != shipped
    with pytest.raises(WeightsMissing):
        provenance(torch.device("cpu"), tmp_path / "nothing")
