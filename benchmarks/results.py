"""How a benchmark publishes: one JSON file with the command, the machine and the values."""

import json
import sys
from collections.abc import Mapping
from pathlib import Path

from facekit.media.files import write_text
from facekit.workflows.machine import machine_facts

RESULTS_DIR = Path(__file__).resolve().parents[1] / "docs" / "results"


def write_results(path: Path, values: Mapping[str, object]) -> None:
    """Write values with the command line that made them and what they were made on."""
    module = Path(sys.argv[0]).stem
    command = " ".join(["python -m benchmarks." + module, *sys.argv[1:]])
    content = {"command": command, "machine": machine_facts(), **values}
    write_text(path, json.dumps(content, indent=1) + "\n")
