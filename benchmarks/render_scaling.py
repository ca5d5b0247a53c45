"""How rendering grows with workers, and what it costs beside the sampler.

    python -m benchmarks.render_scaling --ray

A board of shots that do not go on from each other is drawn on the toon backbone anew by 1, 2 and 4
processes, and with --ray by two actors of a local Ray cluster (extra ray). What is told is wall
time: shots per minute with the start of the workers in it and, for one process, the share outside
the sampler. More workers than cores cannot be faster; cores and other load are on record.
"""

import argparse
import os
import shutil
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch

from benchmarks.results import RESULTS_DIR, write_results
from facekit.recipe import load_recipe
from facekit.types import NoProgress
from facekit.workflows.machine import provenance
from facekit.workflows.render import RenderPlan, RenderResult, plan_render, run_render
from facekit.workflows.train import plan_train, run_train

PLACES = ("kitchen", "park", "street", "office")
ACTIONS = ("talking", "nodding", "standing still", "walking in")
SIZES = ("CU", "MS", "WS")
WORKERS = (1, 2, 4)
_PHOTOS = RESULTS_DIR.parents[1] / "datasets" / "toon_mira"
_BOARD = """\
schema: facekit.storyboard/1
project: {{id: scaling}}
deliver: {{fps: 24, handles: 0, mezzanine: none}}
engine: {{base: toon, defaults: {{num_inference_steps: {steps}, guidance_scale: 3.0}}}}
cast: {{mira: {{preset: {character}}}}}
gates: {{max_takes: 1}}
sequences:
  - id: SEQ010
    shots:
{shots}"""


def write_board(path: Path, character: Path, *, num_shots: int, steps: int) -> None:
    """Write a board of so many shots of one second; none goes on from another."""
    shots = "".join(
        f"      - {{id: SH{10 * number:04d}, seconds: 1, size: {SIZES[number % 3]}, place:"
        f" {PLACES[number % 4]}, action: {ACTIONS[number // 4 % 4]}, seed: {number},"
        " characters: [{id: mira}]}\n"
        for number in range(1, num_shots + 1)
    )
    path.write_text(_BOARD.format(steps=steps, character=character, shots=shots), encoding="utf-8")


def measure(
    board: Path, out: Path, run: Callable[[RenderPlan], RenderResult]
) -> dict[str, float | int]:
    """Render a board from nothing, and say what it took.

    Raises:
        ValueError: Not every shot was made.
    """
    shutil.rmtree(out, ignore_errors=True)
    plan = plan_render(board, device="cpu", out=out)
    begun = time.perf_counter()
    made = run(plan)
    took_s = time.perf_counter() - begun
    num_shots = len(plan.board.shots)
    if made.made != num_shots:
        raise ValueError(f"{board}: {made.made} takes made, expected {num_shots}; look at {out}")
    return {
        "shots": num_shots,
        "took_s": round(took_s, 2),
        "shots_per_minute": round(60 * num_shots / took_s, 3),
        "draw_s_of_all_workers": round(made.draw_s, 2),
        "other_s_of_all_workers": round(made.other_s, 2),
    }


def _character(folder: Path) -> Path:
    file = folder / "mira" / "adapter.safetensors"
    if not file.is_file():
        recipe = load_recipe("toon/train", ["identity.level=L0"])
        run_train(plan_train([_PHOTOS], name="mira", recipe=recipe, out=folder), NoProgress())
    return file


def _on_ray(board: Path, out: Path, count: int) -> dict[str, float | int]:
    import ray

    from facekit.workflows.render_ray import run_on_ray

    os.environ.setdefault("RAY_worker_niceness", "0")  # as the other processes have it
    settings: dict[str, Any] = {"include_dashboard": False, "logging_level": "ERROR"}
    ray.init(num_cpus=count, log_to_driver=False, **settings)
    try:
        return measure(
            board,
            out,
            lambda plan: run_on_ray(
                plan, NoProgress(), address="auto", device="cpu", workers=count
            ),
        )
    finally:
        ray.shutdown()


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--work", type=Path, default=Path("build/render_scaling"))
    parser.add_argument("--shots", type=int, default=12)
    parser.add_argument("--steps", type=int, default=12)
    parser.add_argument(
        "--workers", type=int, nargs="+", default=WORKERS, help="beside 1, which all are held to"
    )
    parser.add_argument("--ray", action="store_true", help="also two actors of a Ray cluster")
    parser.add_argument("--results", type=Path, default=RESULTS_DIR / "render_scaling.json")
    return parser.parse_args(arguments)


def main() -> int:
    """Measure, print and publish."""
    options = parse()
    options.work.mkdir(parents=True, exist_ok=True)
    work = options.work.resolve()
    board, out = work / "board.yaml", work / "renders"
    load = os.getloadavg()[0]
    character = _character(work / "characters")
    write_board(board, character, num_shots=options.shots, steps=options.steps)
    rows: dict[str, dict[str, float | int]] = {}
    for count in sorted({1, *options.workers}):

        def run(plan: RenderPlan, count: int = count) -> RenderResult:
            return run_render(plan, NoProgress(), workers=count)

        rows[f"{count} process" + "es" * (count > 1)] = measure(board, out, run)
        print(list(rows.items())[-1], flush=True)
    if options.ray:
        rows["Ray, 2 actors"] = _on_ray(board, out, 2)
        print(list(rows.items())[-1], flush=True)
    alone = rows["1 process"]
    for row in rows.values():
        row["speed"] = round(alone["took_s"] / row["took_s"], 3)
    content = {
        **provenance(torch.device("cpu")),
        "cores": os.cpu_count(),
        "load_before": round(load, 2),
        "settings": {"shots": options.shots, "num_inference_steps": options.steps, "level": "L0"},
        "outside_the_sampler": round(1 - alone["draw_s_of_all_workers"] / alone["took_s"], 4),
        "rows": rows,
    }
    write_results(options.results, content)
    print(f"outside the sampler: {content['outside_the_sampler']:.1%}; {options.results}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
