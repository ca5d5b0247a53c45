"""How well the photo check finds planted defects, how often it errs, and how fast it is.

    python -m benchmarks.check

Writes docs/results/check.json and check.png. Characters are drawn from `CHECK_SEED` on, which no
weight has seen and no threshold was chosen on.
"""

import argparse
import tempfile
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch

from benchmarks.planted import CHECK_SEED, DEFECTS, NUM_CLEAN, write_set
from benchmarks.results import RESULTS_DIR, write_results
from facekit.curation.inspecting import inspect_photos
from facekit.faces.protocols import FaceVendor
from facekit.faces.vendors import load_faces
from facekit.media.scan import scan_sources
from facekit.recipe import PhotosSection, load_recipe
from facekit.types import Face, FaceCrop, Image
from facekit.workflows.machine import provenance

__all__ = ["TimedFaces", "confusion", "main", "rates"]

USED = "used"


class TimedFaces:
    """A face vendor whose own work is timed."""

    def __init__(self, faces: FaceVendor) -> None:
        """Wrap a vendor."""
        self._faces = faces
        self.seconds = 0.0
        self.name, self.digest, self.licence = faces.name, faces.digest, faces.licence
        self.dim, self.min_same_person = faces.dim, faces.min_same_person
        self.crop_size_px, self.crop_margin = faces.crop_size_px, faces.crop_margin
        self.made_for = faces.made_for

    def detect(self, images: Sequence[Image]) -> list[tuple[Face, ...]]:
        """Find faces, timed."""
        start = time.perf_counter()
        found = self._faces.detect(images)
        self.seconds += time.perf_counter() - start
        return found

    def encode(self, crops: Sequence[FaceCrop]) -> np.ndarray:
        """Embed, timed."""
        start = time.perf_counter()
        vectors = self._faces.encode(crops)
        self.seconds += time.perf_counter() - start
        return vectors

    def embed(self, pixels_BCHW: torch.Tensor) -> torch.Tensor:  # noqa: N803
        """Embed with gradients."""
        return self._faces.embed(pixels_BCHW)

    def to(self, device: torch.device) -> "TimedFaces":
        """The same on a device."""
        return TimedFaces(self._faces.to(device))


def confusion(
    folder: Path, seeds: Sequence[int], rules: PhotosSection, faces: FaceVendor
) -> Counter[tuple[str, str]]:
    """Check one set per character, and count what was planted against what was said.

    Returns:
        (defect, code) -> photos; the code is the first one, or `used`. A clean photo is "clean".
    """
    counts: Counter[tuple[str, str]] = Counter()
    for seed in seeds:
        write_set(folder / str(seed), seed)
        inspection = inspect_photos(scan_sources([folder / str(seed)]), rules, faces)
        verdicts = {Path(v.source).stem: v for v in inspection.verdicts}
        if verdicts["copy"].usable:  # the better of two copies stays, whichever it is
            verdicts["copy"], verdicts["clean_0"] = verdicts["clean_0"], verdicts["copy"]
        for stem, verdict in verdicts.items():
            planted = stem.replace("_", " ")
            planted = "clean" if planted.startswith("clean") else planted
            wanted = DEFECTS[planted][0] if planted in DEFECTS else "duplicate"
            said = [finding.code.value for finding in verdict.findings]
            counts[planted, wanted if wanted in said else (said or [USED])[0]] += 1
    return counts


def rates(counts: Mapping[tuple[str, str], int]) -> dict[str, dict[str, float]]:
    """Per defect: photos, the part that was found, and the part that got its own name.

    Found is refused, whatever for: a face that a bar hides may be no face or like nobody. For clean
    photos, `false_alarms` is the part that was refused.
    """
    names = {kind: code for kind, (code, _) in DEFECTS.items()} | {"copy": "duplicate"}
    table: dict[str, dict[str, float]] = {}
    for kind in ["clean", *names]:
        rows = {said: number for (planted, said), number in counts.items() if planted == kind}
        total = sum(rows.values())
        refused = (total - rows.get(USED, 0)) / max(total, 1)
        if kind == "clean":
            table[kind] = {"photos": total, "false_alarms": round(refused, 4)}
            continue
        named = rows.get(names[kind], 0) / max(total, 1)
        table[kind] = {"photos": total, "found": round(refused, 4), "named": round(named, 4)}
    return table


