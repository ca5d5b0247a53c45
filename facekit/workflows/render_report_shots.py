"""What the report of a rendered board says of each shot, read from its files.

Shapes: F frames.
"""

import os
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from itertools import accumulate
from pathlib import Path
from urllib.parse import quote

import numpy as np

from facekit.evaluation.sequence_content import FaceCurve, SequenceShot, SequenceTake, ShotFrames
from facekit.evaluation.sequence_pictures import ShotPictures, shot_pictures
from facekit.evaluation.take_figures import TakeFigures
from facekit.evaluation.take_gates import GateCheck, gate_checks
from facekit.evaluation.tracks import SCORED
from facekit.generation.storyboard_shot import ShotPlan
from facekit.generation.units import TakeRecord, take_name, take_seed
from facekit.media.video import read_clip
from facekit.types import Clip
from facekit.workflows.board_export import SHOT_RECORD
from facekit.workflows.render_files import IDENTITY_SUFFIX, read_json, versions
from facekit.workflows.render_jobs import TAKES_DIR
from facekit.workflows.render_judge import JudgePlan, limits_of
from facekit.workflows.render_state import ShotState
from facekit.workflows.render_takes import shown_frames

__all__ = ["chosen_clip", "gather_shot", "identity_of", "relative", "take_path"]

_NO_FACE = "no face"


def gather_shot(
    state: ShotState, judge: JudgePlan, begins_s: float, most_bytes: int, folder: Path | None
) -> SequenceShot:
    """Read everything about a shot.

    Args:
        state: Of the shot.
        judge: By what it was judged.
        begins_s: Where it begins in the film.
        most_bytes: Of its pictures.
        folder: Of the page, where it leads to the files of the shot.

    Raises:
        MediaError: A take cannot be read.
    """
    shot, chosen = state.shot, state.decision.chosen
    measured = identity_of(state)
    frames = _frames(shot, _record(state))
    curves = _curves(shot, measured, judge, frames)
    clips = {
        take_name(take.number): _shown(take_path(state, take.number), shot)
        for take in state.takes
        if take.is_drawn
    }
    pictures = ShotPictures()
    if chosen is not None:
        clip = clips[take_name(chosen.number)]
        place = min(_typical(curves, clip.num_frames), clip.num_frames - 1)
        pictures = shot_pictures(clip, place, clips, most_bytes=most_bytes)
    return SequenceShot(
        name=shot.name,
        sequence=shot.sequence,
        label=f"{shot.shot} {shot.aspect}",
        aspect=shot.aspect,
        verdict=state.word,
        reason=state.decision.reason or f"waits for {', '.join(state.waits_for)}",
        prompt=shot.prompt,
        likeness=chosen.score if chosen else None,
        begins_s=begins_s,
        seconds=shot.frames.seconds,
        frames=frames,
        takes=[_take(state, take) for take in state.takes],
        gates=_gates(shot, measured, judge),
        curves=curves,
        pictures=pictures,
        ratio=shot.width / shot.height,
        goes_on_from=shot.depends_on,
        links={} if folder is None else _links(state, folder),
    )


def take_path(state: ShotState, number: int) -> Path:
    """The clip of a take."""
    return state.version / TAKES_DIR / f"{take_name(number)}.mp4"


def identity_of(state: ShotState) -> Mapping[str, object]:
    """What was measured on the take that is delivered; empty where there is none."""
    chosen = state.decision.chosen
    if chosen is None:
        return {}
    path = take_path(state, chosen.number)
    return read_json(path.with_name(f"{path.stem}{IDENTITY_SUFFIX}")) or {}


def chosen_clip(state: ShotState) -> Clip:
    """The delivered frames of a shot that is decided, as they were drawn."""
    assert state.decision.chosen is not None
    return _shown(take_path(state, state.decision.chosen.number), state.shot)


def relative(path: Path, folder: Path) -> str:
    """The way from a page in a folder to a file, for as long as both stay where they are."""
    return quote(Path(os.path.relpath(path, folder)).as_posix())


def _shown(path: Path, shot: ShotPlan) -> Clip:
    clip, _ = shown_frames(read_clip(path), shot)
    return clip


def _record(state: ShotState) -> Mapping[str, object]:
    chosen = state.decision.chosen
    if chosen is None:
        return {}
    return read_json(take_path(state, chosen.number).with_suffix(".json")) or {}


