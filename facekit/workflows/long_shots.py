"""Shots of several chunks on disk: each chunk is kept as it is done, so that a kill loses one."""

import dataclasses
import shutil
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np

from facekit.adapters.character import CharacterAttachment, attach_characters
from facekit.adapters.conditioning import is_zero
from facekit.digests import json_digest
from facekit.evaluation.metrics import demands_face
from facekit.generation.chain import draw_chain
from facekit.generation.chunks import Chained, Drawn, LongShot, Unit
from facekit.generation.continuation import continuation_pipeline, continue_clip
from facekit.generation.hand_over import ChainRule
from facekit.generation.sample import guidance_options, sample
from facekit.media.files import atomic_write
from facekit.media.images import pixel_digest
from facekit.types import Clip, Progress, Shot
from facekit.workflows.frame_likeness import Likeness
from facekit.workflows.shoot_plan import ShootPlan
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
) -> LongTake:
    """Draw one take chunk by chunk and write it; chunks that are there already are kept.

    Args:
        pipe: The backbone's stock text-to-video pipeline, without a character on it.
        plan: Has the take.
        index: Its place in the plan.
        record: How all takes of the plan are made.
        progress: Told of every denoising step.
        likeness: Scores frames; None hands the last frame on without looking at it.

    Raises:
        UsageError: The backbone cannot go on from a frame.
        FaceError: The clip that is to be longer ends with somebody else's face.
        OutputError: The folder cannot be written, or the disk is full.
    """
    shot, take, start = plan.shots[index], plan.start.take, plan.start
    rule = _chain_rule(plan, likeness)
    before = None
    if take is not None:
        scores = None if likeness is None else likeness.score(take.clip.frames)
        before = Drawn(clip=take.clip, scores_F=scores)
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
    store = plan.out_dir / f"{shot.name}.chunks"
    with ExitStack() as stack:
        attachment = None
        if not is_zero(plan.strength):
            attachment = attach_characters(
                pipe,
                plan.casts[index].characters,
                plan.strength,
                **guidance_options(plan.settings),
            )
            stack.callback(attachment.detach)
        drawer = _Drawer(pipe, plan, index, store, attachment, likeness, progress)
        locate = None if likeness is None else likeness.locate
        chained = draw_chain(asked, rule, plan.spec.frame_multiple, drawer.draw, locate)
    done = dataclasses.replace(shot, num_frames=chained.clip.num_frames)
    chain = _chain_record(chained, rule, likeness, plan)
    path = write_take(plan.out_dir, done, chained.clip, {**record, "chain": chain})
    shutil.rmtree(store, ignore_errors=True)
    return LongTake(path=path, stopped=chained.stopped)


def _chain_rule(plan: ShootPlan, likeness: Likeness | None) -> ChainRule:
    """What may be handed on, in the numbers of the encoder that judges."""
    if likeness is None:
        return plan.rule
    return dataclasses.replace(plan.rule, min_same_person=likeness.min_same_person)


def _chain_record(
    chained: Chained, rule: ChainRule, likeness: Likeness | None, plan: ShootPlan
) -> dict[str, object]:
    """Write how a chain went as plain data."""
    continued = plan.start.take
    seams = [chunk.first_frame for chunk in chained.chunks if chunk.first_frame > 0]
    if continued is not None:
        told = continued.record.get("chain")
        earlier = told.get("seams", ()) if isinstance(told, Mapping) else ()
        seams = [seam for seam in earlier if seam < seams[0]] + seams
    return {
        "requested_frames": chained.requested_frames,
        "delivered_frames": chained.clip.num_frames,
        "drawn_frames": chained.drawn_frames,
        "stopped": chained.stopped or None,
        "seams": seams,
        "reference_likeness": chained.reference,
        "encoder": likeness.encoder if likeness else None,
        "rule": dataclasses.asdict(rule),
        "continues": continued.path.name if continued else None,
        "next_index": plan.start.first_index + len(chained.chunks),
        "chunks": [dataclasses.asdict(chunk) for chunk in chained.chunks],
    }


class _Drawer:
    """Draws units, or reads what an earlier sitting has drawn."""

    def __init__(
        self,
        pipe: Any,
        plan: ShootPlan,
        index: int,
        store: Path,
        attachment: CharacterAttachment | None,
        likeness: Likeness | None,
        progress: Progress,
    ) -> None:
        self.pipe, self.plan, self.store = pipe, plan, store
        self.attachment, self.likeness, self.progress = attachment, likeness, progress
        self.shot = dataclasses.replace(plan.shots[index], prompt=plan.prompts[index])
        self.fingerprint = plan.unit_fingerprints[index]
        self.continued = continuation_pipeline(pipe)

    def draw(self, unit: Unit) -> Drawn:
        path = self.store / f"{unit.index:03d}-{unit.attempt}.npz"
        digest = self._digest(unit)
        frames = _read(path, digest)
        if frames is None:
            frames = self._draw(unit).frames
            with atomic_write(path) as temporary:
                np.savez_compressed(temporary, frames=frames, digest=np.array(digest))
        scores = None if self.likeness is None else self.likeness.score(frames)
        return Drawn(clip=Clip(frames=frames, fps=self.plan.settings.fps), scores_F=scores)

    def _draw(self, unit: Unit) -> Clip:
        plan = self.plan
        shot: Shot = dataclasses.replace(
            self.shot,
            name=f"{self.shot.name}, chunk {unit.index + 1} of {unit.index + 1 + unit.num_left}",
            seed=unit.seed,
            num_frames=unit.num_frames,
        )
        if self.attachment is not None and isinstance(unit.strength, Sequence):
            self.attachment.set_strength(unit.strength)
        if unit.start is None:
            clips = sample(
                self.pipe, [shot], plan.spec, plan.settings, progress=self.progress, label=shot.name
            )
            return next(clips)
        before = Clip(frames=unit.start[None], fps=plan.settings.fps)
        settings = plan.settings
        if unit.index > 0 and settings.identity_guidance is None:
            scale = plan.rule.guided(settings.guidance_scale)
            settings = dataclasses.replace(settings, guidance_scale=scale)
        return continue_clip(
            self.continued,
            before,
            shot,
            plan.spec,
            settings,
            last=plan.start.last,
            progress=self.progress,
        )

    def _digest(self, unit: Unit) -> str:
        content = {
            "take": self.fingerprint,
            "unit": [unit.index, unit.attempt, unit.seed, unit.num_frames, unit.strength],
            "start": None if unit.start is None else pixel_digest(unit.start),
        }
        return json_digest(content)


def _read(path: Path, digest: str) -> np.ndarray | None:
    """Frames of a unit that is there and was made in this very way."""
    if not path.is_file():
        return None
    try:
        with np.load(path) as stored:
            return np.asarray(stored["frames"]) if str(stored["digest"]) == digest else None
    except (OSError, ValueError, KeyError, EOFError):
        return None  # cut short: drawn again
