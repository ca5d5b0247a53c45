"""A take as work to hand out, and what comes back; without torch, so that workers begin quickly."""

import dataclasses
from collections.abc import Mapping
from pathlib import Path

from facekit.generation.storyboard_shot import ShotPlan
from facekit.generation.units import unit_name

__all__ = ["TAKES_DIR", "MadeTake", "TakeJob"]

TAKES_DIR = "takes"
"""Folder of the takes of a version."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class TakeJob:
    """One take to make: everything that a worker must know."""

    shot: ShotPlan
    number: int
    fingerprint: str
    version: Path
    """Folder of the version of the shot."""
    before: Path | None = None
    """Clip of the take that it goes on from, or whose frame it begins with."""
    anchor: Path | None = None
    """Clip of the take that the first shot of such a row has: what is gone on is measured by it."""

    consents: Mapping[str, str] = dataclasses.field(default_factory=dict)
    """sha256 of the consent that a character is used under, by its file."""

    @property
    def name(self) -> str:
        """What the unit is called."""
        return unit_name(self.shot.name, self.number)

    def cast_json(self) -> list[Mapping[str, object]]:
        """Who is in it and under which consent, as plain data."""
        return [
            {**one.to_json(), "consent": self.consents.get(str(one.file), "")}
            for one in self.shot.characters
        ]

    @property
    def takes_dir(self) -> Path:
        """Where its files go."""
        return self.version / TAKES_DIR

    @property
    def out_dir(self) -> Path:
        """Folder of the whole render: `<out>/<sequence>/<shot>/v001`."""
        return self.version.parents[2]

    @property
    def batch_key(self) -> tuple[object, ...] | None:
        """Equal for takes that can be drawn at once; None for one that is drawn by itself."""
        shot = self.shot
        is_given = bool(self.before or shot.first_frame)
        if len(shot.frames.chunks) > 1 or is_given or shot.looks_for_regions:
            return None
        people = [
            (x.file, x.region, x.box, x.mask_digest, x.strengths(0, shot.frames.chunks[0]))
            for x in shot.characters
        ]
        settings = (shot.num_inference_steps, shot.guidance_scale, shot.identity_guidance)
        size = (shot.height, shot.width, shot.frames.chunks)
        return (*settings, *size, shot.negative_prompt, *people)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class MadeTake:
    """A take that is there now."""

    job: TakeJob
    draw_s: float
    """Time in the sampler; 0 where it was there already."""
    other_s: float
    """Everything else: files, faces."""
    load_s: float = 0.0
    """Of that: reading backbone and encoders, once per process."""