def main() -> None:
    """Measure and publish."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--characters", type=int, default=60)
    parser.add_argument("--first-seed", type=int, default=CHECK_SEED)
    parser.add_argument("--encoder", default="toon-a")
    parser.add_argument("--out", type=Path, default=RESULTS_DIR)
    options = parser.parse_args()
    rules = load_recipe("toon/train").photos
    faces = TimedFaces(load_faces(options.encoder))
    seeds = range(options.first_seed, options.first_seed + options.characters)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        counts = confusion(folder, seeds, rules, faces)
        speed = _speed(folder, seeds[: min(8, len(seeds))], rules, faces)
    table = rates(counts)
    clean = table["clean"]["photos"]
    alarms = {
        said: round(number / clean, 4)
        for (planted, said), number in sorted(counts.items())
        if planted == "clean" and said != USED
    }
    values = {
        **provenance(torch.device("cpu")),
        "encoder": options.encoder,
        "characters": options.characters,
        "max_covered_gain": rules.max_covered_gain,
        "clean_photos_each": NUM_CLEAN,
        "goal": {"found": 0.95, "false_alarms": 0.03},
        "rates": table,
        "false_alarms_by_code": alarms,
        "confusion": {f"{a} -> {b}": n for (a, b), n in sorted(counts.items())},
        "speed": speed,
    }
    options.out.mkdir(parents=True, exist_ok=True)
    write_results(options.out / "check.json", values)
    _draw(counts, options.out / "check.png")
    for kind, row in table.items():
        print(kind, row)
    print(alarms, speed)


def _speed(
    folder: Path, seeds: Sequence[int], rules: PhotosSection, faces: TimedFaces
) -> dict[str, float]:
    """Photos per second the first and the second time in one process, and the vendor's share."""
    sources = [scan_sources([folder / str(seed)]) for seed in seeds]
    photos = sum(map(len, sources))
    measured: dict[str, float] = {"photos": photos}
    for label in ("cold", "warm"):
        faces.seconds, start = 0.0, time.perf_counter()
        for some in sources:
            inspect_photos(some, rules, faces)
        total = time.perf_counter() - start
        measured[f"photos_per_s_{label}"] = round(photos / total, 2)
        measured[f"vendor_share_{label}"] = round(faces.seconds / total, 3)
    return measured


def _draw(counts: Mapping[tuple[str, str], int], path: Path) -> None:
    from matplotlib.figure import Figure

    rows = ["clean", *DEFECTS, "copy"]
    columns = [USED, *sorted({said for _, said in counts} - {USED})]
    shares = np.array([[counts.get((row, column), 0) for column in columns] for row in rows])
    shares = shares / np.maximum(shares.sum(axis=1, keepdims=True), 1)
    figure = Figure(figsize=(9, 7.5), layout="constrained")
    axes = figure.subplots()
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1, aspect="auto")
    axes.set_xticks(range(len(columns)), columns, rotation=40, ha="right")
    axes.set_yticks(range(len(rows)), rows)
    axes.set_xlabel("what the check said")
    axes.set_ylabel("what was planted")
    for y, x in zip(*np.nonzero(shares), strict=True):
        ink = "white" if shares[y, x] > 0.5 else "black"
        axes.text(x, y, f"{shares[y, x]:.0%}", ha="center", va="center", color=ink, fontsize=8)
    figure.savefig(path, dpi=110)


if __name__ == "__main__":
    main()
