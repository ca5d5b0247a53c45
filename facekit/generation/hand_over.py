"""Which frame of a chunk begins the next one: one that shows the character, and nobody else.

Shapes: F frames, H height, W width.
"""

import dataclasses
from typing import Final

import numpy as np

from facekit.types import FloatArray, Image

__all__ = ["ChainRule", "Colours", "HandOver", "choose_hand_over", "soften"]

_LEAST_KEPT: Final = 0.5
"""Share of a chunk that is kept at least; a chunk that is lost before is drawn again."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class ChainRule:
    """When a frame may begin the next chunk. Likeness is that of the training encoder."""

    min_same_person: float = -1.0
    """Likeness below which a face is somebody else's, from the encoder."""
    min_share: float = 0.8
    """Of the likeness of the chain's first chunk."""
    window: int = 8
    """The likest of so many last frames is handed on; 1 is the last frame, where it is good."""
    redraws: int = 2
    """How often a chunk without such a frame is drawn again, each time with another seed."""
    colours: float = 1.0
    """How far mean and contrast of what is handed on go back to those of the first chunk, 0..1."""
    soften_px: float = 0.45
    """Blur of what is handed on, a standard deviation of at most 0.7 pixels: edges that each chunk
    makes a little sharper otherwise burn in."""
    anchor: float = 1.0
    """How far the face of what is handed on goes back to the likest so far that is turned alike,
    0..1, where it is less like than the one that the first chunk handed on; where faces are not
    located, and where no likelier one is turned alike, it stays."""
    guidance: float = 0.5
    """How much of the guidance above 1 is left to chunks that continue something; all of it where
    the identity is guided by itself, for the two belong together."""

    def guided(self, guidance_scale: float) -> float:
        """The guidance scale of chunks that continue something."""
        return (
            1.0 + self.guidance * (guidance_scale - 1.0) if guidance_scale > 1 else guidance_scale
        )

    def lowest(self, reference: float | None) -> float:
        """The least likeness that is handed on.

        Args:
            reference: Likeness of the first chunk; None while there is none. One that is below
                `min_same_person` itself (a character that is met badly, drawn again as often as
                allowed) is the measure alone.
        """
        if reference is None:
            return self.min_same_person
        share = self.min_share * reference
        return share if reference < self.min_same_person else max(share, self.min_same_person)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class HandOver:
    """A frame to go on from, and why."""

    frame: int
    """Its place in the chunk."""
    likeness: float | None
    """None where its face cannot be scored, or nobody scores."""
    is_good: bool
    """Whether the rule lets it be handed on."""
    reason: str


def choose_hand_over(
    scores_F: FloatArray | None,
    rule: ChainRule,
    reference: float | None,
    *,
    num_frames: int,
    needs_face: bool,
) -> HandOver:
    """Choose the frame of a chunk that begins the next one.

    Args:
        scores_F: Likeness per frame, NaN where no face can be scored; None where nobody scores.
            The first frame is the one that was handed on to this chunk.
        rule: What is good enough.
        reference: Likeness of the first chunk; None while there is none.
        num_frames: Of the chunk.
        needs_face: Whether frames without a face that can be scored are refused; else the last
            one is handed on where no frame of the window has one.

    Returns:
        The likest of the last frames; or the last good one before them, down to half of the chunk;
        or the likest of all, which is not good.
    """
    count = num_frames
    if scores_F is None:
        reason = "the last frame, not scored"
        return HandOver(frame=count - 1, likeness=None, is_good=True, reason=reason)
    lowest = rule.lowest(reference)
    start = max(1, count - rule.window)
    known = np.isfinite(scores_F)
    filled = np.where(known, scores_F, -np.inf)
    best = _likest(filled, start)
    if filled[best] >= lowest:
        few = f"the likest of the last {count - start} frames"
        return _chosen(best, scores_F, True, few if count - start > 1 else "the last frame")
    if not needs_face and not known[start:].any():
        return _chosen(count - 1, scores_F, True, "the last frame, without a face to score")
    least = max(1, int(np.ceil(_LEAST_KEPT * (count - 1))))
    earlier = [index for index in range(least, start) if filled[index] >= lowest]
    lost = f"{filled[best]:.2f}" if known[best] else "no face to score"
    if earlier:
        return _chosen(
            earlier[-1],
            scores_F,
            True,
            f"{count - 1 - earlier[-1]} frames back: after it {lost}, expected {lowest:.2f}",
        )
    likest = _likest(filled, least)
    seen = f"{filled[likest]:.2f}" if known[likest] else "no face to score"
    return _chosen(likest, scores_F, False, f"at best {seen}, expected {lowest:.2f}")


def _likest(filled_F: FloatArray, first: int) -> int:
    """The last of the likest frames from this one on; of a single frame, that one."""
    return len(filled_F) - 1 - int(np.argmax(filled_F[min(first, len(filled_F) - 1) :][::-1]))


def _chosen(frame: int, scores_F: FloatArray, is_good: bool, reason: str) -> HandOver:
    likeness = float(scores_F[frame])
    return HandOver(
        frame=frame,
        likeness=likeness if np.isfinite(likeness) else None,
        is_good=is_good,
        reason=reason,
    )


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Colours:
    """Brightness and contrast of a chunk, per channel, which a chain keeps."""

    mean_3: FloatArray
    """float64, 0..255."""
    deviation_3: FloatArray
    """float64, within a frame, meaned over the frames."""

    @classmethod
    def of(cls, frames_FHW3: np.ndarray) -> "Colours":
        """Measure frames, uint8."""
        pixels = frames_FHW3.astype(np.float64)
        return cls(
            mean_3=pixels.mean(axis=(0, 1, 2)), deviation_3=pixels.std(axis=(1, 2)).mean(axis=0)
        )

    def put_on(self, frame: Image, amount: float) -> Image:
        """Move a frame towards these colours; an amount of 0 gives it back as it is."""
        if amount == 0:
            return frame
        pixels = frame.astype(np.float64)
        mean_3, deviation_3 = pixels.mean(axis=(0, 1)), pixels.std(axis=(0, 1))
        wanted = (pixels - mean_3) / np.maximum(deviation_3, 1.0) * self.deviation_3 + self.mean_3
        moved = pixels + amount * (wanted - pixels)
        put: Image = np.clip(np.rint(moved), 0, 255).astype(np.uint8)
        return put


def soften(frame: Image, deviation_px: float) -> Image:
    """Blur a frame slightly, by a kernel of three pixels; 0 gives it back as it is.

    Args:
        frame: uint8, (height, width, 3).
        deviation_px: Standard deviation of the kernel, at most 0.7.
    """
    if deviation_px == 0:
        return frame
    side = deviation_px**2 / 2  # the variance of (side, 1 - 2 side, side) is 2 side
    pixels = frame.astype(np.float64)
    for axis in (0, 1):
        padding = [(1, 1) if each == axis else (0, 0) for each in range(3)]
        padded = np.pad(pixels, padding, mode="edge")
        count = pixels.shape[axis]
        before, after = (np.take(padded, range(at, at + count), axis=axis) for at in (0, 2))
        pixels = (1 - 2 * side) * pixels + side * (before + after)
    blurred: Image = np.rint(pixels).astype(np.uint8)
    return blurred
