"""Several processes make takes, and one that dies is replaced."""

import os
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from facekit.errors import OutputError, WorkerLost
from facekit.types import Progress
from facekit.workflows.render_jobs import MadeTake, TakeJob
from facekit.workflows.render_workers import Workers


class Maker:
    """Writes who made what; dies or fails where the name of a shot says so."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def make(self, jobs: Sequence[TakeJob], progress: Progress) -> list[MadeTake]:
        for job in jobs:
            tries = self.folder / f"{job.shot.name}-{os.getpid()}"
            tries.touch()
            seen = len(list(self.folder.glob(f"{job.shot.name}-*")))
            if job.shot.name == "hopeless" or (job.shot.name == "dies" and seen == 1):
                os._exit(9)
            if job.shot.name == "full":
                raise OutputError("x: not written, no space left; free some")
        return [MadeTake(job=job, draw_s=1.0, other_s=0.0) for job in jobs]


def job(name: str, folder: Path) -> TakeJob:
    frames = SimpleNamespace(chunks=(5, 5))
    shot: Any = SimpleNamespace(
        name=name, frames=frames, characters=(), first_frame=None, height=8, width=8
    )
    return TakeJob(shot=shot, number=1, fingerprint="", version=folder)


def test_a_worker_that_dies_is_replaced_and_its_take_is_made(tmp_path: Path) -> None:
    crew = Workers([partial(Maker, tmp_path)] * 2)
    try:
        for name in ("dies", "b", "c"):
            crew.submit(job(name, tmp_path))
        made = [one.job.shot.name for _ in range(3) for one in crew.collect()]
        assert sorted(made) == ["b", "c", "dies"]
        assert len(list(tmp_path.glob("dies-*"))) == 2
        crew.submit(job("full", tmp_path))
        with pytest.raises(OutputError, match="no space left"):
            crew.collect()
        crew.submit(job("hopeless", tmp_path))
        with pytest.raises(WorkerLost, match=r"hopeless:t01: 3 workers ended .* exit code 9"):
            crew.collect()
    finally:
        crew.close()
