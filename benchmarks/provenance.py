"""What credentials cost, and how well files are recognised whose credentials were taken away.

    python -m benchmarks.provenance

Writes docs/results/provenance.json: milliseconds of signing and of verifying files of several
sizes, how far the frames of drawn clips are from those of the same clip after re-encoding, scaling
and cropping and from those of other clips, and which share is taken for alike under each bound.
"""

import argparse
import itertools
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from PIL import Image as PillowImage

from benchmarks.results import RESULTS_DIR, write_results
from facekit.media.delivery import plan_delivery
from facekit.media.images import write_image
from facekit.media.movies import write_mezzanine, write_review
from facekit.media.video import read_clip, write_clip
from facekit.provenance.certificates import ensure_certificates, own_root
from facekit.provenance.credentials import read_credentials
from facekit.provenance.facts import Facts, Shown, new_render_id
from facekit.provenance.signing import sign_file
from facekit.provenance.soft import LIKELY_BITS, content_distance, frame_hashes
from facekit.signing.home import KeyHome
from facekit.toon.character import ToonCharacter
from facekit.types import Clip, Shot
from facekit.workflows.machine import provenance
from facekit.workflows.toon_truth import draw_shot

PROMPTS = (
    "close-up of a person in the park, talking",
    "close-up of a person in the kitchen, nodding",
    "medium shot of a person in the street",
    "wide shot of a person in the park, walking in",
)
BOUNDS = (2.5, 3.1, 3.7, 4.3, 4.9, 6.0, 8.0, 10.0)
"""Bits under which two clips may be taken for alike."""


