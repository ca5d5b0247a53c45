"""Frames: what was asked for, what the backbone can draw, and what is cut away again.

Delivered frames are those of the cut and its handles; drawn frames are the backbone's.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction

__all__ = [
    "FramePlan",
    "frames_of_seconds",
    "plan_chunks",
    "plan_frames",
]


def frames_of_seconds(seconds: float, rate: Fraction) -> int:
    """The nearest number of frames, at least one; half a frame counts up."""
    return max(
        1, math.floor(Fraction(seconds).limit_denominator(1_000_000) * rate + Fraction(1, 2))
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class FramePlan:
    """The frames of one shot, from what was asked for to what is drawn."""

    asked: str
    """As it is written: `4 s` or `65 frames`."""
    cut: int
    """Frames of the cut, at the rate of the delivery."""
    head: int
    """Handle before the cut, in delivered frames."""
    tail: int
    """Handle after the cut."""
    rate: Fraction
    """Delivered frames per second."""
    drawn_rate: Fraction
    """Drawn frames per delivered second: the backbone's own rate where frames are repeated, else
    the delivery's."""
    chunks: tuple[int, ...]
    """Frames that the backbone draws at a time, all of them legal. Every chunk but the first
    begins with the last frame of the one before."""
    skipped: int
    """Drawn frames left out before the first delivered one: where the last drawn frame is pinned,
    what is too much is cut away there."""
    lead: int
    """1 where the first drawn frame is the last one of another shot and not delivered, else 0."""

    @property
    def delivered(self) -> int:
        """Frames of the file: the cut and its handles."""
        return self.head + self.cut + self.tail

    @property
    def drawn(self) -> int:
        """Different frames that are drawn: frames that two chunks share count once."""
        return sum(self.chunks) - (len(self.chunks) - 1)

    @property
    def used(self) -> int:
        """Drawn frames that are delivered, each at least once."""
        return _needed(self.delivered, self.drawn_rate / self.rate)

    @property
    def trimmed(self) -> int:
        """Drawn frames at the end that are not delivered."""
        return self.drawn - self.lead - self.skipped - self.used

    @property
    def seconds(self) -> float:
        """Length of the cut as it is delivered."""
        return float(self.cut / self.rate)

    def source_frames(self) -> tuple[int, ...]:
        """For each delivered frame, handles too, the drawn frame that it shows, from 0 on."""
        ratio = self.drawn_rate / self.rate
        first = self.lead + self.skipped
        return tuple(first + math.floor(index * ratio) for index in range(self.delivered))

    def to_json(self) -> Mapping[str, object]:
        """All of it as plain data."""
        return {
            "asked": self.asked,
            "cut": self.cut,
            "seconds": round(self.seconds, 6),
            "head": self.head,
            "tail": self.tail,
            "delivered": self.delivered,
            "fps": float(self.rate),
            "rate": [self.rate.numerator, self.rate.denominator],
            "drawn_rate": [self.drawn_rate.numerator, self.drawn_rate.denominator],
            "chunks": list(self.chunks),
            "drawn": self.drawn,
            "lead": self.lead,
            "skipped": self.skipped,
            "trimmed": self.trimmed,
        }


def plan_frames(
    *,
    seconds: float | None,
    frames: int | None,
    head: int,
    tail: int,
    rate: Fraction,
    native: Fraction,
    retime: str,
    lead: int,
    step: int,
    most: int,
    ends_pinned: bool = False,
) -> FramePlan:
    """Decide what is drawn for a cut of a certain length.

    Args:
        seconds: Length of the cut, or None where frames are given.
        frames: The same in delivered frames.
        head: Handle before the cut, in delivered frames.
        tail: Handle after it.
        rate: Of the delivery, frames per second.
        native: Of the backbone.
        retime: "repeat" keeps the speed of motion, "conform" delivers each drawn frame once.
        lead: 1 where the first drawn frame repeats the last one of another shot.
        step: Legal frame counts are one more than a multiple of it.
        most: Frames that the backbone draws at once, at most.
        ends_pinned: Whether the last drawn frame is given and so must be delivered.
    """
    cut = frames if frames is not None else frames_of_seconds(seconds or 0.0, rate)
    drawn_rate = native if retime == "repeat" else rate
    needed = lead + _needed(head + cut + tail, drawn_rate / rate)
    chunks = plan_chunks(needed, step=step, most=most, least=2 if lead else 1)
    drawn = sum(chunks) - (len(chunks) - 1)
    return FramePlan(
        asked=f"{frames} frames" if frames is not None else f"{seconds:g} s",
        cut=cut,
        head=head,
        tail=tail,
        rate=rate,
        drawn_rate=drawn_rate,
        chunks=chunks,
        skipped=drawn - needed if ends_pinned else 0,
        lead=lead,
    )


def plan_chunks(needed: int, *, step: int, most: int, least: int = 1) -> tuple[int, ...]:
    """Split a number of frames into chunks that the backbone can draw.

    Every chunk but the last is as long as it may be, the last as short as it may be.

    Args:
        needed: Frames that there must be at least.
        step: Legal counts are one more than a multiple of it, up to `most`.
        most: Must be legal itself.
        least: Frames of the first chunk at least; it moves from 2 on.
    """
    first = max(needed, least)
    if first <= most:
        return (_legal(first, step),)
    chunks = [most]
    left = needed - most
    while left > 0:
        chunks.append(most if left >= most - 1 else _legal(left + 1, step))
        left -= chunks[-1] - 1
    return tuple(chunks)


def _legal(frames: int, step: int) -> int:
    return math.ceil((frames - 1) / step) * step + 1


def _needed(delivered: int, ratio: Fraction) -> int:
    """Drawn frames that so many delivered ones show."""
    return math.floor((delivered - 1) * ratio) + 1
