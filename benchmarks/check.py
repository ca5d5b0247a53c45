"""How well the photo check finds planted defects, how often it errs, and how fast it is.

    python -m benchmarks.check
    python -m benchmarks.check --part speed

Writes docs/results/check.json and check.png. Characters are drawn from `CHECK_SEED` on, which no
weight has seen and no threshold was chosen on.
"""

import argparse
import json
import tempfile
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.check_speed import measure_speed, write_large, write_small
from benchmarks.planted import CHECK_SEED, DEFECTS, NUM_CLEAN, write_set
from benchmarks.results import RESULTS_DIR, write_results
from facekit.curation.checks import covered_limit
from facekit.curation.inspecting import inspect_photos
from facekit.faces.protocols import FaceVendor
from facekit.faces.vendors import load_faces
from facekit.media.known_files import SETTLED_S
from facekit.media.scan import scan_sources
from facekit.recipe import PhotosSection, load_recipe
from facekit.workflows.machine import provenance

__all__ = [
    "confusion",
    "draw_confusion",
    "main",
    "measure_rates",
    "measure_speeds",
    "rates",
]

PARTS = ("rates", "speed")
USED = "used"


def confusion(
    folder: Path, seeds: Sequence[int], rules: PhotosSection, faces: FaceVendor
) -> Counter[tuple[str, tuple[str, ...]]]:
    """Check one set per character, and count what was planted against what was said.

    Returns:
        (defect, codes) -> photos; the codes in the order they are told, or `used` alone. A clean
        photo is "clean".
    """
    counts: Counter[tuple[str, tuple[str, ...]]] = Counter()
    for seed in seeds:
        write_set(folder / str(seed), seed)
        inspection = inspect_photos(scan_sources([folder / str(seed)]), rules, faces)
        verdicts = {Path(v.source).stem: v for v in inspection.verdicts}
        if verdicts["copy"].usable:  # the better of two copies stays, whichever it is
            verdicts["copy"], verdicts["clean_0"] = verdicts["clean_0"], verdicts["copy"]
        for stem, verdict in verdicts.items():
            planted = stem.replace("_", " ")
            planted = "clean" if planted.startswith("clean") else planted
            said = tuple(finding.code.value for finding in verdict.findings)
            counts[planted, said or (USED,)] += 1
    return counts


def rates(counts: Mapping[tuple[str, tuple[str, ...]], int]) -> dict[str, dict[str, float]]:
    """Per defect: photos, the part that was found, and the parts that got its own name.

    Found is refused, whatever for: a face that a bar hides may be no face or like nobody.
    `named_first` got its own code as the first reason, `named` among the reasons. For clean photos,
    `false_alarms` is the part that was refused.
    """
    names = {kind: code for kind, (code, _) in DEFECTS.items()} | {"copy": "duplicate"}
    table: dict[str, dict[str, float]] = {}
    for kind in ["clean", *names]:
        rows = {said: number for (planted, said), number in counts.items() if planted == kind}
        total = max(sum(rows.values()), 1)
        refused = sum(number for said, number in rows.items() if said != (USED,))
        table[kind] = {"photos": sum(rows.values())}
        if kind == "clean":
            table[kind]["false_alarms"] = round(refused / total, 4)
            continue
        first = sum(number for said, number in rows.items() if said[0] == names[kind])
        named = sum(number for said, number in rows.items() if names[kind] in said)
        table[kind] |= {
            "found": round(refused / total, 4),
            "named": round(named / total, 4),
            "named_first": round(first / total, 4),
        }
    return table


def measure_rates(first_seed: int, characters: int, encoder: str) -> dict[str, Any]:
    """Check planted sets of characters, and give what `check.json` says of them."""
    rules = load_recipe("toon/train").photos
    faces = load_faces(encoder)
    with tempfile.TemporaryDirectory() as temporary:
        seeds = range(first_seed, first_seed + characters)
        counts = confusion(Path(temporary), seeds, rules, faces)
    table = rates(counts)
    alarms: Counter[str] = Counter()
    matrix: Counter[str] = Counter()
    for (planted, said), number in sorted(counts.items()):
        matrix[f"{planted} -> {said[0]}"] += number
        if planted == "clean" and said[0] != USED:
            alarms[said[0]] += number
    return {
        "characters": characters,
        "max_covered_gain": covered_limit(rules, faces),
        "clean_photos_each": NUM_CLEAN,
        "goal": {"found": 0.95, "false_alarms": 0.03},
        "rates": table,
        "false_alarms_by_code": {
            code: round(number / table["clean"]["photos"], 4) for code, number in alarms.items()
        },
        "confusion": dict(matrix),
    }


