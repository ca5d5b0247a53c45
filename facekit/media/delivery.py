"""How a clip is handed over: at which rate and size, under which numbers, and what that costs it.

No frame is ever invented: at another rate frames are repeated or left out, or play faster.
"""

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Final, Literal, TypeAlias, get_args

from facekit.errors import UsageError
from facekit.media.timecode import exact_rate, timecode_at, timecode_frames
from facekit.types import Clip

__all__ = ["START_FRAME", "Delivery", "Fit", "Placement", "Retime", "plan_delivery", "retime"]

START_FRAME: Final = 1001
"""Number of the first frame where nothing else is said, as in studios."""

Retime: TypeAlias = Literal["repeat", "conform"]
"""What is done where the rates differ: repeat frames (or leave some out), so that motion keeps its
speed, or conform: each frame once, so that motion plays faster or slower."""

Fit: TypeAlias = Literal["pad", "crop"]
"""What is done where the aspects differ: black bars, or what hangs over is cut off."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Placement:
    """Where a scaled picture lies on the delivered one, in pixels; all of them even."""

    width: int
    """Of the scaled picture."""
    height: int
    left: int
    """Of the scaled picture on the delivered one; negative where it hangs over."""
    top: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """What is delivered of a clip."""

    rate: Fraction
    """Frames per second, exact: 24000/1001 is that and not 23.976."""
    indices: tuple[int, ...]
    """For each delivered frame, the frame of the clip that it shows."""
    size: tuple[int, int] | None = None
    """Width and height in pixels; None is the clip's own."""
    fit: Fit = "pad"
    start_frame: int = START_FRAME
    """Number of the first delivered frame."""
    timecode: str | None = None
    """Of the first delivered frame; None writes none."""

    def __post_init__(self) -> None:
        """Refuse what no file can be."""
        if not self.indices or self.rate <= 0:
            raise UsageError(
                f"{len(self.indices)} frames at {self.rate} fps, expected at least one frame and a"
                " rate above 0; deliver a longer cut"
            )
        if self.fit not in get_args(Fit):
            raise UsageError(f"fit {self.fit!r}, expected pad or crop; correct it")
        if self.size is not None and (min(self.size) < 2 or any(side % 2 for side in self.size)):
            width, height = self.size
            raise UsageError(
                f"{width}x{height}, expected even sides of 2 px and more; choose another size"
            )
        if self.timecode is not None:
            timecode_frames(self.timecode, self.rate)

    @property
    def num_frames(self) -> int:
        """How many frames are delivered."""
        return len(self.indices)

    def timecode_of(self, index: int) -> str | None:
        """Write the timecode of a delivered frame, counted from 0; None where there is none."""
        if self.timecode is None:
            return None
        return timecode_at(timecode_frames(self.timecode, self.rate) + index, self.rate)

    def place(self, clip: Clip) -> Placement | None:
        """Say where the scaled picture lies; None where nothing is scaled.

        Both sides grow by the same factor, up to the rounding to even pixels.
        """
        _, height, width, _ = clip.frames.shape
        if self.size is None or self.size == (width, height):
            return None
        factors = (Fraction(self.size[0], width), Fraction(self.size[1], height))
        factor = max(factors) if self.fit == "crop" else min(factors)
        bound = max if self.fit == "crop" else min
        wide, high = (
            bound(2 * max(1, round(side * factor / 2)), whole)
            for side, whole in zip((width, height), self.size, strict=True)
        )
        left, top = ((self.size[0] - wide) // 4 * 2, (self.size[1] - high) // 4 * 2)
        return Placement(width=wide, height=high, left=left, top=top)

    def describe(self, clip: Clip) -> str:
        """Say in a sentence what becomes of a clip, repeated frames and bars included."""
        own = exact_rate(clip.fps)
        text = f"{self.num_frames} frames at {_fps(self.rate)}"
        if own != self.rate:
            text += f", from {_fps(own)}: {self._told_speed(own)}"
        place = self.place(clip)
        if place is not None and self.size is not None:
            _, height, width, _ = clip.frames.shape
            text += f"; {width}x{height} scaled to {place.width}x{place.height}"
            if (place.width, place.height) != self.size:
                done = "cut to" if self.fit == "crop" else "with bars to"
                text += f", {done} {self.size[0]}x{self.size[1]}"
        return text

    def to_json(self) -> Mapping[str, object]:
        """All of it as plain data."""
        return {
            "fps": float(self.rate),
            "rate": [self.rate.numerator, self.rate.denominator],
            "frames": self.num_frames,
            "indices": list(self.indices),
            "size": list(self.size) if self.size else None,
            "fit": self.fit,
            "start_frame": self.start_frame,
            "timecode": self.timecode,
        }

    def _told_speed(self, own: Fraction) -> str:
        shown = Counter(self.indices)
        first, last = min(shown), max(shown)
        if self.num_frames > 1 and self.indices == tuple(range(first, first + self.num_frames)):
            kind = "fast" if self.rate > own else "slow"
            factor = float(max(self.rate / own, own / self.rate))
            return f"every frame is kept once and motion plays {factor:.4g} times as {kind}"
        left_out = last - first + 1 - len(shown)
        # The last frame may be cut short, which is no unevenness.
        times = sorted({count for index, count in shown.items() if index != last})
        told = []
        if times and times[-1] > 1:
            told.append(f"frames are shown {' or '.join(map(str, times))} times")
        if left_out:
            told.append(f"{left_out} of {last - first + 1} frames are left out")
        if len(times) > 1 or left_out:
            told.append("so motion is uneven")
        return ", ".join(told) or "the one frame is shown"


def retime(
    num_frames: int, own: Fraction, rate: Fraction, how: Retime = "repeat"
) -> tuple[int, ...]:
    """Choose the frame that each delivered frame shows.

    Args:
        num_frames: Of the clip.
        own: Its frames per second.
        rate: Of the delivery.
        how: What is done where they differ.

    Returns:
        Frames of the clip, from 0 on. Repeating, a delivered frame shows what the clip shows when
        it begins, and the last frames are as many as begin before the clip ends.

    Raises:
        UsageError: No such way.
    """
    if how not in get_args(Retime):
        raise UsageError(f"retime {how!r}, expected repeat or conform; correct it")
    if how == "conform":
        return tuple(range(num_frames))
    step = own / rate
    return tuple(math.floor(index * step) for index in range(math.ceil(num_frames / step)))


def plan_delivery(
    clip: Clip,
    *,
    fps: float | Fraction | None = None,
    how: Retime = "repeat",
    size: tuple[int, int] | None = None,
    fit: Fit = "pad",
    start_frame: int = START_FRAME,
    timecode: str | None = None,
) -> Delivery:
    """Plan the delivery of a whole clip.

    Args:
        clip: What is delivered.
        fps: Of the delivery; 23.976 means 24000/1001. None is the clip's own.
        how: What is done where that is not the clip's own.
        size: Width and height in pixels; None is the clip's own.
        fit: What is done where its aspect is another one.
        start_frame: Number of the first frame.
        timecode: Of the first frame.

    Raises:
        UsageError: A rate, size or timecode that no file can have.
    """
    own = exact_rate(clip.fps)
    rate = own if fps is None else fps if isinstance(fps, Fraction) else exact_rate(fps)
    if rate <= 0:
        raise UsageError(f"{float(rate):g} fps, expected more than 0; correct it")
    return Delivery(
        rate=rate,
        indices=retime(clip.num_frames, own, rate, how),
        size=size,
        fit=fit,
        start_frame=start_frame,
        timecode=timecode,
    )


def _fps(rate: Fraction) -> str:
    if rate.denominator == 1:
        return f"{rate.numerator} fps"
    return f"{float(rate):.5g} fps ({rate.numerator}/{rate.denominator})"
