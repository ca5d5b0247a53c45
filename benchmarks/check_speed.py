"""How fast photos are checked: every measurement in a process and a cache of its own.

    python -m benchmarks.check_speed FOLDER --encoder toon-a

prints one JSON object; `benchmarks.check` starts it and publishes what it says.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import torch

from benchmarks.planted import CLEAN, plant, write_set
from facekit.curation.inspecting import inspect_photos
from facekit.faces.opencv import OpenCVFaces, YuNetDetector
from facekit.faces.protocols import FaceVendor
from facekit.faces.vendors import load_faces
from facekit.media.images import write_image
from facekit.media.scan import scan_sources
from facekit.recipe import load_recipe
from facekit.types import Face, FaceCrop, Image

__all__ = ["TimedFaces", "measure_speed", "write_large", "write_small"]

LARGE_PX = (3000, 4000)
"""Height and width of a photo of a camera, 12 megapixels."""


class TimedFaces:
    """A face vendor whose own work is timed."""

    def __init__(self, faces: FaceVendor) -> None:
        """Wrap a vendor."""
        self._faces = faces
        self.seconds = 0.0
        self.name, self.digest, self.licence = faces.name, faces.digest, faces.licence
        self.dim, self.min_same_person = faces.dim, faces.min_same_person
        self.crop_size_px, self.crop_margin = faces.crop_size_px, faces.crop_margin
        self.made_for, self.max_covered_gain = faces.made_for, faces.max_covered_gain

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


def write_small(folder: Path, seeds: Sequence[int]) -> None:
    """Write the planted sets of characters, a folder each, as PNG of 192 px."""
    for seed in seeds:
        write_set(folder / str(seed), seed)


def write_large(folder: Path, seeds: Sequence[int], photos_each: int = 8) -> None:
    """Write clean photos of characters as a camera does: JPEG of `LARGE_PX` with some noise."""
    height, width = LARGE_PX
    for seed in seeds:
        (folder / str(seed)).mkdir(parents=True)
        for index in range(photos_each):
            rng = np.random.default_rng([seed, index])
            large = cv2.resize(plant(CLEAN, seed, index), (width, height))
            grain = rng.normal(0.0, 2.0, (height // 4, width // 4, 3)).astype(np.float32)
            noisy = large + cv2.resize(grain, (width, height))
            photo = np.clip(noisy, 0, 255).astype(np.uint8)
            write_image(folder / str(seed) / f"{index}.jpg", photo)


def measure_speed(folder: Path, options: Sequence[str]) -> dict[str, float]:
    """Check the sets in a folder in two new processes, the first with an empty cache.

    Args:
        folder: Holds a folder per set.
        options: Choose the encoder, as this module takes them.

    Returns:
        Photos per second cold and warm, our own share of the time, how many times faster the second
        run is in the same process and in a new one, and the seconds that starting takes.
    """
    with tempfile.TemporaryDirectory() as cache:
        runs = [_in_new_process(folder, options, Path(cache)) for _ in range(2)]
    first, second = runs
    photos = first["photos"]
    return {
        "photos": photos,
        "photos_per_s_cold": round(photos / first["first_s"], 2),
        "photos_per_s_warm": round(photos / first["second_s"], 1),
        "own_share_cold": round(1.0 - first["vendor_s"] / first["first_s"], 3),
        "speedup_warm": round(first["first_s"] / first["second_s"], 1),
        "speedup_warm_new_process": round(first["first_s"] / second["first_s"], 1),
        "start_s": round(second["start_s"], 2),
    }


def _in_new_process(folder: Path, options: Sequence[str], cache: Path) -> dict[str, float]:
    command = [sys.executable, "-m", "benchmarks.check_speed", str(folder), *options]
    start = time.perf_counter()
    done = subprocess.run(
        command,
        env={**os.environ, "FACEKIT_CACHE": str(cache)},
        stdout=subprocess.PIPE,
        check=True,
        text=True,
    )
    whole_s = time.perf_counter() - start
    measured: dict[str, float] = json.loads(done.stdout)
    return {**measured, "start_s": whole_s - measured["first_s"] - measured["second_s"]}


def _load(options: argparse.Namespace) -> FaceVendor:
    if options.detector is None:
        return load_faces(options.encoder)
    return OpenCVFaces(YuNetDetector(options.detector), options.embedder, "as its files say")


def main() -> None:
    """Check every set in a folder twice, timed; the models are warmed up before."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--encoder", default="toon-a")
    parser.add_argument("--detector", type=Path, help="a file of YuNet, with --embedder")
    parser.add_argument("--embedder", type=Path, help="a file for OpenCV's recogniser")
    options = parser.parse_args()
    rules = load_recipe("toon/train").photos
    faces = TimedFaces(_load(options))
    faces.detect([np.full((192, 192, 3), 128, np.uint8)])
    sets = sorted(path for path in options.folder.iterdir() if path.is_dir())
    sources = [scan_sources([folder]) for folder in sets]
    times = []
    vendor_s = 0.0
    for attempt in range(2):
        faces.seconds, start = 0.0, time.perf_counter()
        for some in sources:
            inspect_photos(some, rules, faces)
        times.append(time.perf_counter() - start)
        vendor_s = faces.seconds if attempt == 0 else vendor_s
    measured = {"photos": sum(map(len, sources)), "vendor_s": vendor_s}
    print(json.dumps({**measured, "first_s": times[0], "second_s": times[1]}))


if __name__ == "__main__":
    main()
