"""What happens in a render, one line per event: `<out>/log.jsonl`."""

import json
import os
import socket
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

from facekit.generation.units import take_name, take_seed
from facekit.media.files import append_line
from facekit.workflows.render_jobs import TakeJob

__all__ = ["LOG_FILE", "log_event", "log_take", "worker_name"]

LOG_FILE = "log.jsonl"


def log_event(out_dir: Path, event: str, shot: str, facts: Mapping[str, object]) -> None:
    """Add an event to the log of a render.

    Args:
        out_dir: Of the render.
        event: `begun`, `made`, `judged`, `retaken`, `delivered` or `stopped`.
        shot: Its name.
        facts: Plain data.

    Raises:
        OutputError: It cannot be written.
    """
    when = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    line = {"time": when, "event": event, "shot": shot, **facts, "worker": worker_name()}
    append_line(out_dir / LOG_FILE, json.dumps(line, allow_nan=False))


def log_take(job: TakeJob, event: str, **seconds: float) -> None:
    """Add what was done with a take, and what it took in seconds.

    Raises:
        OutputError: It cannot be written.
    """
    facts = {
        "take": take_name(job.number),
        "seed": take_seed(job.shot, job.number),
        **{name: round(value, 3) for name, value in seconds.items()},
    }
    log_event(job.out_dir, event, job.shot.name, facts)


def worker_name() -> str:
    """This process as others see it."""
    return f"{socket.gethostname()}:{os.getpid()}"
