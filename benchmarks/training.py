"""What a training step costs against a bare loop of diffusers and peft, and a pass when sampling.

    python -m benchmarks.training --estimates --start-up datasets/toon_mira
    python -m benchmarks.training --shape wan-1.3b --frames 33 --device cuda --dtype bfloat16
    python -m benchmarks.training --outline

Writes docs/results/training.json. Network, latents, texts, rank, targets, optimizer, clipping and
precision are the same in all rows, and they run in turn, again and again. Before anything is timed
each row's first step must have the bare loop's loss (within 1 %) and gradient norm (within 2 %);
the command fails where one has not. ``--outline`` only builds the large shapes without memory.
"""

import argparse
import json
import multiprocessing
import re
import sys
import time
from collections.abc import Mapping
from contextlib import closing, nullcontext
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.cost import compare_all
from benchmarks.results import RESULTS_DIR, write_results
from benchmarks.start_up import cold_and_warm
from benchmarks.training_rows import IDENTITY_EVERY, ROWS, Bench
from benchmarks.training_shapes import SHAPES, flops_of_a_step, outline
from facekit.adapters.attach import attach
from facekit.adapters.lora import add_lora, remove_lora
from facekit.workflows.machine import provenance

GOALS = {"lora": 1.0, "lora_identity": 1.1}
GOAL_OF_SAMPLING = 1.05
_MAX_LOSS_OFF, _MAX_NORM_OFF = 0.01, 0.02


def gate(bench: Bench) -> dict[str, dict[str, object]]:
    """Compare the first step of each row with the bare loop's."""
    first = {}
    for row in ROWS:
        with closing(bench.steps(row)) as running:
            first[row] = next(running)
    loss, norm = first["floor"]
    return {
        row: {
            "first_loss": found[0],
            "first_grad_norm": found[1],
            "comparable": abs(found[0] / loss - 1) <= _MAX_LOSS_OFF
            and abs(found[1] / norm - 1) <= _MAX_NORM_OFF,
        }
        for row, found in first.items()
    }


class Clock:
    """Seconds of work: the processor's own on the CPU, those of the wall on a graphics card."""

    def __init__(self, device: torch.device) -> None:
        self.device = device

    def __call__(self) -> float:
        """Now, once everything that was asked for is done."""
        if self.device.type != "cuda":
            return time.process_time()
        torch.cuda.synchronize(self.device)
        return time.perf_counter()


def step_seconds(bench: Bench) -> dict[str, list[list[float]]]:
    """Seconds of the steps of each row, a list for each repetition; the rows take turns."""
    options, clock = bench.options, Clock(bench.device)
    taken: dict[str, list[list[float]]] = {row: [] for row in ROWS}
    for _ in range(options.rounds):
        for row in ROWS:
            seconds = []
            with closing(bench.steps(row)) as running:
                for step in range(options.warmup + options.steps):
                    began = clock()
                    next(running)
                    if step >= options.warmup:
                        seconds.append(clock() - began)
            taken[row].append(seconds)
    return taken


@torch.no_grad()
def pass_seconds(bench: Bench, passes: int = 4) -> dict[str, list[list[float]]]:
    """Seconds of passes of the network as sampling asks for them; the ways take turns."""
    work, spec, clock = bench.work, bench.work.spec, Clock(bench.device)
    network = work.network
    latents = torch.randn(1, *work.latents_shape, device=bench.device)
    sigma = torch.full((1,), 0.5, device=bench.device)
    text = bench.photos.text([0])
    vector = torch.nn.functional.normalize(bench.photos.embeddings_PD[:1], dim=-1)
    folded = bench.adapter.fold(bench.adapter.tokens(vector[None])).detached()
    how = torch.autocast(bench.device.type, torch.bfloat16) if bench.bfloat16 else nullcontext()
    ask = partial(spec.family.predict, work.pipe, spec, latents, sigma, text)
    taken: dict[str, list[list[float]]] = {"base": [], "lora": [], "lora_identity": []}
    for round_ in range(1 + bench.options.rounds):
        for way, rows in taken.items():
            if way != "base":
                add_lora(network, spec, bench.lora, seed=0)
            attachment = attach(bench.adapter, network, spec, pipe=work.pipe)
            somebody: Any = nullcontext()
            if way == "lora_identity":
                somebody = attachment.conditioned_on(folded)
            seconds = []
            with somebody, how:
                for _ in range(1 + passes):
                    began = clock()
                    ask()
                    seconds.append(clock() - began)
            attachment.detach()
            remove_lora(network)
            if round_:  # the first warms up
                rows.append(seconds[1:])
    return taken


def summary(
    taken: Mapping[str, list[list[float]]], base: str, tokens: int, flops: float | None
) -> dict[str, dict[str, float]]:
    """Median and spread of each row, and the median over the repetitions of its ratio to one."""
    medians = {row: np.array([np.median(part) for part in parts]) for row, parts in taken.items()}
    found = {}
    for row, parts in taken.items():
        low, middle, high = np.percentile(np.concatenate([*map(np.array, parts)]), (10, 50, 90))
        # The identity loss falls on every fourth step, so the mean is what a run takes.
        means = {name: np.array([np.mean(p) for p in all_]) for name, all_ in taken.items()}
        found[row] = {
            "seconds_p10": round(float(low), 5),
            "seconds_median": round(float(middle), 5),
            "seconds_p90": round(float(high), 5),
            "seconds_mean": round(float(np.mean(means[row])), 5),
            "ratio_of_medians": round(float(np.median(medians[row] / medians[base])), 4),
            "ratio_of_means": round(float(np.median(means[row] / means[base])), 4),
            "tokens_per_second": round(tokens / float(middle), 1),
        }
        if flops is not None:
            found[row]["tflops"] = round(flops / float(middle) / 1e12, 4)
    return found


