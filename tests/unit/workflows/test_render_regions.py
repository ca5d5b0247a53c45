"""Where everybody is in a take of a board, and what is told of it."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from facekit.generation.regions import Region, parse_region, region_between
from facekit.generation.sample import SampleSettings
from facekit.types import Face, Image, NoProgress
from facekit.workflows.render_jobs import TakeJob
from facekit.workflows.render_regions import regions_of, told_regions
from tests.tiny.boards import plans, shots

SETTINGS = SampleSettings(num_inference_steps=1, guidance_scale=1.0, fps=8.0)


class TwoFaces:
    """A detector that always finds the same faces, one left and one right."""

    def detect(self, images: Sequence[Image]) -> list[tuple[Face, ...]]:
        faces = tuple(
            Face(
                box_xyxy_px=np.array([left, 20, left + 24, 48], np.float32),
                landmarks_px=np.zeros((5, 2), np.float32),
                score=1.0,
            )
            for left in (4, 60)
        )
        return [faces] * len(images)


def found(said: str, frames: int = 9) -> tuple[TakeJob, dict[str, Region]]:
    """Where everybody is in a shot that begins with a picture of two."""
    entry = f"id: SH0010, frames: {frames}, action: '@mira and @tom talking', characters: [{said}]"
    (shot,) = plans(shots(entry, more="deliver: {handles: 0}")).values()
    job = TakeJob(shot=shot, number=1, fingerprint="f", version=Path("v001"))
    nobody: Any = None  # nothing is sampled
    start = np.zeros((96, 96, 3), np.uint8)
    return job, regions_of(job, start, SETTINGS, nobody, TwoFaces, NoProgress())


def test_who_has_a_region_keeps_it_where_others_are_looked_for() -> None:
    _, both = found("{id: mira}, {id: tom}")
    _, mixed = found("{id: mira, region: [0, 0.1, 0.4, 1]}, {id: tom}")
    assert mixed["mira"].boxes == ((0, 0.1, 0.4, 1),) != both["mira"].boxes
    assert mixed["tom"].boxes == both["tom"].boxes
    assert both["mira"].boxes[0][2] <= both["tom"].boxes[0][0]


def test_nobody_is_looked_for_where_all_have_a_region_or_the_picture() -> None:
    _, given = found("{id: mira, region: left}, {id: tom, region: right}")
    assert [one.boxes[0][0] for one in given.values()] == [0.0, 0.5]
    (shot,) = plans(shots("id: SH0010, frames: 9, action: '@mira talking'")).values()
    job = TakeJob(shot=shot, number=1, fingerprint="f", version=Path("v001"))
    nobody: Any = None
    assert regions_of(job, None, SETTINGS, nobody, TwoFaces, NoProgress()) == {}


def test_what_moved_over_the_first_chunk_is_told_over_all_frames() -> None:
    job, _ = found("{id: mira, region: left}, {id: tom, region: right}", frames=30)
    moves = parse_region("0,0,0.25,1..0.5,0,0.75,1")
    assert job.shot.frames.chunks[0] == 17
    told = told_regions({"mira": moves, "tom": parse_region("right")}, job.shot, 33)
    assert told["tom"] == "right"
    over = parse_region(told["mira"])
    assert len(over.boxes) == 33
    assert over.boxes[8] == pytest.approx((0.25, 0, 0.5, 1))
    assert over.boxes[16] == over.boxes[-1] == (0.5, 0, 0.75, 1), "there it stays"
    (cut,) = {region_between(over, 33, 20, 9).boxes}
    assert cut == ((0.5, 0, 0.75, 1),)
    assert told_regions({"mira": moves}, job.shot, 17) == {"mira": moves.text}
