"""Rendered sequences without any render: what the report of one shows, made up."""

import dataclasses

import numpy as np

from facekit.evaluation.film import FilmShot, worst_pairs
from facekit.evaluation.film_plots import FilmCurve
from facekit.evaluation.metrics import cross_shot
from facekit.evaluation.sequence_content import (
    FaceCurve,
    SequenceCharacter,
    SequenceContent,
    SequenceCost,
    SequenceShot,
    SequenceTake,
    ShotFrames,
)
from facekit.evaluation.sequence_pictures import ShotPictures, encode, shot_pictures
from facekit.evaluation.take_gates import GateCheck
from facekit.types import Clip

FRAMES = ShotFrames(
    requested="1.5 s",
    chunks=(5, 5),
    drawn=9,
    delivered=27,
    head=3,
    tail=0,
    fps=24.0,
    first_number=998,
    cut=(1, 8),
    seams=[4],
    seam_numbers=[1010],
)


def noise(num_frames: int = 9, size: tuple[int, int] = (36, 64), seed: int = 0) -> Clip:
    """Frames that compress as badly as any."""
    values = np.random.default_rng(seed).integers(0, 256, (num_frames, *size, 3))
    return Clip(frames=values.astype(np.uint8), fps=8.0)


def pictures(max_bytes: int = 100_000) -> ShotPictures:
    clip = noise()
    return shot_pictures(clip, 4, {"t01": clip, "t02": clip}, most_bytes=max_bytes)


def shot(
    name: str,
    verdict: str = "pass",
    likeness: float | None = 0.6,
    *,
    drawn: ShotPictures | None = None,
    people: tuple[str, ...] = ("mira",),
    **changes: object,
) -> SequenceShot:
    """A shot of two takes, the second one delivered; nothing drawn where there are no pictures."""
    takes = [
        SequenceTake(
            name=f"t0{number}", seed=40 + number, verdict="fail" if number == 1 else verdict,
            likeness=likeness, reasons=["too <little>"] if number == 1 else [], draw_s=2.0,
            is_drawn=True, is_chosen=number == 2, is_retake=number == 2,
        )
        for number in (1, 2)
    ]  # fmt: skip
    values = np.full(9, np.nan) if likeness is None else likeness + 0.01 * np.arange(9)
    statuses = ["profile" if likeness is None else "scored"] * 9
    curves = [
        FaceCurve(character=one, similarities_F=values, statuses_F=statuses, least=0.35)
        for one in people
    ]
    gates = [
        GateCheck(
            gate="identity.p05", character=one, value=likeness, limit=0.35, at_least=True,
            verdict="pass",
        )
        for one in people
    ]  # fmt: skip
    made = SequenceShot(
        name=name, sequence="SEQ010", label=name, aspect="16:9", verdict=verdict,
        reason=f"why <{name}>", prompt="a <person>", likeness=likeness, begins_s=0.0, seconds=1.5,
        frames=FRAMES, takes=takes if drawn else [], gates=gates if drawn else [],
        curves=curves if drawn else [], pictures=drawn or ShotPictures(), ratio=16 / 9,
        links={"a.mp4": "../S/a%20b.mp4"},
    )  # fmt: skip
    return dataclasses.replace(made, **changes)  # type: ignore[arg-type]


def character(name: str, shots: list[SequenceShot], seed: int = 0) -> SequenceCharacter:
    """One that is in all of these shots; a shot without likeness has no face to compare."""
    draws = np.random.default_rng(seed)
    faces = [None if one.likeness is None else _unit(draws.normal(1.0, 0.5, 16)) for one in shots]
    cross = cross_shot(faces)
    face = encode(noise(1).frames[0], max_side_px=32)
    film = tuple(
        FilmShot(
            name=one.name, start_s=1.5 * place, seconds=1.5,
            similarities_F=np.full(8, np.nan if one.likeness is None else one.likeness),
        )
        for place, one in enumerate(shots)
    )  # fmt: skip
    return SequenceCharacter(
        name=name, shots=[one.name for one in shots], groups=[one.sequence for one in shots],
        likeness=[one.likeness for one in shots], cross_shot=cross,
        pairs=worst_pairs(cross.matrix_SS, 5), faces=(face, face) if cross.pair else None,
        films=[FilmCurve(name=f"{name}, 16:9", ceiling=0.9, shots=film)] if film else [],
        ceiling=0.9, num_photos=2, least=0.35, digest="ab" * 32,
    )  # fmt: skip


def sequence(
    shots: list[SequenceShot], characters: list[SequenceCharacter], **changes: object
) -> SequenceContent:
    made = SequenceContent(
        title="The <Letter>", project="letter", sequences={"SEQ010": "SEQ010, The kitchen"},
        shots=shots, characters=characters, floor=0.35, is_calibrated=False,
        encoder="judge@123456789abc" if characters else "", settings={"device": "cpu"},
        cost=SequenceCost(
            delivered_s=2.0, wasted_s=6.0, retakes=1, asked_s=4.0, asked_takes=2, estimate_s=3.0,
            estimate_takes=2, worst_s=9.0, basis="measured on cpu", made=2, took_s=10.0,
            run_draw_s=8.0,
        ),
        links={"ep01.otio": "../timeline/ep01.otio"},
    )  # fmt: skip
    return dataclasses.replace(made, **changes)  # type: ignore[arg-type]


def _unit(vector: np.ndarray) -> np.ndarray:
    return np.asarray(vector / np.linalg.norm(vector))
