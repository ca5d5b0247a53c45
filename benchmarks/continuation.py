"""Long shots: does a character stay itself over a minute of continued chunks?

    python -m benchmarks.continuation

Held-out drawn characters, enrolled without training, in one long shot each per seed, three ways:
facekit's chain; the identity branch in every chunk and the plain last frame handed on; and the
plain last frame without the character after the first chunk. All three share their first chunk,
and the reporting encoder measures them. It goes on where it stopped, chunk by chunk, and writes
`docs/results/continuation.json`, `continuation.png` (the curves) and `continuation_frames.png` (the
first shot) beside it; with `--quick` it proves the path and writes them into the work folder.
"""

import argparse
import dataclasses
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.continuation_sheet import write_curves, write_frames
from benchmarks.continuation_work import WAYS, Bench
from benchmarks.results import RESULTS_DIR, write_results
from facekit.evaluation.bootstrap import bootstrap_mean
from facekit.evaluation.metrics import mean_or_none
from facekit.faces.vendors import encoder_id
from facekit.generation.hand_over import ChainRule
from facekit.media.video import read_clip
from facekit.workflows.machine import provenance

SECONDS = 62.0


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--characters", type=int, default=4)
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--seconds", type=float, default=SECONDS)
    parser.add_argument("--ways", default=",".join(WAYS), help="comma-separated keys")
    parser.add_argument("--set", action="append", default=[], help="recipe value")
    parser.add_argument("--quick", action="store_true", help="few short shots, not published")
    parser.add_argument("--work", type=Path, default=Path("build/continuation"))
    parser.add_argument("--docs", type=Path, help="docs/results when absent")
    options = parser.parse_args(arguments)
    if options.quick:
        options.characters, options.seeds = 1, 1
        options.seconds = min(options.seconds, 8.0)
        options.set = ["sample.num_inference_steps=6", *options.set]
    options.docs = options.docs or (options.work if options.quick else RESULTS_DIR)
    return options


def summarise(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Mean over the shots of a way; the loss is that of the means, its interval over shots."""
    start = mean_or_none([row["start"] for row in rows])
    end = mean_or_none([row["end"] for row in rows])
    drawn = sum(row["drawn_frames"] for row in rows)
    loss = bootstrap_mean(
        [row["loss"] for row in rows], weights=[max(0.0, row["start"] or 0.0) for row in rows]
    )
    return {
        "shots": len(rows),
        "start": start,
        "end": end,
        "loss": None if not start or end is None else 1.0 - end / start,
        "loss_ci95": None if loss is None else loss.to_json()["ci95"],
        "worst_loss": max((row["loss"] for row in rows if row["loss"] is not None), default=None),
        "drawn_per_delivered": drawn / sum(row["frames"] for row in rows),
        "stopped": sum(row["stopped"] is not None for row in rows),
        "motion": mean_or_none([row["motion"] for row in rows]),
        "seam_step": mean_or_none([row["seam_step"] for row in rows]),
        "inside_step": mean_or_none([row["inside_step"] for row in rows]),
    }


def main(arguments: Sequence[str] | None = None) -> int:
    """Run what is missing and write curve and numbers."""
    options = parse(arguments)
    ways = options.ways.split(",")
    bench = Bench(options.work, options.set, options.seconds)
    rows: list[dict[str, Any]] = []
    for index in range(options.characters):
        subject = bench.subject(index)
        for seed in range(options.seeds):
            for way in ways:
                row = bench.run(way, subject, index, seed)
                rows.append(row)
                told = {key: row[key] for key in ("shot", "way", "frames", "start", "end", "loss")}
                print(told, flush=True)
    summary = {way: summarise([row for row in rows if row["way"] == way]) for way in ways}
    content = {
        **provenance(bench.backbone.device),
        "settings": dataclasses.asdict(bench.settings),
        "rule": dataclasses.asdict(ChainRule()),
        "encoders": {
            "hands_over": encoder_id(bench.train_faces),
            "reports": encoder_id(bench.report_faces),
        },
        "seconds": bench.num_frames / bench.settings.fps,
        "goal_loss": 0.05,
        "ways": summary,
        "shots": rows,
    }
    write_results(options.docs / "continuation.json", content)
    write_curves(options.docs / "continuation.png", rows, WAYS, bench.settings.fps)
    shown = rows[0]["shot"]
    clips = {WAYS[way]: read_clip(bench.clip_path(shown, way)) for way in ways}
    write_frames(options.docs / "continuation_frames.png", clips)
    return 0


if __name__ == "__main__":
    sys.exit(main())
