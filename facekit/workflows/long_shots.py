"""Single shots of several chunks: one take each, with everybody in their places."""

import dataclasses
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from facekit.adapters.conditioning import is_zero
from facekit.evaluation.metrics import demands_face
from facekit.faces.protocols import FaceDetector
from facekit.generation.chunks import Drawn, LongShot
from facekit.generation.finding import find_regions, left_to_right, regions_of_faces
from facekit.generation.regions import Region, region_between
from facekit.types import Clip, Progress, Shot
from facekit.workflows.cast_sampling import regional_prompts
from facekit.workflows.chain_units import ChainCast, ChainWork, chain_record, draw_units
from facekit.workflows.frame_likeness import Likeness
from facekit.workflows.shoot_facts import ShootPlan
from facekit.workflows.takes import write_take

__all__ = ["LongTake", "shoot_long"]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class LongTake:
    """A take of several chunks that has been written."""

    path: Path
    stopped: str
    """Why it is shorter than what was asked for; empty where it is not."""


def shoot_long(
    pipe: Any,
    plan: ShootPlan,
    index: int,
    record: Mapping[str, object],
    progress: Progress,
    likeness: Likeness | None,
    faces: FaceDetector | None = None,
) -> LongTake:
    """Draw one take chunk by chunk and write it; chunks that are there already are kept.

    Args:
        pipe: The backbone's stock text-to-video pipeline, without a character on it.
        plan: Has the take.
        index: Its place in the plan.
        record: How all takes of the plan are made.
        progress: Told of every denoising step.
        likeness: Scores frames; None hands the last frame on without looking at it.
        faces: Finds faces where regions are looked for.

    Raises:
        UsageError: The backbone cannot go on from a frame.
        FaceError: The clip that is to be longer ends with somebody else's face.
        NoFaceFound: Regions are looked for, and fewer figures are there than characters.
        OutputError: The folder cannot be written, or the disk is full.
    """
    shot, start = plan.shots[index], plan.start
    before = None
    if start.take is not None:
        scores = None if likeness is None else likeness.score(start.take.clip.frames)
        before = Drawn(clip=start.take.clip, scores_F=scores)
    asked = LongShot(
        seed=shot.seed,
        num_frames=shot.num_frames,
        chunk_frames=plan.chunk_frames,
        strength=plan.strength,
        needs_face=demands_face(shot.kind),
        picture=start.picture,
        before=before,
        first_index=start.first_index,
    )
    cast = None
    if not is_zero(plan.strength):
        cast = _cast(pipe, plan, index, faces, progress)
    work = ChainWork(
        shot=dataclasses.replace(shot, prompt=plan.prompts[index]),
        settings=plan.settings,
        rule=plan.rule,
        fingerprint=plan.unit_fingerprints[index],
        store=plan.out_dir / f"{shot.name}.chunks",
        cast=cast,
        likeness=likeness,
        last=start.last,
    )
    chained = draw_units(pipe, plan.spec, asked, work, progress).chained
    done = dataclasses.replace(shot, num_frames=chained.clip.num_frames)
    told = start.take.record.get("chain") if start.take is not None else None
    chain = chain_record(
        chained,
        work,
        first_index=start.first_index,
        seams_before=told.get("seams", ()) if isinstance(told, Mapping) else (),
    )
    chain["continues"] = start.take.path.name if start.take is not None else None
    content: dict[str, object] = {**record, "chain": chain}
    if cast is not None and cast.regions:
        rows = zip(plan.casts[index].characters, cast.regions, strict=True)
        told_of = (cast.region_frames, 0, done.num_frames)  # after them it stays
        content["regions"] = {
            who.name: region_between(where, *told_of).text for who, where in rows if where
        }
    path = write_take(plan.out_dir, done, chained.clip, content)
    shutil.rmtree(work.store, ignore_errors=True)
    return LongTake(path=path, stopped=chained.stopped)


def _cast(
    pipe: Any, plan: ShootPlan, index: int, faces: FaceDetector | None, progress: Progress
) -> ChainCast:
    """Who is in a take, and where: as it was said, or as they stand where it begins."""
    cast, shot, start = plan.casts[index], plan.shots[index], plan.start
    regions: Mapping[str, Region] = cast.regions
    num_frames = shot.num_frames
    if cast.is_auto:
        assert faces is not None, "regions are looked for with a face model"
        names = [who.name for who in cast.characters]
        first = start.picture if start.take is None else start.take.clip.frames[-1]
        if first is not None:
            there = Clip(frames=first[None], fps=plan.settings.fps)
            order = left_to_right(shot.prompt, names)
            regions, num_frames = regions_of_faces(there, order, faces, shot.name), 1
        else:
            num_frames = min(num_frames, plan.chunk_frames)
            short: Shot = dataclasses.replace(shot, num_frames=num_frames)
            regions = find_regions(
                pipe,
                short,
                plan.prompts[index],
                names,
                plan.spec,
                plan.settings,
                faces,
                progress=progress,
            )
    return ChainCast(
        characters=cast.characters,
        strength=plan.strength,
        regions=tuple(regions.get(who.name) for who in cast.characters) if regions else (),
        prompts=regional_prompts(shot, cast.characters) if regions else (),
        region_frames=num_frames,
    )
