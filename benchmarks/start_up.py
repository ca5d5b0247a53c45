"""How long `facekit train` takes until its first step, with an empty cache and with a full one."""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from facekit.training.metrics import read_metrics
from facekit.training.trainer import METRICS_FILE

__all__ = ["cold_and_warm"]

_RUN = "from facekit_cli.main import main; main()"
_PATIENCE_S = 900.0


def cold_and_warm(photos: Sequence[str]) -> dict[str, float]:
    """Train twice on the same photos, each time into a folder of its own, until the first step.

    Args:
        photos: What `facekit train` is given.

    Returns:
        Seconds of the wall from the start of the command: `cold` with nothing cached, `warm` after
        that.

    Raises:
        RuntimeError: The command ended or never came to a step.
    """
    with tempfile.TemporaryDirectory() as folder:
        found = {}
        for name in ("cold", "warm"):
            out = Path(folder) / name
            arguments = ["train", *photos, "--as", "somebody", "--out", str(out)]
            home = {"FACEKIT_CACHE": str(Path(folder) / "cache")}
            began = time.monotonic()
            with subprocess.Popen(
                [sys.executable, "-c", _RUN, *arguments, "--set", "train.steps=1000", "--json"],
                env={**os.environ, **home},
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                text=True,
            ) as run:
                try:
                    _wait(run, out / "somebody" / METRICS_FILE)
                    found[name] = round(time.monotonic() - began, 2)
                finally:
                    run.kill()
        return found


def _wait(run: "subprocess.Popen[str]", metrics: Path) -> None:
    end = time.monotonic() + _PATIENCE_S
    while not any("loss/total" in row for row in read_metrics(metrics)):
        if run.poll() is not None or time.monotonic() > end:
            run.kill()
            said = run.stderr.read()[-500:] if run.stderr else ""
            raise RuntimeError(f"facekit train came to no step, expected one: {said}")
        time.sleep(0.02)
