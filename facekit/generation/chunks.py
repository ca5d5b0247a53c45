"""What a chain is made of: the long shot that is asked for, its units, and the record of a chunk.

Shapes: F frames.
"""

import dataclasses
import hashlib
from collections.abc import Sequence
from math import ceil
from typing import Final

import numpy as np

from facekit.adapters.conditioning import Strength
from facekit.backbones.spec import BackboneSpec
from facekit.types import Clip, FloatArray, Image

__all__ = [
    "Chained",
    "Chunk",
    "Drawn",
    "LongShot",
    "Unit",
    "chunk_frames",
    "chunk_seed",
    "count_chunks",
    "keyframes_between",
]

_SEEDS: Final = 2**31


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Drawn:
    """Frames and how like the character they are."""

    clip: Clip
    scores_F: FloatArray | None
    """By the training encoder, NaN where no face can be scored; None where nobody scores."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class LongShot:
    """What a chain is asked for."""

    seed: int
    num_frames: int
    """Of all of it, what was there before (``clip``) included; any number."""
    chunk_frames: int
    """Frames of a chunk, legal for the backbone."""
    strength: Strength = 1.0
    """A number, or keyframes spread evenly over all frames."""
    needs_face: bool = False
    """Whether a frame without a face that can be scored is not handed on."""
    picture: Image | None = None
    """The first frame, where one is given."""
    before: Drawn | None = None
    """What is made longer, with its likeness."""
    first_index: int = 0
    """Number of the first chunk that is drawn, above 0 where a clip is made longer."""
    before_is_cut: bool = False
    """Whether what is made longer ends where it was cut: its last frame goes on, or nothing."""
    is_final: bool = False
    """Whether nothing goes on from its end, so that the last frame need not be good by itself."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Unit:
    """One chunk to draw: everything that decides it besides the shot."""

    index: int
    attempt: int
    """0, and 1 and more where it is drawn again."""
    seed: int
    num_frames: int
    start: Image | None
    """Its first frame; None draws that too."""
    strength: Strength
    num_left: int
    """Chunks to come after it, as far as is known."""
    num_before: int = 0
    """Frames of the whole shot that are there; its first frame is the last of them."""

    @property
    def first_frame(self) -> int:
        """The place of its first frame in the whole shot."""
        return max(0, self.num_before - 1)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Chunk:
    """One chunk of a finished chain, for the record."""

    index: int
    attempt: int
    seed: int
    first_frame: int
    """Where it begins in the clip; the frame before is the one that it was handed."""
    num_frames: int
    """Of them in the clip."""
    drawn_frames: int
    """Of them drawn; those behind the hand-over were dropped."""
    likeness: float | None
    """Mean over its frames, by the training encoder."""
    hand_over: float | None
    """Likeness of the frame that it handed on, or of its last frame at the end of the chain."""
    reason: str
    """Why that frame."""
    anchored: bool = False
    """Whether it began with a face that had been put back to a likelier one."""
    redrawn: tuple[str, ...] = ()
    """Why each earlier attempt was not taken."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Chained:
    """A whole chain."""

    clip: Clip
    chunks: tuple[Chunk, ...]
    requested_frames: int
    drawn_frames: int
    """Of all attempts, those that were not taken as well."""
    reference: float | None
    """Likeness of the first chunk."""
    stopped: str = ""
    """Why the chain is shorter than what was asked for; empty where it is not."""


def chunk_seed(seed: int, index: int, attempt: int) -> int:
    """Seed of one attempt at one chunk; that of the shot itself for the first of the first."""
    if index == 0 and attempt == 0:
        return seed
    text = f"{seed}/{index}/{attempt}".encode()
    return int.from_bytes(hashlib.sha256(text).digest()[:8], "big") % _SEEDS


def chunk_frames(spec: BackboneSpec) -> int:
    """The most frames that a backbone draws at once."""
    step = spec.frame_multiple
    return spec.max_frames if step == 1 else (spec.max_frames - 1) // step * step + 1


def count_chunks(num_frames: int, per_chunk: int, *, is_continued: bool) -> int:
    """How many chunks make so many frames, where none is drawn again or cut short.

    Args:
        num_frames: New ones.
        per_chunk: Frames of a chunk; all but the first one of a continued chunk are new.
        is_continued: Whether the first chunk continues something.
    """
    left = num_frames if is_continued else num_frames - per_chunk
    return max(0, ceil(left / (per_chunk - 1))) + (0 if is_continued else 1)


def keyframes_between(strength: Strength, num_frames: int, first: int, count: int) -> Strength:
    """Cut keyframes of a whole shot to some of its frames, so that they go on over its chunks.

    Args:
        strength: A number, which stays, or keyframes spread evenly over the shot.
        num_frames: Of the shot.
        first: Frame that the part begins with.
        count: Frames of the part; those beyond the shot's end have its last value.
    """
    if not isinstance(strength, Sequence):
        return strength
    places = np.linspace(0, max(num_frames - 1, 1), len(strength))
    return tuple(float(key) for key in np.interp(np.arange(first, first + count), places, strength))
