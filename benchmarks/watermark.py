"""How well a watermark is found again in clips that were changed, and what it costs in quality.

    python -m benchmarks.watermark --weights y_256b_img.jit --sha256 SHA256

Writes docs/results/watermark.json: for each strength of the mark its PSNR, and after each change
the share of bits that agree and of clips that are recognised, as facekit verify looks at them. A
strength of 1 is what facekit embeds. The weights are got from the authors of VideoSeal.
"""

import argparse
import io
from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import torch
from av.video.frame import VideoFrame
from av.video.stream import VideoStream
from PIL import Image as PillowImage

from benchmarks.results import RESULTS_DIR, write_results
from facekit.provenance.facts import new_render_id
from facekit.provenance.watermark import VideoSeal, Watermark, message_of, pick_mark
from facekit.toon.character import ToonCharacter
from facekit.types import Shot
from facekit.weights import file_digest
from facekit.workflows.machine import provenance
from facekit.workflows.toon_truth import draw_shot

PROMPTS = ("close-up of a person in the park, talking", "wide shot of a person in the street")
KNOWN = 1000
"""Render ids that are recorded beside the one that is looked for."""
LOOKED_AT = 8
"""Frames that verify looks at."""


def main(words: Sequence[str] | None = None) -> None:
    """Measure and publish."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--weights", type=Path, required=True)
    parser.add_argument("--sha256", required=True)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--characters", type=int, default=8)
    parser.add_argument("--num-frames", type=int, default=17)
    parser.add_argument("--side", type=int, default=256, help="pixels, even")
    parser.add_argument("--strengths", type=float, nargs="+", default=[0.5, 1.0, 1.5])
    parser.add_argument("--out", type=Path, default=RESULTS_DIR)
    options = parser.parse_args(words)
    seal = VideoSeal(options.weights, options.sha256, options.device)
    clips = [
        _draw(seed, prompt, options.num_frames, options.side)
        for seed in range(options.characters)
        for prompt in PROMPTS
    ]
    values = {
        **provenance(torch.device(options.device)),
        "weights_sha256": file_digest(options.weights),
        "clips": len(clips),
        "num_frames": options.num_frames,
        "side_px": options.side,
        "strengths": [measure(seal, clips, strength) for strength in options.strengths],
    }
    write_results(options.out / "watermark.json", values)
    print(values)


def changes() -> Mapping[str, Callable[[np.ndarray], np.ndarray]]:
    """What is done to marked frames."""
    found: dict[str, Callable[[np.ndarray], np.ndarray]] = {"none": lambda frames: frames}
    for crf in (18, 23, 28, 35):
        found[f"h264_crf_{crf}"] = lambda frames, crf=crf: encoded(frames, crf)
    for factor in (0.5, 0.75, 2.0):
        found[f"resized_{factor:g}"] = lambda frames, factor=factor: _resized(frames, factor)
    for part in (0.05, 0.2):
        found[f"cropped_{part:.0%}"] = lambda frames, part=part: _cropped(frames, part)
    found["mirrored"] = lambda frames: np.ascontiguousarray(frames[:, :, ::-1])
    found["every_second_frame"] = lambda frames: frames[::2]
    found["half_size_and_h264_crf_28"] = lambda frames: encoded(_resized(frames, 0.5), 28)
    return found


def measure(seal: Watermark, clips: Sequence[np.ndarray], strength: float) -> dict[str, object]:
    """Mark clips so strongly, change them and look for the marks.

    Args:
        seal: Marks and finds.
        clips: Of (num_frames, height, width, 3), uint8.
        strength: Part of the difference that the mark makes.
    """
    ids = [new_render_id() for _ in clips]
    others = [new_render_id() for _ in range(KNOWN)]
    marked = [_marked(seal, clip, own, strength) for clip, own in zip(clips, ids, strict=True)]
    rows = []
    for name, change in changes().items():
        agreed, recognised = [], []
        for frames, own in zip(marked, ids, strict=True):
            told = seal.detect(_looked_at(change(frames)))
            agreed.append(float(((told > 0) == message_of(own)).mean()))
            mark = pick_mark(told, [*others, own])
            recognised.append(mark is not None and mark.render_id == own)
        rows.append(
            {
                "change": name,
                "agreement_median": round(float(np.median(agreed)), 4),
                "agreement_lowest": round(min(agreed), 4),
                "share_recognised": round(float(np.mean(recognised)), 4),
            }
        )
    wrong = [pick_mark(seal.detect(_looked_at(clip)), [*others, *ids]) for clip in clips]
    quality = [psnr_db(clip, frames) for clip, frames in zip(clips, marked, strict=True)]
    return {
        "strength": strength,
        "psnr_db_median": round(float(np.median(quality)), 2),
        "psnr_db_lowest": round(min(quality), 2),
        "share_of_unmarked_taken_for_marked": round(
            float(np.mean([mark is not None for mark in wrong])), 4
        ),
        "changes": rows,
    }


def psnr_db(first: np.ndarray, second: np.ndarray) -> float:
    """Peak signal to noise ratio of pictures of 8 bits; 99 for equal ones."""
    error = float(np.mean((first.astype(np.float64) - second.astype(np.float64)) ** 2))
    return min(99.0, 10 * float(np.log10(255**2 / error))) if error else 99.0


def encoded(frames: np.ndarray, crf: int) -> np.ndarray:
    """Frames after H.264, yuv420p, in memory."""
    memory = io.BytesIO()
    with av.open(memory, "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=Fraction(24))
        assert isinstance(stream, VideoStream)
        stream.height, stream.width = frames.shape[1:3]
        stream.pix_fmt, stream.options = "yuv420p", {"crf": str(crf), "threads": "1"}
        for index, pixels in enumerate(frames):
            frame = VideoFrame.from_ndarray(np.ascontiguousarray(pixels), format="rgb24")
            frame.pts, frame.time_base = index, Fraction(1, 24)
            container.mux(stream.encode(frame.reformat(format="yuv420p")))
        container.mux(stream.encode(None))
    memory.seek(0)
    with av.open(memory) as container:
        return np.stack([one.to_ndarray(format="rgb24") for one in container.decode(video=0)])


def _marked(seal: Watermark, clip: np.ndarray, own: str, strength: float) -> np.ndarray:
    whole = seal.embed(clip, message_of(own)).astype(np.float64)
    return np.clip(clip + strength * (whole - clip), 0, 255).round().astype(np.uint8)


def _looked_at(frames: np.ndarray) -> np.ndarray:
    return frames[np.unique(np.linspace(0, len(frames) - 1, LOOKED_AT).round().astype(int))]


def _resized(frames: np.ndarray, factor: float) -> np.ndarray:
    height, width = (2 * round(side * factor / 2) for side in frames.shape[1:3])
    return _scaled(frames, width, height)


def _cropped(frames: np.ndarray, part: float) -> np.ndarray:
    _, height, width, _ = frames.shape
    top, left = round(height * part / 2), round(width * part / 2)
    return _scaled(frames[:, top : height - top, left : width - left], width, height)


def _scaled(frames: np.ndarray, width: int, height: int) -> np.ndarray:
    pictures = [PillowImage.fromarray(np.ascontiguousarray(frame)) for frame in frames]
    return np.stack([np.asarray(one.resize((width, height))) for one in pictures])


def _draw(seed: int, prompt: str, num_frames: int, side: int) -> np.ndarray:
    kind = prompt.split(" ")[0]
    shot = Shot(
        name="a", prompt=prompt, seed=7, num_frames=num_frames, height=side, width=side, kind=kind
    )
    return draw_shot(ToonCharacter.from_seed(1_003_000 + seed), shot).frames


if __name__ == "__main__":
    main()