def measure_speeds(
    first_seed: int, characters: int, encoder: str, real: Sequence[Path]
) -> dict[str, Any]:
    """Time the check of small drawings, of large ones, and of photos with weights given by file.

    Args:
        first_seed: Of the first character that is drawn.
        characters: As many sets of each kind.
        encoder: Checks the drawings.
        real: A folder of folders of photos, a file of YuNet, one of an encoder; or nothing.
    """
    seeds = range(first_seed, first_seed + characters)
    chosen = ("--encoder", encoder)
    with tempfile.TemporaryDirectory() as temporary:
        small, large = Path(temporary) / "small", Path(temporary) / "large"
        write_small(small, seeds)
        write_large(large, seeds[:2], photos_each=12)
        time.sleep(SETTLED_S + 0.5)  # a file just written is digested again
        speed: dict[str, Any] = {
            **measure_speed(small, chosen),
            "goal": {"own_share_cold": 0.25, "speedup_warm": 50},
            "drawings_12_megapixels": measure_speed(large, chosen),
        }
        if real:
            photos, detector, embedder = real
            files = ("--detector", str(detector), "--embedder", str(embedder))
            speed["photographs"] = measure_speed(photos, files)
            speed["drawings_12_megapixels_opencv"] = measure_speed(large, files)
    return {"speed": speed}


def main() -> None:
    """Measure and publish; a part that is not measured stays, where the weights are the same."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--characters", type=int, default=50)
    parser.add_argument("--first-seed", type=int, default=CHECK_SEED)
    parser.add_argument("--encoder", default="toon-a")
    parser.add_argument("--part", choices=PARTS, action="append", help="both without it")
    parser.add_argument("--speed-characters", type=int, default=6)
    parser.add_argument(
        "--real",
        type=Path,
        nargs=3,
        default=(),
        metavar=("PHOTOS", "YUNET", "ENCODER"),
        help="time photos too: a folder of folders, and two ONNX files",
    )
    parser.add_argument("--out", type=Path, default=RESULTS_DIR)
    options = parser.parse_args()
    source = provenance(torch.device("cpu"))
    path = options.out / "check.json"
    values: dict[str, Any] = {}
    if path.is_file():
        values = json.loads(path.read_text())
        if values["manifest_digest"] != source["manifest_digest"]:
            values = {}
    parts = options.part or PARTS
    commands = {**values.get("commands", {}), **dict.fromkeys(parts, source["command"])}
    values = {**values, **source, "encoder": options.encoder, "commands": commands}
    if "rates" in parts:
        values |= measure_rates(options.first_seed, options.characters, options.encoder)
    if "speed" in parts:
        values |= measure_speeds(
            options.first_seed, options.speed_characters, options.encoder, options.real
        )
    options.out.mkdir(parents=True, exist_ok=True)
    write_results(path, values)
    if "rates" in parts:
        draw_confusion(values["confusion"], options.out / "check.png")
    for kind, row in values.get("rates", {}).items():
        print(kind, row)
    print(values.get("false_alarms_by_code"), values.get("speed"))


def draw_confusion(matrix: Mapping[str, int], path: Path) -> None:
    """Draw what was planted against the first reason that was told."""
    from matplotlib.figure import Figure

    counts = {tuple(key.split(" -> ")): number for key, number in matrix.items()}

    rows = ["clean", *DEFECTS, "copy"]
    columns = [USED, *sorted({said for _, said in counts} - {USED})]
    shares = np.array([[counts.get((row, column), 0) for column in columns] for row in rows])
    shares = shares / np.maximum(shares.sum(axis=1, keepdims=True), 1)
    figure = Figure(figsize=(9, 7.5), layout="constrained")
    axes = figure.subplots()
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1, aspect="auto")
    axes.set_xticks(range(len(columns)), columns, rotation=40, ha="right")
    axes.set_yticks(range(len(rows)), rows)
    axes.set_xlabel("what the check said first")
    axes.set_ylabel("what was planted")
    for y, x in zip(*np.nonzero(shares), strict=True):
        ink = "white" if shares[y, x] > 0.5 else "black"
        axes.text(x, y, f"{shares[y, x]:.0%}", ha="center", va="center", color=ink, fontsize=8)
    figure.savefig(path, dpi=110)


if __name__ == "__main__":
    main()