def _resident(name: str) -> int:
    """Bytes of this process that are (VmRSS) or were at most (VmHWM) in memory."""
    found = re.search(rf"{name}:\s+(\d+) kB", Path("/proc/self/status").read_text())
    assert found is not None
    return 1024 * int(found[1])


def _some_steps(bench: Bench, row: str) -> None:
    with closing(bench.steps(row)) as running:
        for _ in range(IDENTITY_EVERY + 1):
            next(running)


def _resident_peak(options: argparse.Namespace, row: str, told: Any) -> None:
    before = _resident("VmRSS")
    _some_steps(Bench(options), row)
    told.send(_resident("VmHWM") - before)


def peak_bytes(options: argparse.Namespace) -> dict[str, int]:
    """The most memory that each row takes, weights included.

    On a graphics card what torch allocates; on the CPU what a process of its own, forked before
    anything was built, has in memory more than at its start.
    """
    device, found = torch.device(options.device), {}
    bench = Bench(options) if device.type == "cuda" else None
    for row in ROWS:
        if bench is not None:
            torch.cuda.empty_cache()
            torch.cuda.reset_peak_memory_stats(device)
            _some_steps(bench, row)
            found[row] = torch.cuda.max_memory_allocated(device)
            continue
        here, there = multiprocessing.Pipe()
        child = multiprocessing.get_context("fork").Process(
            target=_resident_peak, args=(options, row, there)
        )
        child.start()
        there.close()
        found[row] = int(here.recv())
        child.join()
    return found


def measure(options: argparse.Namespace, memory: Mapping[str, int]) -> dict[str, object]:
    """One shape and what `peak_bytes` gave; nothing is timed where a row is not comparable."""
    bench = Bench(options)
    work, batch = bench.work, options.batch_size
    gated = gate(bench)
    found: dict[str, object] = {
        "parameters": sum(p.numel() for p in work.network.parameters()),
        "tokens": work.tokens,
        "batch_size": batch,
        "rank": options.rank,
        "dtype": options.dtype,
        "checkpointing": options.checkpointing,
        "clock": "wall" if bench.device.type == "cuda" else "cpu",
        "gate": gated,
    }
    if not all(row["comparable"] for row in gated.values()):
        return {**found, "comparable": False}
    flops = flops_of_a_step(work, batch, options.checkpointing)
    times = summary(step_seconds(bench), "floor", batch * work.tokens, flops)
    rows = {
        row: {
            **times[row],
            "peak_bytes": memory[row],
            "peak_ratio": round(memory[row] / memory["floor"], 4),
        }
        for row in ROWS
    }
    sampling = summary(pass_seconds(bench), "base", work.tokens, None)
    return {**found, "comparable": True, "step": rows, "sampling_pass": sampling}


def main() -> int:
    """Measure and publish; 1 where a row is not comparable."""
    options = parse(sys.argv[1:])
    if options.outline:
        for name in SHAPES:
            print(name, f"{sum(p.numel() for p in outline(name).parameters()) / 1e6:.0f} M")
        return 0
    torch.set_num_threads(options.threads)
    asked = {name: argparse.Namespace(**{**vars(options), "shape": name}) for name in options.shape}
    # Before anything is built here: what torch has started does not survive a fork.
    memory = {name: peak_bytes(one) for name, one in asked.items()}
    shapes = {}
    for name, one in asked.items():
        shapes[name] = measure(one, memory[name])
        print(name, json.dumps(shapes[name], indent=1))
    values: dict[str, object] = {
        **provenance(torch.device(options.device)),
        "rounds": options.rounds,
        "steps": options.steps,
        "threads": options.threads,
        "goals": {"step": GOALS, "sampling_pass_lora_identity_to_lora": GOAL_OF_SAMPLING},
        "shapes": shapes,
    }
    if options.estimates:
        values["memory_estimates"] = compare_all()
    if options.start_up:
        values["seconds_to_the_first_step"] = cold_and_warm(options.start_up)
    options.out.mkdir(parents=True, exist_ok=True)
    write_results(options.out / "training.json", values)
    return 0 if all(found["comparable"] for found in shapes.values()) else 1


def parse(arguments: list[str]) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--shape", nargs="+", choices=("toon", *SHAPES), default=["small", "toon"])
    parser.add_argument("--frames", type=int, help="the shape's own without it")
    parser.add_argument("--size", type=int, nargs=2, metavar=("HEIGHT", "WIDTH"))
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--dtype", choices=("float32", "bfloat16"), default="float32")
    parser.add_argument("--batch-size", type=int, default=1)
    parser.add_argument("--rank", type=int, default=32)
    parser.add_argument("--lr", type=float, default=1e-4)
    parser.add_argument("--checkpointing", action="store_true")
    parser.add_argument("--rounds", type=int, default=3, help="repetitions of all rows in turn")
    parser.add_argument("--warmup", type=int, default=4, help="steps that are not timed")
    parser.add_argument("--steps", type=int, default=20, help="steps of a repetition")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--start-up", nargs="*", help="photos to time `facekit train` with")
    parser.add_argument(
        "--estimates", action="store_true", help="compare estimates with real steps"
    )
    parser.add_argument("--outline", action="store_true", help="only the shapes, without memory")
    parser.add_argument("--out", type=Path, default=RESULTS_DIR)
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
