"""How long and how strong a shot is asked to be."""

import math
from collections.abc import Sequence

from facekit.adapters.conditioning import Strength
from facekit.errors import UsageError

__all__ = ["MAX_STRENGTH", "asked_frames", "check_strength", "strength_text"]

MAX_STRENGTH = 3.0
"""Training knew 1; far above it nothing but noise is drawn."""


def asked_frames(num_frames: int | None, seconds: float | None, fps: float) -> int | None:
    """Return the frames that were asked for, one way or the other; None for neither.

    Raises:
        UsageError: Both ways, or nothing of either.
    """
    if num_frames is not None and seconds is not None:
        raise UsageError(
            f"{num_frames} frames and {seconds:g} seconds, expected one of them; leave one away"
        )
    if seconds is None:
        return num_frames
    if not seconds > 0 or not math.isfinite(seconds):
        raise UsageError(f"{seconds:g} seconds, expected more than 0; ask for more")
    return max(1, round(seconds * fps))


def check_strength(strength: Strength) -> None:
    """Refuse strengths that training is far from.

    Raises:
        UsageError: Not 0 to `MAX_STRENGTH`, or no keyframes at all.
    """
    keys = tuple(strength) if isinstance(strength, Sequence) else (strength,)
    if keys and all(0 <= key <= MAX_STRENGTH for key in keys):
        return
    raise UsageError(
        f"strength is {strength_text(strength) or 'nothing'}, expected 0 to {MAX_STRENGTH:g};"
        " 1 is as trained, 0 leaves the character out"
    )


def strength_text(strength: Strength) -> str:
    """Write a strength, or its keyframes with commas between them."""
    keys = strength if isinstance(strength, Sequence) else (strength,)
    return ",".join(f"{key:g}" for key in keys)
