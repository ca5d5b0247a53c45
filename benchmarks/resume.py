"""Kill training at random moments, start it again until it ends, and compare what comes out.

    python -m benchmarks.resume

Writes docs/results/resume.json. Each run is `run_train` on a random tiny backbone, from photos to
an adapter file, in a process of its own. Half of the kills come after a random time, from outside;
the other half hit one random write: before, while or after a file is flushed and renamed. What is
left of the folder is all that the next start finds. The processes are forked from one that has
imported torch and has not used it yet, since importing takes longer than training here.
"""

import argparse
import functools
import hashlib
import json
import mmap
import os
import signal
import sys
import tempfile
import threading
import time
import traceback
from collections import Counter
from collections.abc import Callable
from itertools import zip_longest
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.results import RESULTS_DIR, write_results
from facekit.faces import vendors
from facekit.recipe import load_recipe
from facekit.training import train_character
from facekit.training.metrics import read_metrics
from facekit.training.trainer import METRICS_FILE, Trainer
from facekit.types import NoProgress
from facekit.workflows.backbone import load_backbone
from facekit.workflows.machine import provenance
from facekit.workflows.train import plan_train, run_train
from tests.tiny.photos import good_photos
from tests.tiny.training import TinyFaces

SETTINGS = (
    "photos.min_same_person=-1",
    "photos.max_covered_gain=2",  # the face encoder is random
    "photos.duplicate_distance=0",
    "encoder.train=tiny",
    "encoder.report=judge",
    "train.checkpoint_every=3",
    "validate.every=4",
    "sample.num_inference_steps=1",
)
MOST_KILLS_OF_A_RUN = 8
PATIENCE_S = 300.0
"""A process that takes longer than this hangs."""


class Judge(TinyFaces):
    """Stands for the report encoder, which training only knows by its name."""

    name = "judge"
    digest = "1" * 64


class Where:
    """What a forked process is doing, for the one that kills it to see."""

    def __init__(self) -> None:
        self._memory = mmap.mmap(-1, 64)  # shared with forks
        self.reset()

    def reset(self) -> None:
        """Forget it."""
        self.told = "starting"

    @property
    def told(self) -> str:
        """The last thing that was said."""
        return self._memory[:64].rstrip(b"\0").decode()

    @told.setter
    def told(self, word: str) -> None:
        self._memory[:64] = word.encode().ljust(64, b"\0")

    def follow(self, owner: Any, name: str, word: str) -> None:
        """Say the word while a function runs, and what was said before once it is done."""
        real = getattr(owner, name)

        @functools.wraps(real)
        def told(*args: Any, **options: Any) -> Any:
            before, self.told = self.told, word
            try:
                return real(*args, **options)
            finally:
                self.told = before

        setattr(owner, name, told)


class Writes:
    """Counts flushes and renames of this process, and kills it at one of them.

    Args:
        where: Told which write was hit.
        kill_at: The write not to survive; 0 survives all.
    """

    def __init__(self, where: Where, kill_at: int) -> None:
        self.where, self.left, self.done = where, kill_at, 0
        for name in ("fsync", "replace"):
            setattr(os, name, self._watched(name, getattr(os, name)))

    def _watched(self, name: str, real: Callable[..., Any]) -> Callable[..., Any]:
        def watched(*args: Any, **options: Any) -> Any:
            for side in ("before", "after"):
                self.done += 1
                self.left -= 1
                if self.left == 0:
                    self.where.told = f"{self.where.told}, {side} {name}"
                    os.kill(os.getpid(), signal.SIGKILL)
                if side == "before":
                    found = real(*args, **options)
            return found

        return watched


def train(folder: Path, photos: Path, steps: int, where: Where, kill_at: int) -> int:
    """Train in this process, from the photos on; tell how many writes it took."""
    torch.set_num_threads(1)
    where.told = "photos"
    os.environ["FACEKIT_CACHE"] = str(folder / "cache")  # so that every run encodes for itself
    writes = Writes(where, kill_at)
    where.follow(train_character, "encode_once", "encoding")
    where.follow(Trainer, "_one_step", "step")
    where.follow(Trainer, "_validated", "validation")
    where.follow(Trainer, "_save", "checkpoint")
    vendors._loaders |= {"tiny": TinyFaces, "judge": Judge}
    recipe = load_recipe("tiny/train", [*SETTINGS, f"train.steps={steps}"])
    run_train(plan_train([photos], name="mira", recipe=recipe, out=folder), NoProgress())
    return writes.done