def _take(state: ShotState, take: TakeRecord) -> SequenceTake:
    record = read_json(take_path(state, take.number).with_suffix(".json")) or {}
    chosen = state.decision.chosen
    return SequenceTake(
        name=take_name(take.number),
        seed=take_seed(state.shot, take.number),
        verdict=take.verdict,
        likeness=take.score,
        reasons=take.reasons,
        draw_s=float(str(record.get("draw_s", 0.0))),
        is_drawn=take.is_drawn,
        is_chosen=chosen is not None and chosen.number == take.number,
        is_retake=take.number > len(state.shot.seeds),
    )


def _frames(shot: ShotPlan, record: Mapping[str, object]) -> ShotFrames:
    frames = shot.frames
    source = frames.source_frames()
    told = record.get("chain")
    if isinstance(told, Mapping):  # how it went, where a chain was drawn
        begins = [int(seam) for seam in told.get("seams", ())]
    else:
        begins = [
            total - number for number, total in enumerate(accumulate(frames.chunks[:-1]), start=1)
        ]
    seen = [seam for seam in begins if source[0] < seam <= source[-1]]
    first_number = shot.start_frame - frames.head
    return ShotFrames(
        requested=frames.asked,
        chunks=frames.chunks,
        drawn=frames.drawn,
        delivered=frames.delivered,
        head=frames.head,
        tail=frames.tail,
        fps=float(frames.rate),
        first_number=first_number,
        cut=(
            source[frames.head] - source[0],
            source[frames.head + frames.cut - 1] - source[0],
        ),
        seams=[seam - source[0] for seam in seen],
        seam_numbers=[first_number + bisect_left(source, seam) for seam in seen],
    )


def _curves(
    shot: ShotPlan, measured: Mapping[str, object], judge: JudgePlan, frames: ShotFrames
) -> list[FaceCurve]:
    tracks = measured.get("tracks")
    if not isinstance(tracks, list):
        return []
    source = shot.frames.source_frames()
    count = source[-1] - source[0] + 1
    limits = limits_of(shot, judge, float(str(measured["floor"])))
    found = []
    for person in shot.characters:
        values = np.full(count, np.nan)
        statuses = [_NO_FACE] * count
        for track in tracks:
            if track["match"] != person.id:
                continue
            for number, value, *why in track["frames"]:
                place = int(number) - frames.first_number
                if value is None and not np.isfinite(values[place]):
                    statuses[place] = str(why[0]).replace("_", " ")
                elif value is not None:
                    values[place] = np.nanmax([values[place], float(value)])
                    statuses[place] = SCORED
        least = limits.p05.get(person.id)
        found.append(
            FaceCurve(
                character=person.id,
                similarities_F=values,
                statuses_F=statuses,
                least=None if least == "off" else least,
            )
        )
    return found


def _gates(
    shot: ShotPlan, measured: Mapping[str, object], judge: JudgePlan
) -> tuple[GateCheck, ...]:
    figures = measured.get("figures")
    if not isinstance(figures, Mapping):
        return ()
    limits = limits_of(shot, judge, float(str(measured["floor"])))
    return gate_checks(TakeFigures.from_json(figures), limits)


def _typical(curves: Sequence[FaceCurve], num_frames: int) -> int:
    """The frame that stands for a shot: where everybody is as like as on average."""
    known = [curve for curve in curves if curve.mean is not None]
    if not known:  # at least one with a face, whoever's it is
        seen = [
            place for curve in curves for place, x in enumerate(curve.statuses_F) if x != _NO_FACE
        ]
        return sorted(seen)[len(seen) // 2] if seen else num_frames // 2
    away = np.stack([np.abs(curve.similarities_F - curve.mean) for curve in known])
    away = np.where(np.isfinite(away), away, 2.0)  # a frame without the face is no good
    return int(away.sum(axis=0).argmin())


def _links(state: ShotState, folder: Path) -> dict[str, str]:
    """Files of the version that is delivered, the movies first, and all takes."""
    out_dir = state.version.parents[len(state.shot.folder.parts)]
    there = [path for path in versions(out_dir, state.shot) if (path / SHOT_RECORD).is_file()]
    found: list[Path] = []
    if there and state.is_delivered:
        inside = [path for path in there[-1].iterdir() if path.name[0] != "."]
        found += sorted(inside, key=lambda path: (path.suffix not in (".mp4", ".mov"), path.name))
    elif state.takes:
        found.append(state.version / TAKES_DIR)
    return {path.name: relative(path, folder) for path in found}
