"""Pictures of a sequence's page, encoded as soon as they are read and within a limit of bytes."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from PIL import Image as Pillow

from facekit.media.embed import clip_uri, shrink, webp_uri
from facekit.media.sheets import spread
from facekit.types import Clip, Image

__all__ = ["Picture", "ShotPictures", "allowance", "encode", "shot_pictures"]

_GAP_PX = 3
_GAP_GREY = 132
_FIXED_BYTES = 160_000
"""Style, tables and head of a page."""
_PLOT_BYTES = 220_000
"""Plots of one character."""
_TEXT_BYTES = 9_000
"""Words, gates and curves of one shot."""
_LEAST_BYTES = 3_000
_MOVING_PART = 0.4
"""A frame of a clip takes at least so much of what a still of it takes; only a guess."""
_STRIP_SIDE_PX = 192
"""Of a frame of a take."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Level:
    side_px: int
    quality: int
    moving_frames: int
    strip_frames: int
    strip_px: int
    """Height of the pictures of a take; the one of the film strip has the same."""


_LEVELS = (
    _Level(side_px=400, quality=82, moving_frames=48, strip_frames=8, strip_px=96),
    _Level(side_px=320, quality=78, moving_frames=24, strip_frames=6, strip_px=80),
    _Level(side_px=240, quality=72, moving_frames=16, strip_frames=6, strip_px=64),
    _Level(side_px=200, quality=62, moving_frames=9, strip_frames=5, strip_px=56),
    _Level(side_px=176, quality=55, moving_frames=0, strip_frames=5, strip_px=48),
    _Level(side_px=128, quality=45, moving_frames=0, strip_frames=4, strip_px=40),
)
"""From rich to lean."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """One picture as a data URI."""

    uri: str
    width: int
    height: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ShotPictures:
    """Pictures of one shot; all None where nothing is drawn."""

    still: Picture | None = None
    """The typical frame."""
    small: Picture | None = None
    """The same for the film strip."""
    moving: str = ""
    """The clip as a data URI, or nothing where there is no room."""
    takes: Mapping[str, Picture] = field(default_factory=dict)
    """Take -> some of its frames side by side."""

    @property
    def num_bytes(self) -> int:
        """Length of all of them on the page."""
        pictures = [self.still, self.small, *self.takes.values()]
        return len(self.moving) + sum(len(one.uri) for one in pictures if one is not None)


def allowance(max_bytes: int, num_shots: int, num_characters: int) -> int:
    """Tell how many bytes the pictures of one shot may take.

    Args:
        max_bytes: Of the whole page.
        num_shots: At least one.
        num_characters: Each has its plots.
    """
    rest = max_bytes - _FIXED_BYTES - num_characters * _PLOT_BYTES
    return max(_LEAST_BYTES, rest // max(1, num_shots) - _TEXT_BYTES)


def encode(image: Image, *, max_side_px: int, quality: int = 82) -> Picture:
    """Encode one picture."""
    small = shrink(image, max_side_px)
    height, width = small.shape[:2]
    uri = webp_uri(small, max_side_px=max_side_px, quality=quality)
    return Picture(uri=uri, width=width, height=height)


def shot_pictures(
    clip: Clip, typical: int, takes: Mapping[str, Clip], *, most_bytes: int
) -> ShotPictures:
    """Encode the pictures of a shot as richly as the limit allows.

    Args:
        clip: The delivered frames, as they were drawn.
        typical: The frame that stands for it.
        takes: Take -> its frames.
        most_bytes: From `allowance`; the leanest pictures are taken where even they are more.
    """
    frame = shrink(np.asarray(clip.frames[typical]), _LEVELS[0].side_px)
    clip = _reduced(clip, _LEVELS[0].side_px, _LEVELS[0].moving_frames)
    takes = {
        name: _reduced(take, _STRIP_SIDE_PX, _LEVELS[0].strip_frames)
        for name, take in takes.items()
    }
    for level in _LEVELS:
        still = encode(frame, max_side_px=level.side_px, quality=level.quality)
        moving = min(level.moving_frames, clip.num_frames)
        guess = len(still.uri) * (1.0 + _MOVING_PART * moving)
        if guess > most_bytes and level is not _LEVELS[-1]:
            continue  # encoding a clip for nothing takes long
        found = _encoded(frame, clip, takes, level)
        if found.num_bytes <= most_bytes:
            break
    return found


def _reduced(clip: Clip, side_px: int, num_frames: int) -> Clip:
    """Keep what the richest page shows of a clip: large ones are scaled once, not per level."""
    places = spread(clip.num_frames, num_frames)
    frames = np.stack([shrink(clip.frames[place], side_px) for place in places])
    return Clip(frames=frames, fps=clip.fps * len(places) / clip.num_frames)


def _encoded(frame: Image, clip: Clip, takes: Mapping[str, Clip], level: _Level) -> ShotPictures:
    moving = ""
    if level.moving_frames and clip.num_frames > 1:
        part = _reduced(clip, level.side_px, level.moving_frames)
        moving = clip_uri(part, max_side_px=level.side_px, quality=level.quality)
    wide = round(level.strip_px * max(1.0, frame.shape[1] / frame.shape[0]))
    return ShotPictures(
        still=encode(frame, max_side_px=level.side_px, quality=level.quality),
        small=encode(frame, max_side_px=wide, quality=level.quality),
        moving=moving,
        takes={name: _row(take, level) for name, take in takes.items()},
    )


def _row(clip: Clip, level: _Level) -> Picture:
    """Put some frames of a take side by side."""
    height, width = clip.frames.shape[1:3]
    high = min(level.strip_px, height)
    wide = max(1, round(width * high / height))
    places = spread(clip.num_frames, level.strip_frames)
    row = Pillow.new("RGB", (len(places) * (wide + _GAP_PX) - _GAP_PX, high), (_GAP_GREY,) * 3)
    for column, place in enumerate(places):
        picture = Pillow.fromarray(clip.frames[place])
        thumb = picture.resize((wide, high), Pillow.Resampling.LANCZOS)
        row.paste(thumb, (column * (wide + _GAP_PX), 0))
    return encode(np.asarray(row), max_side_px=row.width, quality=level.quality)