def fork(work: Callable[[], int], where: Where, kill_after_s: float | None = None) -> int | None:
    """Do it in a process of its own, killed after so long.

    Returns:
        What the work returned; None when the process was killed.

    Raises:
        RuntimeError: It failed in another way.
    """
    where.reset()
    read, write = os.pipe()
    child = os.fork()
    if not child:
        try:
            os.write(write, str(work()).encode())
            os._exit(0)
        finally:
            traceback.print_exc()
            os._exit(1)
    os.close(write)
    timer = threading.Timer(
        PATIENCE_S if kill_after_s is None else kill_after_s, os.kill, (child, signal.SIGKILL)
    )
    timer.start()
    ended = os.waitid(os.P_PID, child, os.WEXITED | os.WNOWAIT)  # the timer may still reach it
    timer.cancel()
    timer.join()
    os.waitpid(child, 0)
    with os.fdopen(read) as stream:
        told = stream.read()
    if ended is not None and ended.si_code == os.CLD_KILLED and ended.si_status == signal.SIGKILL:
        return None
    if not told:
        raise RuntimeError("a run failed, expected it to end or to be killed; see above")
    return int(told)


def outcome(folder: Path) -> tuple[str, list[tuple[object, ...]]]:
    """The digest of the adapter file, and the losses and scores of every step."""
    adapter = hashlib.sha256((folder / "mira" / "adapter.safetensors").read_bytes()).hexdigest()
    rows = read_metrics(folder / "mira" / METRICS_FILE)
    names = ("step", "loss/total", "loss/flow", "grad_norm/lora", "validate/score")
    return adapter, [tuple(row.get(name) for name in names) for row in rows]


def measure(kills: int, steps: int, seed: int, folder: Path) -> dict[str, object]:
    """Kill and start again; return what to publish."""
    rng, where = np.random.default_rng(seed), Where()
    photos = folder / "photos"
    good_photos(photos)

    def run(name: str, kill_at: int = 0, kill_after_s: float | None = None) -> int | None:
        work = functools.partial(train, folder / name, photos, steps, where, kill_at)
        return fork(work, where, kill_after_s)

    began = time.monotonic()
    writes = run("straight")
    takes_s = time.monotonic() - began
    assert writes is not None
    expected = outcome(folder / "straight")
    hit: Counter[str] = Counter()
    same_adapter, same_losses, runs = 0, 0, 0
    others: list[dict[str, object]] = []
    while sum(hit.values()) < kills:
        name, wanted = f"run_{runs}", int(rng.integers(1, MOST_KILLS_OF_A_RUN + 1))
        ended, hits = False, list[str]()
        for _ in range(min(wanted, kills - sum(hit.values()))):
            if rng.random() < 0.5:
                ended = run(name, kill_at=int(rng.integers(1, writes + 1))) is not None
            else:
                ended = run(name, kill_after_s=float(rng.uniform(0, takes_s))) is not None
            if ended:
                break  # it was done before the kill came
            hit[where.told] += 1
            hits.append(where.told)
        if not ended:
            run(name)
        adapter, losses = outcome(folder / name)
        same_adapter += adapter == expected[0]
        same_losses += losses == expected[1]
        if (adapter, losses) != expected:
            pairs = enumerate(zip_longest(expected[1], losses))
            first = next((row for row, (one, other) in pairs if one != other), None)
            others.append({"run": runs, "kills": hits, "first_row_that_differs": first})
            print(others[-1], [rows[first] for rows in (expected[1], losses) if first is not None])
        runs += 1
        print(f"{sum(hit.values())}/{kills} kills, {runs} runs, {same_adapter} identical")
    return {
        "kills": sum(hit.values()),
        "runs": runs,
        "steps_of_a_run": steps,
        "writes_of_a_run": writes // 2,
        "identical_adapters": same_adapter,
        "identical_losses": same_losses,
        "identical": same_adapter == same_losses == runs,
        "not_identical": others,
        "hit": dict(sorted(hit.items())),
        "seconds": round(time.monotonic() - began, 1),
    }


def main() -> int:
    """Measure and publish."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--steps", type=int, default=10)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=RESULTS_DIR)
    options = parser.parse_args()
    torch.set_num_threads(1)
    load_backbone(load_recipe("tiny/train", SETTINGS))  # imports what the forks need
    with tempfile.TemporaryDirectory() as folder:
        found = measure(options.kills, options.steps, options.seed, Path(folder))
    values = {**provenance(torch.device("cpu")), "seed": options.seed, **found}
    options.out.mkdir(parents=True, exist_ok=True)
    write_results(options.out / "resume.json", values)
    print(json.dumps(found, indent=1))
    return 0 if found["identical"] else 1


if __name__ == "__main__":
    sys.exit(main())
