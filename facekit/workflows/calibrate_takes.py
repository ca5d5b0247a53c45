"""Takes as material for thresholds: those that are there, and how like everybody they are."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from facekit.evaluation.cast_tracks import track_cast
from facekit.generation.storyboard_shot import ShotPlan
from facekit.generation.units import take_name
from facekit.media.video import read_clip
from facekit.workflows.render import RenderPlan
from facekit.workflows.render_files import take_prints
from facekit.workflows.render_judge import Judge
from facekit.workflows.render_takes import is_there, shown_frames

__all__ = ["CalibrationTake", "TakeScore", "find_takes", "take_scores"]


@dataclass(frozen=True, slots=True, kw_only=True)
class CalibrationTake:
    """A take of somebody alone."""

    who: str
    shot: ShotPlan
    clip: Path
    fingerprint: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TakeScore:
    """How alike the face of a take and a member are."""

    p05: float
    """What all but the worst twentieth of its frames reach: what its gate asks for."""
    mean: float


def find_takes(plan: RenderPlan) -> tuple[CalibrationTake, ...]:
    """List takes of shots with one character, whatever the gates said of them.

    Takes of another plan (another prompt, a character that was made anew) are left out.
    """
    found = []
    for shot in plan.board.shots:
        state = plan.state.shots[shot.name]
        if len(shot.characters) != 1 or state.waits_for:
            continue
        for number in sorted(take_prints(state.version)):
            job = plan.state.job(state, number)
            clip = job.takes_dir / f"{take_name(number)}.mp4"
            if is_there(job) and clip.is_file():
                found.append(
                    CalibrationTake(
                        who=shot.characters[0].id,
                        shot=shot,
                        clip=clip,
                        fingerprint=job.fingerprint,
                    )
                )
    return tuple(found)


def take_scores(take: CalibrationTake, judge: Judge) -> Mapping[str, TakeScore]:
    """Compare the face that is seen longest with every member; nothing where none can be scored."""
    clip, _ = shown_frames(read_clip(take.clip), take.shot)
    tracks = track_cast(clip, judge.cast, judge.faces, floor=judge.faces.min_same_person)
    seen = [track for track in tracks if track.is_scored.any()]
    if not seen:
        return {}
    track = max(seen, key=lambda one: int(one.is_scored.sum()))
    rows_FC = track.similarities_FC[track.is_scored]
    return {
        name: TakeScore(
            p05=float(np.quantile(rows_FC[:, column], 0.05)),
            mean=float(rows_FC[:, column].mean()),
        )
        for column, name in enumerate(judge.cast)
    }
