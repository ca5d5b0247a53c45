"""A take of a planned shot on disk: whether it is there, what is shown, what it begins with."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from PIL import Image as PillowImage

from facekit.generation.storyboard_shot import ShotPlan
from facekit.generation.units import take_name, take_seed
from facekit.media.images import read_image
from facekit.media.video import read_clip
from facekit.types import Clip, Image, Shot
from facekit.workflows.render_files import read_json, write_json
from facekit.workflows.render_jobs import TakeJob
from facekit.workflows.takes import is_done

__all__ = [
    "chunks_dir",
    "first_picture",
    "is_there",
    "pinned_picture",
    "shot_of",
    "shown_frames",
    "write_void",
]


def is_there(job: TakeJob) -> bool:
    """Whether a take is whole and made as the job says, or known to be impossible."""
    if is_done(job.takes_dir, shot_of(job, 1), job.fingerprint):
        return True
    record = read_json(job.takes_dir / f"{take_name(job.number)}.json") or {}
    return "void" in record and record.get("fingerprint") == job.fingerprint


def chunks_dir(job: TakeJob) -> Path:
    """Where the chunks of a take are kept until it is whole."""
    return job.takes_dir / f"{take_name(job.number)}.chunks"


def shot_of(job: TakeJob, num_frames: int) -> Shot:
    """A take as a shot by itself, with `@name` in its prompt."""
    return Shot(
        name=take_name(job.number),
        prompt=job.shot.written_prompt,
        seed=take_seed(job.shot, job.number),
        num_frames=num_frames,
        height=job.shot.height,
        width=job.shot.width,
        kind=job.shot.kind,
    )


def shown_frames(clip: Clip, shot: ShotPlan) -> tuple[Clip, int]:
    """Cut a take to the drawn frames that are delivered.

    Returns:
        The part, and how many delivered frames come before the cut where both rates are the same.
    """
    shown = shot.frames.source_frames()
    part = clip.frames[shown[0] : shown[-1] + 1]
    return Clip(frames=np.ascontiguousarray(part), fps=clip.fps), shot.frames.head


def first_picture(job: TakeJob) -> Image | None:
    """The picture that a shot begins with; None where it is drawn from nothing.

    Raises:
        MediaError: It cannot be read.
    """
    shot = job.shot
    pin = shot.extends or shot.first_frame
    if pin is None:
        return None
    if job.before is not None:
        frames = read_clip(job.before).frames
        return np.ascontiguousarray(frames[min(pin.frame, len(frames) - 1)])
    assert pin.image is not None
    return _fitted(read_image(pin.image), shot.height, shot.width)


def pinned_picture(shot: ShotPlan) -> str | None:
    """The file of the picture that a board begins a shot with."""
    pin = shot.first_frame
    return None if pin is None or pin.image is None else str(pin.image)


def write_void(job: TakeJob, why: str, record: Mapping[str, object]) -> None:
    """Write that a take cannot be made with its seed, and why.

    Raises:
        OutputError: It cannot be written.
    """
    write_json(
        job.takes_dir / f"{take_name(job.number)}.json",
        {"void": why, **record, "fingerprint": job.fingerprint},
    )


def _fitted(image: Image, height: int, width: int) -> Image:
    """Scale a picture to cover the shot; what hangs over is cut off evenly."""
    scale = min(image.shape[0] / height, image.shape[1] / width)
    high, wide = height * scale, width * scale
    top, left = (image.shape[0] - high) / 2, (image.shape[1] - wide) / 2
    fitted = PillowImage.fromarray(image).resize(
        (width, height), PillowImage.Resampling.LANCZOS, box=(left, top, left + wide, top + high)
    )
    return np.asarray(fitted)
