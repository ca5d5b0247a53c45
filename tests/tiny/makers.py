"""A maker of takes that draws nothing but grey; without torch, so that a worker begins quickly."""

import json
import os
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from facekit.errors import OutputError
from facekit.generation.units import take_name
from facekit.media.video import write_clip
from facekit.types import Clip, Progress
from facekit.workflows.render_jobs import MadeTake, TakeJob

BOARD = """\
schema: facekit.storyboard/1
project: {id: ep01}
deliver: {fps: 24, handles: 0, mezzanine: none, aspects: ["1:1", "16:9"]}
engine: {base: tiny, defaults: {num_inference_steps: 1, guidance_scale: 1}}
sequences:
  - id: S
    shots:
      - {id: A, frames: 12, place: park, aspects: ["1:1"]}
      - {id: B, frames: 12, extend_of: A}
      - {id: C, frames: 3, place: park, aspects: ["16:9"]}
      - {id: D, frames: 24, place: kitchen, aspects: ["1:1"]}
"""
"""Three groups of shots; no two takes of it fit into one batch."""


class GreyMaker:
    """Writes whole takes, and a file of each that it made.

    Args:
        judge: Digest of the judge that the records name.
        notes: Folder that gets `NAME-PID` when a take is begun and `NAME-PID.made` when it is done.
        slow: The shot whose first take waits to be killed.
        deadly: The shot that ends whoever makes it.
        full: The shot that finds the disk full.
    """

    def __init__(
        self, judge: str, notes: Path, *, slow: str = "", deadly: str = "", full: str = ""
    ) -> None:
        self.judge, self.notes = judge, notes
        self.slow, self.deadly, self.full = slow, deadly, full

    def make(self, jobs: Sequence[TakeJob], progress: Progress) -> list[MadeTake]:
        for job in jobs:
            note = self.notes / f"{job.shot.name}-{os.getpid()}"
            note.touch()
            if job.shot.name == self.deadly:
                os._exit(9)
            if job.shot.name == self.full:
                raise OutputError("x: not written, no space left; free some")
            if job.shot.name == self.slow and len(list(self.notes.glob(f"{self.slow}-*"))) == 1:
                time.sleep(600)
            self._write(job)
            note.with_name(f"{note.name}.made").touch()
        return [MadeTake(job=job, draw_s=1.0, other_s=0.0) for job in jobs]

    def _write(self, job: TakeJob) -> None:
        shot, name = job.shot, take_name(job.number)
        count = sum(shot.frames.chunks)
        frames = np.full((count, shot.height, shot.width, 3), 128, np.uint8)
        job.takes_dir.mkdir(parents=True, exist_ok=True)
        write_clip(job.takes_dir / f"{name}.mp4", Clip(frames=frames, fps=shot.native_fps))
        (job.takes_dir / f"{name}.png").write_bytes(b"")
        record = {"fingerprint": job.fingerprint, "draw_s": 1.0}
        (job.takes_dir / f"{name}.json").write_text(json.dumps(record))
        measured = {"fingerprint": job.fingerprint, "judge": self.judge, "figures": None}
        (job.takes_dir / f"{name}.identity.json").write_text(json.dumps(measured))
