"""The tables of `docs/howto/train.md`: speed, exactness and memory of training."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmarks.tables import markdown_table

__all__ = ["training_tables"]

_LARGE_MIB = 200.0
_ROWS = {
    "floor": "bare loop of diffusers and peft",
    "lora": "facekit, LoRA alone",
    "lora_identity": "+ identity branch",
    "lora_identity_loss": "+ identity loss in every fourth step",
}


def training_tables(results_dir: Path) -> str:
    """Return the tables in markdown.

    Args:
        results_dir: Holds training.json, resume.json and memory.json.
    """
    found = {
        name: json.loads((results_dir / f"{name}.json").read_text(encoding="utf-8"))
        for name in ("training", "resume", "memory")
    }
    return "\n\n".join(
        [
            _steps(found["training"]),
            _told(found["training"], found["resume"]),
            _held(found["memory"]),
        ]
    )


def _steps(training: Mapping[str, Any]) -> str:
    shapes = training["shapes"]
    head = ["One step", *(f"{name}: time, memory" for name in shapes)]
    rows = [
        [
            title,
            *(
                f"{shape['step'][row]['ratio_of_medians']:.2f} x,"
                f" {shape['step'][row]['peak_ratio']:.2f} x"
                for shape in shapes.values()
            ),
        ]
        for row, title in _ROWS.items()
    ]
    folded = [
        "identity branch when sampling, over a LoRA alone",
        *(f"{_folded(shape['sampling_pass']):.2f} x" for shape in shapes.values()),
    ]
    return markdown_table(head, [*rows, folded])


def _folded(passes: Mapping[str, Any]) -> float:
    own, lora = passes["lora_identity"], passes["lora"]
    return float(own["seconds_median"] / lora["seconds_median"])


def _told(training: Mapping[str, Any], resume: Mapping[str, Any]) -> str:
    cases = training["memory_estimates"]["cases"]
    # Of a smaller network libraries hold more than the network does.
    large = [row for row in cases if row["estimated_mib"] > _LARGE_MIB]
    tensors = max(abs(row["error_to_tensors"]) for row in cases)
    resident = max(abs(row["error_to_resident"]) for row in large)
    start = training["seconds_to_the_first_step"]
    return (
        f"Every row's first loss and gradient are the bare loop's. Estimated memory is"
        f" {tensors:.1%} off what tensors hold at most, and for {len(large)} networks of 60 M"
        f" weights and more {resident:.1%} off what the process holds. From the command to the"
        f" first step: {start['cold']:.1f} s, and {start['warm']:.1f} s with all in the cache"
        " (toon encodes eight drawings in no time)."
        f" {resume['kills']} kills -9 at random"
        f" moments of {resume['runs']} runs: {resume['identical_adapters']} of {resume['runs']}"
        " adapters are the same to the byte as without."
    )


def _held(memory: Mapping[str, Any]) -> str:
    head = ["`memory.base_weights`", "weights", "step", "loss differs by"]
    rows = [
        [
            name,
            f"{row['stored_mb']:.0f} MB",
            f"{row['step_ratio']:.2f} x",
            f"{row['loss_difference']:.2%}",
        ]
        for name, row in memory["rows"].items()
    ]
    return markdown_table(head, rows)
