"""Several processes of one run, forked from a server that has imported everything once."""

import multiprocessing
import os
import pickle
import signal
import socket
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from facekit.training.processes import Processes, join_processes
from facekit.training.sharding import shard
from tests.tiny.training import TinyRun

_PATIENCE_S = 180.0
"""Before a process that hangs is killed; a busy machine needs some of it."""
_SERVER = multiprocessing.get_context("forkserver")
_SERVER.set_forkserver_preload(["tests.tiny.processes", "facekit.workflows.train", "accelerate"])


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """How one process ended."""

    value: Any
    """What its work gave; None where it raised or was killed."""
    error: BaseException | None
    exit_code: int | None


def together(
    count: int,
    work: Callable[..., Any],
    *args: Any,
    shards: bool = False,
) -> list[Ended]:
    """Run ``work(processes, *args)`` in so many processes on the CPU; how each ended, in order."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    pipes = [_SERVER.Pipe(duplex=False) for _ in range(count)]
    started = [
        _SERVER.Process(
            target=_one, args=(index, count, port, shards, pipes[index][1], work, args), daemon=True
        )
        for index in range(count)
    ]
    for process, (_, sender) in zip(started, pipes, strict=True):
        process.start()
        sender.close()
    ended = []
    for process, (receiver, _) in zip(started, pipes, strict=True):
        process.join(_PATIENCE_S)
        if process.is_alive():
            process.kill()
            process.join()
        try:
            value, error = receiver.recv()
        except EOFError:  # killed
            value, error = None, None
        ended.append(Ended(value=value, error=error, exit_code=process.exitcode))
    return ended


def _one(
    index: int,
    count: int,
    port: int,
    shards: bool,
    sender: Any,
    work: Callable[..., Any],
    args: tuple[Any, ...],
) -> None:
    torch.set_num_threads(1)
    os.environ.update(
        RANK=str(index),
        LOCAL_RANK=str(index),
        WORLD_SIZE=str(count),
        LOCAL_WORLD_SIZE=str(count),
        MASTER_ADDR="127.0.0.1",
        MASTER_PORT=str(port),
        OMP_NUM_THREADS="1",
    )
    code = 0
    try:
        found: tuple[Any, Any] = (work(join_processes("cpu", shards=shards), *args), None)
    except BaseException as error:  # noqa: BLE001
        found, code = (None, error), 1
    sender.send_bytes(pickle.dumps(found))
    sender.close()
    sys.stdout.flush()
    os._exit(code)


def train(processes: Processes, out_dir: Path, changes: dict[str, Any], **options: Any) -> Any:
    """Train the tiny character; its tokens, its LoRA, the best step and score."""
    run = TinyRun(out_dir / str(processes.index) if processes.index else out_dir, **changes)
    run.pipe.set_progress_bar_config(disable=True)
    if processes.shards:
        shard(run.pipe.transformer, torch.device("cpu"))
    result = run(processes=processes, **options)
    return result.tokens_KC, result.lora, result.best_step, result.best_score


def train_until_killed(processes: Processes, out_dir: Path, step: int) -> None:
    """The same, ended by kill -9 after so many steps of this process."""
    train(processes, out_dir, {}, progress=KillAt(step))


class KillAt:
    """A progress that ends its process without warning, or asks it to stop, at a step."""

    def __init__(self, step: int, number: int = signal.SIGKILL) -> None:
        self.left, self.number = step, number
        self.trains = False

    def start(self, total: int, label: str) -> None:
        self.trains = label == "train"

    def advance(self, n: int = 1, info: str = "") -> None:
        if not self.trains:
            return
        self.left -= n
        if info and self.left == 0:
            os.kill(os.getpid(), self.number)

    def finish(self) -> None:
        pass
