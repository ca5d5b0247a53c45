"""What shooting was decided to be, and how that is told."""

import dataclasses
from collections.abc import Mapping
from pathlib import Path

import torch

from facekit.adapters.character import Character
from facekit.adapters.conditioning import Strength
from facekit.backbones.spec import BackboneSpec
from facekit.generation.chunks import count_chunks
from facekit.generation.hand_over import ChainRule
from facekit.generation.sample import SampleSettings
from facekit.recipe import Recipe
from facekit.types import Shot
from facekit.workflows.casting import ShotCast
from facekit.workflows.device import device_text
from facekit.workflows.rights import Permit
from facekit.workflows.rights_place import RightsPlace
from facekit.workflows.shot_asked import strength_text
from facekit.workflows.shot_start import ShotStart
from facekit.workflows.start_rights import describe_permits

__all__ = ["ShootPlan"]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ShootPlan:
    """What will be shot, with what, and where it goes."""

    characters: tuple[Character, ...]
    casts: tuple[ShotCast, ...]
    """Who is in each shot and where, one per shot."""
    recipe: Recipe
    recipe_source: str
    """Where the recipe comes from, in words."""
    spec: BackboneSpec
    shots: tuple[Shot, ...]
    """With `@name` as it was given."""
    prompts: tuple[str, ...]
    """What the backbone reads, one per shot."""
    fingerprints: tuple[str, ...]
    """sha256 of everything that decides a take, one per shot."""
    done: tuple[bool, ...]
    """Which takes are there already, one per shot."""
    settings: SampleSettings
    strength: Strength
    device: torch.device
    out_dir: Path
    chunk_frames: int
    """Frames that are drawn at once of a shot that takes several chunks."""
    start: ShotStart
    """What the shots begin with."""
    rule: ChainRule
    """What one chunk may hand on to the next."""
    unit_fingerprints: tuple[str, ...]
    """Those of the chunks of long takes, whatever their length; one per shot."""
    rights: RightsPlace
    """Where consents and the ledger lie."""
    permits: tuple[Permit, ...]
    """By what right each character is used; none where strength 0 leaves them out."""
    start_permits: tuple[Permit, ...]
    """The same for further people in what the shots begin with."""
    warnings: tuple[str, ...] = ()
    """What is allowed and better known before the work starts."""

    @property
    def is_long(self) -> bool:
        """Whether the takes are drawn chunk by chunk, or begin with something that is given."""
        return self.start.is_given or any(s.num_frames > self.chunk_frames for s in self.shots)

    @property
    def num_chunks(self) -> int:
        """The fewest chunks that a take needs."""
        new = self.shots[0].num_frames - self.start.num_frames
        is_continued = self.start.take is not None
        return count_chunks(new, self.chunk_frames, is_continued=is_continued)

    @property
    def all_permits(self) -> tuple[Permit, ...]:
        """By what right everybody is in the shots, also in what they begin with."""
        return (*self.permits, *self.start_permits)

    def describe(self) -> str:
        """Write the character, the backbone, the settings and every take."""
        source = self.recipe.base.source
        who = ", ".join(f"{one.name} ({one.source})" for one in self.characters)
        lines = [
            f"{'character' if len(self.characters) == 1 else 'characters'}: {who}",
            f"backbone: {self.recipe.base.name}" + (f" from {source}" if source else ""),
            f"recipe: {self.recipe_source}",
            f"sampling: {self.settings.describe()}, strength {strength_text(self.strength)}",
            f"device: {device_text(self.device)}",
            f"out: {self.out_dir}",
            f"takes: {len(self.shots)}"
            + (f", {sum(self.done)} of them there already" if any(self.done) else ""),
        ]
        lines += [f"right: {right}" for right in describe_permits(self.all_permits)]
        lines += self.start.describe()
        rows = zip(self.shots, self.prompts, self.casts, self.done, strict=True)
        for shot, prompt, cast, done in rows:
            size = f"{shot.width}x{shot.height}, {shot.num_frames} frames, seed {shot.seed}"
            if self.is_long:
                size += f", at least {self.num_chunks} chunks of up to {self.chunk_frames} frames"
            where = "" if cast.is_plain else f"; {cast.describe()}"
            already = ", there already" if done else ""
            lines.append(f"  {shot.name}: {prompt} ({size}{where}){already}")
        lines += [f"warning: {warning}" for warning in self.warnings]
        return "\n".join(lines)

    def to_json(self) -> Mapping[str, object]:
        """Return the same as plain data."""
        rows = zip(self.shots, self.prompts, self.casts, self.done, strict=True)
        alone = self.characters[0] if len(self.characters) == 1 else None
        return {
            "character": alone.name if alone else None,
            "character_file": alone.source if alone else None,
            "characters": {one.name: one.source for one in self.characters},
            "backbone": self.recipe.base.name,
            "source": self.recipe.base.source,
            "recipe": self.recipe_source,
            "sampling": dataclasses.asdict(self.settings),
            "strength": self.strength,
            "chunks": self.num_chunks if self.is_long else 1,
            "starts_from": self.start.source or None,
            "device": str(self.device),
            "out": str(self.out_dir),
            "rights": describe_permits(self.all_permits),
            "warnings": list(self.warnings),
            "takes": [
                {
                    **dataclasses.asdict(shot),
                    "resolved_prompt": prompt,
                    "cast": cast.to_json(),
                    "done": done,
                }
                for shot, prompt, cast, done in rows
            ],
        }
