"""What the folded identity branch costs in sampling, on the toon backbone.

    python -m benchmarks.overhead

Writes docs/results/overhead.json. Runs with and without the branch alternate, so that a busy
machine slows both.
"""

import argparse
from pathlib import Path

import numpy as np
import torch

from benchmarks.results import RESULTS_DIR, write_results
from benchmarks.rounds import cpu_seconds, ratio
from facekit.adapters.attach import attach
from facekit.adapters.identity_adapter import IdentityAdapter
from facekit.backbones.wan import TOON
from facekit.resources import BASE_ADAPTER_FILE, toon_dir
from facekit.workflows.machine import provenance


def main() -> None:
    """Measure and publish."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--num-frames", type=int, default=9)
    parser.add_argument("--out", type=Path, default=RESULTS_DIR)
    options = parser.parse_args()
    pipe = TOON.load()
    pipe.set_progress_bar_config(disable=True)
    adapter = IdentityAdapter.load(toon_dir() / BASE_ADAPTER_FILE)
    vector = torch.nn.functional.normalize(torch.randn(1, 1, 128), dim=-1)
    with torch.no_grad():
        folded = adapter.fold(adapter.tokens(vector)).detached()
    attachment = attach(adapter.config.sites, pipe.transformer, TOON)

    def draw() -> None:
        pipe(
            "close-up of a person in the park, happy, talking, soft light",
            height=96,
            width=96,
            num_frames=options.num_frames,
            num_inference_steps=TOON.num_inference_steps,
            guidance_scale=TOON.guidance_scale,
            max_sequence_length=TOON.max_sequence_length,
            generator=torch.Generator().manual_seed(0),
        )

    def draw_with_branch() -> None:
        with attachment.conditioned_on(folded):
            draw()

    taken = cpu_seconds({"base": draw, "branch": draw_with_branch}, options.rounds)
    times = ratio(taken, "branch", "base")
    values = {
        **provenance(pipe.device),
        "num_frames": options.num_frames,
        "rounds": options.rounds,
        "base_cpu_seconds_median": round(float(np.median(taken["base"])), 3),
        "branch_cpu_seconds_median": round(float(np.median(taken["branch"])), 3),
        "ratio_median": round(times, 4),
        "added_percent": round(100.0 * (times - 1.0), 2),
    }
    options.out.mkdir(parents=True, exist_ok=True)
    write_results(options.out / "overhead.json", values)
    print(values)


if __name__ == "__main__":
    main()