def main() -> None:
    """Measure and publish."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--characters", type=int, default=10)
    parser.add_argument("--out", type=Path, default=RESULTS_DIR)
    options = parser.parse_args()
    scenes = [prompt for _ in range(options.characters) for prompt in PROMPTS]
    clips = [_draw(place // len(PROMPTS), prompt) for place, prompt in enumerate(scenes)]
    with tempfile.TemporaryDirectory() as folder:
        values = {
            **provenance(torch.device("cpu")),
            "rounds": options.rounds,
            "files": _cost(Path(folder), clips[0], options.rounds),
            "recognised": _recognised(Path(folder), clips, scenes),
        }
    write_results(options.out / "provenance.json", values)
    print(values)


def _draw(seed: int, prompt: str) -> Clip:
    shot = Shot(
        name="a",
        prompt=prompt,
        seed=7,
        num_frames=9,
        height=96,
        width=96,
        kind=prompt.split(" ")[0],
    )
    return draw_shot(ToonCharacter.from_seed(1_002_000 + seed), shot)


def _cost(folder: Path, clip: Clip, rounds: int) -> list[dict[str, object]]:
    """Milliseconds (medians) and bytes of each kind of file."""
    large = Clip(frames=clip.frames.repeat(8, axis=1).repeat(8, axis=2), fps=clip.fps)
    wide = plan_delivery(large, fps=24)
    makers: dict[str, Callable[[Path], object]] = {
        "take.mp4": lambda path: write_clip(path, clip),
        "take.png": lambda path: write_image(path, clip.frames[0]),
        "review.mp4": lambda path: write_review(path, large, wide),
        "mezzanine.mov": lambda path: write_mezzanine(path, large, wide),
        "frame.png": lambda path: write_image(path, large.frames[0]),
        "frame.exr": lambda path: path.write_bytes(large.frames[:3].tobytes()),
    }
    home = KeyHome(folder / "keys")
    certificates = ensure_certificates(home)
    root = own_root(home)
    assert root is not None
    shown = (Shown(name="mira", character="0" * 64, recipe="0" * 64),)
    facts = Facts(render_id=new_render_id(), version="0.1.0", shown=shown, backbone="toon")
    rows: list[dict[str, object]] = []
    for name, make in makers.items():
        path, out = folder / name, folder / f"signed-{name}"
        make(path)
        if path.suffix == ".exr":
            out.write_bytes(path.read_bytes())
        signing, verifying = [], []
        for _ in range(rounds):
            begun = time.perf_counter()
            held = sign_file(path, replace(facts, render_id=new_render_id()), certificates, out=out)
            signed = time.perf_counter()
            assert read_credentials(out, [root]).state == "trusted"
            signing.append(signed - begun)
            verifying.append(time.perf_counter() - signed)
        added = held.stat().st_size - (path.stat().st_size if held == out else 0)
        rows.append(
            {
                "file": name,
                "bytes": path.stat().st_size,
                "added_bytes": added,
                "sign_ms": round(1e3 * statistics.median(signing), 2),
                "verify_ms": round(1e3 * statistics.median(verifying), 2),
            }
        )
    return rows


def _recognised(folder: Path, clips: list[Clip], scenes: list[str]) -> dict[str, object]:
    """Distances in bits of 64 of what was made of a clip, and of other clips."""
    known = [frame_hashes(clip.frames) for clip in clips]
    changed: dict[str, Callable[[Clip], np.ndarray]] = {
        "written": lambda clip: _written(folder, clip),
        "h264_review": lambda clip: _reviewed(folder, clip, None),
        "h264_half_size": lambda clip: _reviewed(folder, clip, (48, 48)),
        "h264_1080p_bars": lambda clip: _reviewed(folder, clip, (1920, 1080)),
        "h264_180p_bars": lambda clip: _reviewed(folder, clip, (320, 180)),
        "cropped_5_percent": lambda clip: _cropped(clip, 0.05),
        "cropped_20_percent": lambda clip: _cropped(clip, 0.2),
        "mirrored": lambda clip: clip.frames[:, :, ::-1],
    }
    same = {
        name: [
            content_distance(frame_hashes(np.ascontiguousarray(change(clip))), own)
            for clip, own in zip(clips, known, strict=True)
        ]
        for name, change in changed.items()
    }
    others: dict[str, list[float]] = {"same_scene_other_character": [], "other_scene": []}
    for first, second in itertools.permutations(range(len(clips)), 2):
        is_same = scenes[first] == scenes[second]
        group = others["same_scene_other_character" if is_same else "other_scene"]
        group.append(content_distance(known[first], known[second]))
    others["all"] = [distance for group in others.values() for distance in group]
    return {
        "limit_bits": LIKELY_BITS,
        "clips": len(clips),
        "same_clip": {name: _summary(found) for name, found in same.items()},
        "other_clip": {name: _summary(found) for name, found in others.items()},
        "bounds": [
            {
                "bits": bound,
                "same_clip": {name: _share(found, bound) for name, found in same.items()},
                "other_clip": {name: _share(found, bound) for name, found in others.items()},
            }
            for bound in BOUNDS
        ],
    }


def _summary(distances: list[float]) -> dict[str, float]:
    values = np.array(distances)
    return {
        "pairs": len(values),
        "median_bits": round(float(np.median(values)), 2),
        "lowest_bits": round(float(values.min()), 2),
        "highest_bits": round(float(values.max()), 2),
        "share_within_limit": _share(distances, LIKELY_BITS),
    }


def _share(distances: list[float], bound: float) -> float:
    return round(float((np.array(distances) <= bound).mean()), 4)


def _written(folder: Path, clip: Clip) -> np.ndarray:
    write_clip(folder / "a.mp4", clip)
    return read_clip(folder / "a.mp4").frames


def _reviewed(folder: Path, clip: Clip, size: tuple[int, int] | None) -> np.ndarray:
    write_review(folder / "b.mp4", clip, plan_delivery(clip, size=size))
    return read_clip(folder / "b.mp4").frames


def _cropped(clip: Clip, share: float) -> np.ndarray:
    _, height, width, _ = clip.frames.shape
    top, left = round(height * share / 2), round(width * share / 2)
    cut = clip.frames[:, top : height - top, left : width - left]
    return np.stack(
        [np.asarray(PillowImage.fromarray(frame).resize((width, height))) for frame in cut]
    )


if __name__ == "__main__":
    main()
