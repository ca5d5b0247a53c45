"""A take of a board that is drawn in chunks, or goes on from another shot: one chain.

Shapes: F frames.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from facekit.adapters.character import Character
from facekit.adapters.conditioning import Strength
from facekit.backbones.spec import BackboneSpec
from facekit.generation.chunks import Chained, Drawn, LongShot, chunk_frames
from facekit.generation.regions import Region
from facekit.generation.sample import SampleSettings
from facekit.media.video import read_clip
from facekit.types import Clip, Image, Progress
from facekit.workflows.chain_units import ChainCast, ChainWork, chain_record, draw_units
from facekit.workflows.frame_likeness import Likeness
from facekit.workflows.render_jobs import TakeJob
from facekit.workflows.render_takes import chunks_dir, shot_of

__all__ = ["ChainedTake", "draw_chained", "simple_strength"]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ChainedTake:
    """A take that was drawn as a chain."""

    chained: Chained
    """Counted from the take's own first frame."""
    record: Mapping[str, object]
    draw_s: float
    """Time in the sampler, that of earlier sittings too."""
    fresh_s: float
    """Of that, the time of this sitting."""


def draw_chained(
    job: TakeJob,
    pipe: Any,
    spec: BackboneSpec,
    characters: Sequence[Character],
    regions: Mapping[str, Region],
    settings: SampleSettings,
    likeness: Likeness | None,
    picture: Image | None,
    progress: Progress,
) -> ChainedTake:
    """Draw a take chunk by chunk; chunks that an earlier sitting has drawn are read.

    What goes on from another shot is measured by the first chunk of the shot where all of that
    began, so that no likeness is lost from shot to shot. Its first frame is that of the other shot,
    exactly, for the cut is there; it is handed on unless it shows somebody else.

    Args:
        job: The take.
        pipe: The text-to-video pipeline, with nobody attached.
        spec: The backbone.
        characters: In the order of the shot's.
        regions: Where they are, by their names on the board.
        settings: How it is sampled.
        likeness: Scores frames.
        picture: What it begins with.
        progress: Told of every step.

    Raises:
        FaceError: The frame that it goes on from shows somebody else.
        MediaError: What it goes on from cannot be read.
        OutputError: A chunk cannot be written.
    """
    shot, most = job.shot, chunk_frames(spec)
    before = None
    if shot.extends is not None:
        assert picture is not None
        before = _before(job, picture, most, settings.fps, likeness)
    # Frames of the chain that are not the take's: what it is measured by.
    own = 0 if before is None else before.clip.num_frames - 1
    asked = LongShot(
        seed=shot_of(job, 1).seed,
        num_frames=own + shot.frames.drawn,
        chunk_frames=most,
        needs_face=any(person.face_required for person in shot.characters),
        picture=None if before is not None else picture,
        before=before,
        before_is_cut=before is not None,
        is_final=not shot.is_continued,
    )
    people = shot.characters
    cast = ChainCast(
        characters=tuple(characters),
        regions=tuple(regions.get(person.id) for person in people) if regions else (),
        prompts=shot.regional_prompts if regions else (),
        region_frames=shot.frames.chunks[0],
        strengths=lambda first, count: [
            simple_strength(person.strengths(first - own, count)) for person in people
        ],
    )
    work = ChainWork(
        shot=dataclasses.replace(shot_of(job, 1), name=job.name, prompt=shot.prompt),
        settings=settings,
        rule=shot.rule,
        fingerprint=job.fingerprint,
        store=chunks_dir(job),
        cast=cast if people else None,
        likeness=likeness,
        negative_prompt=shot.negative_prompt,
    )
    drawn = draw_units(pipe, spec, asked, work, progress)
    whole = drawn.chained
    chained = dataclasses.replace(
        whole,
        clip=Clip(frames=np.ascontiguousarray(whole.clip.frames[own:]), fps=whole.clip.fps),
        chunks=tuple(
            dataclasses.replace(chunk, first_frame=chunk.first_frame - own)
            for chunk in whole.chunks
        ),
        requested_frames=shot.frames.drawn,
    )
    record = chain_record(chained, work)
    record["continues"] = None if shot.extends is None else shot.extends.shot
    return ChainedTake(chained=chained, record=record, draw_s=drawn.draw_s, fresh_s=drawn.fresh_s)


def simple_strength(strengths: Sequence[float]) -> Strength:
    """One number where the strength does not change."""
    return strengths[0] if len(set(strengths)) == 1 else tuple(strengths)


def _before(
    job: TakeJob, picture: Image, most: int, fps: float, likeness: Likeness | None
) -> Drawn:
    """The first chunk that everything is measured by, and the end that goes on."""
    assert job.anchor is not None
    assert job.before is not None
    assert job.shot.extends is not None
    cut, beginning = job.shot.extends.frame, read_clip(job.anchor).frames[:most]
    first = max(0, cut + 1 - job.shot.rule.window)
    if job.anchor == job.before:
        beginning = beginning[:first]
    end = read_clip(job.before).frames[first:cut]
    frames_FHW3 = np.concatenate([beginning, end, picture[None]])
    scores_F = None if likeness is None else likeness.score(frames_FHW3)
    return Drawn(clip=Clip(frames=frames_FHW3, fps=fps), scores_F=scores_F)
