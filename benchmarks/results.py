"""How a benchmark publishes: one JSON file with where the values come from, and the values."""

import json
from collections.abc import Mapping
from pathlib import Path

from facekit.media.files import write_text

RESULTS_DIR = Path(__file__).resolve().parents[1] / "docs" / "results"
PROVENANCE = ("command", "machine", "manifest_digest")
"""What `facekit.workflows.machine.provenance` gives."""


def write_results(path: Path, content: Mapping[str, object]) -> None:
    """Write what a benchmark measured, with where it comes from.

    Raises:
        ValueError: The content does not say where it comes from.
        OutputError: It cannot be written.
    """
    missing = [key for key in PROVENANCE if not content.get(key)]
    if missing:
        raise ValueError(
            f"{path}: no {', '.join(missing)}, expected what provenance() gives; add it"
        )
    write_text(path, json.dumps(content, indent=1, allow_nan=False) + "\n")
