"""The units of a chain: drawn with everybody in their places, kept on disk, read again.

A kill loses one unit at most. Single long shots and boards draw theirs here.
"""

import dataclasses
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
from torch import Tensor

from facekit.adapters.character import Character, CharacterAttachment, attach_characters
from facekit.adapters.conditioning import Strength
from facekit.backbones.spec import BackboneSpec
from facekit.digests import json_digest
from facekit.generation.chain import draw_chain
from facekit.generation.chunks import Chained, Drawn, LongShot, Unit
from facekit.generation.continuation import continuation_pipeline, continue_clip
from facekit.generation.hand_over import ChainRule
from facekit.generation.regions import Region, make_masks, region_between
from facekit.generation.sample import SampleSettings, guidance_options, sample
from facekit.media.files import atomic_write
from facekit.media.images import pixel_digest
from facekit.types import Clip, Image, Progress, Shot
from facekit.workflows.frame_likeness import Likeness

__all__ = ["ChainCast", "ChainWork", "DrawnChain", "chain_record", "draw_units"]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ChainCast:
    """Who is in a long shot, over its whole length."""

    characters: tuple[Character, ...]
    strength: Strength = 1.0
    """Of all of them, as the chain cuts it for each unit."""
    regions: tuple[Region | None, ...] = ()
    """Where each one is; nothing for the whole picture."""
    prompts: tuple[str, ...] = ()
    """What the region of each one reads, where the backbone can; nothing for the same."""
    region_frames: int = 1
    """Frames over which regions move; after them they stay."""
    strengths: Callable[[int, int], Sequence[Strength]] | None = None
    """First frame and number of frames -> one per character; else all have the chain's."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ChainWork:
    """How the units of one chain are drawn, and where they are kept."""

    shot: Shot
    """Its prompt is what the backbone reads."""
    settings: SampleSettings
    rule: ChainRule
    fingerprint: str
    """Of all that decides every unit."""
    store: Path
    """Folder of the units."""
    cast: ChainCast | None
    """None for the bare backbone."""
    likeness: Likeness | None
    """Scores frames; None hands the last frame on without looking at it."""
    last: Image | None = None
    """What the only unit ends with."""
    negative_prompt: str = ""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class DrawnChain:
    """A chain and what it took."""

    chained: Chained
    draw_s: float
    """Time in the sampler, that of earlier sittings too."""
    fresh_s: float
    """Of that, the time of this sitting."""


def draw_units(
    pipe: Any, spec: BackboneSpec, asked: LongShot, work: ChainWork, progress: Progress
) -> DrawnChain:
    """Draw a chain unit by unit; those that are there already are read.

    Args:
        pipe: The stock text-to-video pipeline, with nobody attached; so it is afterwards.
        spec: The backbone.
        asked: What the chain is asked for.
        work: How its units are drawn.
        progress: Told of every denoising step.

    Raises:
        UsageError: The backbone cannot go on from a frame.
        FaceError: What is gone on from ends with somebody else's face.
        OutputError: A unit cannot be written, or the disk is full.
    """
    with ExitStack() as stack:
        rule = work.rule
        if work.likeness is not None:  # in the numbers of the encoder that judges
            rule = dataclasses.replace(rule, min_same_person=work.likeness.min_same_person)
        drawer = _Drawer(pipe, spec, work, progress, stack)
        locate = None if work.likeness is None else work.likeness.locate
        chained = draw_chain(asked, rule, spec.frame_multiple, drawer.draw, locate)
        return DrawnChain(chained=chained, draw_s=drawer.draw_s, fresh_s=drawer.fresh_s)


def chain_record(
    chained: Chained, work: ChainWork, *, first_index: int = 0, seams_before: Sequence[int] = ()
) -> dict[str, object]:
    """Write how a chain went as plain data.

    Args:
        chained: The chain.
        work: How it was drawn.
        first_index: Number of its first chunk.
        seams_before: Of a clip that was made longer.
    """
    seams = [chunk.first_frame for chunk in chained.chunks if chunk.first_frame > 0]
    if seams:
        seams = [seam for seam in seams_before if seam < seams[0]] + seams
    likeness, rule = work.likeness, work.rule
    if likeness is not None:
        rule = dataclasses.replace(rule, min_same_person=likeness.min_same_person)
    if likeness is None or likeness.locate is None:
        rule = dataclasses.replace(rule, anchor=0.0)  # no face could be put back
    return {
        "requested_frames": chained.requested_frames,
        "delivered_frames": chained.clip.num_frames,
        "drawn_frames": chained.drawn_frames,
        "stopped": chained.stopped or None,
        "seams": seams,
        "reference_likeness": chained.reference,
        "encoder": likeness.encoder if likeness else None,
        "rule": dataclasses.asdict(rule),
        "next_index": first_index + len(chained.chunks),
        "chunks": [dataclasses.asdict(chunk) for chunk in chained.chunks],
    }


class _Drawer:
    """Draws units, or reads what an earlier sitting has drawn."""

    def __init__(
        self, pipe: Any, spec: BackboneSpec, work: ChainWork, progress: Progress, stack: ExitStack
    ) -> None:
        self.pipe, self.spec, self.work, self.progress = pipe, spec, work, progress
        self.continued = continuation_pipeline(pipe)
        self.draw_s = self.fresh_s = 0.0
        self._stack = stack
        self._attachment: CharacterAttachment | None = None

    def draw(self, unit: Unit) -> Drawn:
        """Give the frames of a unit with their likeness."""
        path = self.work.store / f"{unit.index:03d}-{unit.attempt}.npz"
        places, strengths = self._places_of(unit), self._strengths_of(unit)
        digest = self._digest(unit, places, strengths)
        frames, took_s = _read(path, digest)
        if frames is None:
            begun = time.perf_counter()
            self._place(unit, places, strengths)
            frames = self._draw(unit).frames
            took_s = time.perf_counter() - begun
            self.fresh_s += took_s
            with atomic_write(path, lasting=False) as temporary:  # cut short, it is drawn again
                np.savez_compressed(
                    temporary, frames=frames, digest=np.array(digest), draw_s=np.array(took_s)
                )
        self.draw_s += took_s
        likeness = self.work.likeness
        scores = None if likeness is None else likeness.score(frames)
        return Drawn(clip=Clip(frames=frames, fps=self.work.settings.fps), scores_F=scores)

    def _draw(self, unit: Unit) -> Clip:
        work, settings = self.work, self.work.settings
        shot = dataclasses.replace(
            work.shot,
            name=f"{work.shot.name}, chunk {unit.index + 1} of {unit.index + 1 + unit.num_left}",
            seed=unit.seed,
            num_frames=unit.num_frames,
        )
        if unit.start is None:
            clips = sample(
                self.pipe,
                [shot],
                self.spec,
                settings,
                progress=self.progress,
                label=shot.name,
                negative_prompt=work.negative_prompt,
            )
            return next(clips)
        if unit.num_before > 0 and settings.identity_guidance is None:
            scale = work.rule.guided(settings.guidance_scale)
            settings = dataclasses.replace(settings, guidance_scale=scale)
        return continue_clip(
            self.continued,
            Clip(frames=unit.start[None], fps=settings.fps),
            shot,
            self.spec,
            settings,
            last=work.last,
            progress=self.progress,
            negative_prompt=work.negative_prompt,
        )

    def _places_of(self, unit: Unit) -> Mapping[int, Region]:
        """Where everybody is during a unit, by their places in the cast."""
        cast = self.work.cast
        if cast is None:
            return {}
        return {
            place: region_between(region, cast.region_frames, unit.first_frame, unit.num_frames)
            for place, region in enumerate(cast.regions)
            if region is not None
        }

    def _strengths_of(self, unit: Unit) -> Sequence[Strength] | None:
        cast = self.work.cast
        if cast is None or cast.strengths is None:
            return None
        return cast.strengths(unit.first_frame, unit.num_frames)

    def _place(
        self, unit: Unit, places: Mapping[int, Region], strengths: Sequence[Strength] | None
    ) -> None:
        """Put the characters where they are in a unit, as strong as they are in it."""
        cast = self.work.cast
        if cast is None:
            return
        if self._attachment is None:
            self._attachment = attach_characters(
                self.pipe,
                cast.characters,
                cast.strength,
                masks_LHW=self._masks(unit, places),
                **guidance_options(self.work.settings),
            )
            self._stack.callback(self._attachment.detach)
        elif places:
            self._attachment.switch_to(cast.characters, masks_LHW=self._masks(unit, places))
        if places and cast.prompts and self._attachment.takes_regional_prompts:
            self._attachment.set_regional_prompts([[text] for text in cast.prompts])
        if strengths is not None:
            self._attachment.set_strengths(strengths)
        elif isinstance(unit.strength, Sequence):
            self._attachment.set_strength(unit.strength)

    def _masks(self, unit: Unit, places: Mapping[int, Region]) -> list[Tensor | None]:
        cast = self.work.cast
        assert cast is not None
        shot = dataclasses.replace(self.work.shot, num_frames=unit.num_frames)
        named = {str(place): region for place, region in places.items()}
        masks = make_masks(named, shot, self.spec, check=False) if named else {}
        return [masks.get(str(place)) for place in range(len(cast.characters))]

    def _digest(
        self, unit: Unit, places: Mapping[int, Region], strengths: Sequence[Strength] | None
    ) -> str:
        content = {
            "take": self.work.fingerprint,
            "unit": [unit.index, unit.attempt, unit.seed, unit.num_frames, unit.strength],
            "start": None if unit.start is None else pixel_digest(unit.start),
            "places": _texts(places),
            "strengths": strengths,
        }
        return json_digest(content)


def _texts(places: Mapping[int, Region]) -> dict[str, str]:
    return {str(place): region.key for place, region in places.items()}


def _read(path: Path, digest: str) -> tuple[np.ndarray | None, float]:
    """Frames of a unit that is there and was made in this very way, and the time they took."""
    if path.is_file():
        try:
            with np.load(path) as stored:
                if str(stored["digest"]) == digest:
                    return np.asarray(stored["frames"]), float(stored["draw_s"])
        except (OSError, ValueError, KeyError, EOFError, BadZipFile):
            pass  # cut short: drawn again
    return None, 0.0
