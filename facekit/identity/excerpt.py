"""Stretches of clips, as training takes them."""

from dataclasses import dataclass
from pathlib import Path

from facekit.digests import json_digest
from facekit.types import Face

__all__ = ["Excerpt"]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Excerpt:
    """Frames of a clip in a row, brought to one rate, that show the character and nobody else."""

    source: str
    """What it is called: the clip with the time of its first frame, ``clip.mp4@00:01.240``."""
    file: Path
    """The clip; of an archive's member its copy in the cache."""
    content: str
    """Sha256 (hex) of that file."""
    times_ms: tuple[int, ...]
    """When the clip shows each of its frames; one comes twice where the clip has fewer."""
    size_px: tuple[int, int]
    """Height and width of its frames, upright."""
    faces: tuple[Face | None, ...]
    """The face in each frame, at least one of them; None where none is found."""
    photo: int
    """Index into `PhotoSet.train`: the frame of the same clip that is nearest in time. It never
    conditions this excerpt where another photo exists."""
    sidecar: str | None = None
    """The user's caption of the clip."""

    @property
    def digest(self) -> str:
        """Sha256 (hex) of its frames, faces and caption."""
        faces = [None if face is None else face.to_json() for face in self.faces]
        return json_digest([self.content, self.times_ms, self.size_px, faces, self.sidecar])
