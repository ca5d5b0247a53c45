"""Which views share a step: views of one size, photos and clips balanced by tokens.

A token is a cell of the latents. Every step is a pure function of (seed, step).
"""

import math
from collections.abc import Collection, Sequence

from facekit.training.chance import uniform

__all__ = ["choose_bucket", "clip_probability"]

Size = tuple[int, ...]
"""Channels, frames, height and width of latents."""


def choose_bucket(
    seed: int,
    step: int,
    sizes: Sequence[Size],
    clips: Collection[int],
    batch_size: int,
    share: float,
) -> tuple[list[int], int]:
    """Choose the views of one size that a step draws from, and how many samples it takes.

    Args:
        seed: Of the run.
        step: Of the run.
        sizes: Of the latents of every view.
        clips: The views that are excerpts of clips; all others are photos.
        batch_size: Samples of a step of photos. A step of clips takes so many that it has about as
            many tokens as a step of photos has on average, and at least one.
        share: Of all tokens learned from, those that clips give, in the long run.

    Returns:
        Indices of views, and the number of samples.
    """
    views: Sequence[int] = range(len(sizes))
    if clips:
        from_clips = uniform(seed, "clips", step) < clip_probability(
            sizes, clips, batch_size, share
        )
        views = [view for view in views if (view in clips) == from_clips]
    size = sizes[views[int(uniform(seed, "bucket", step) * len(views))]]
    members = [view for view in views if sizes[view] == size]
    is_clip = members[0] in clips
    return members, _samples(sizes, clips, batch_size, size) if is_clip else batch_size


def clip_probability(
    sizes: Sequence[Size], clips: Collection[int], batch_size: int, share: float
) -> float:
    """How likely a step is one of clips, so that clips give their share of the tokens."""
    photos = [view for view in range(len(sizes)) if view not in clips]
    if not clips or not photos:
        return float(bool(clips))
    of_photos = batch_size * _mean_tokens(sizes, photos)
    of_clips = sum(
        _tokens(sizes[view]) * _samples(sizes, clips, batch_size, sizes[view]) for view in clips
    ) / len(clips)
    # p clips / (p clips + (1 - p) photos) = share
    return share * of_photos / (share * of_photos + (1.0 - share) * of_clips)


def _samples(sizes: Sequence[Size], clips: Collection[int], batch_size: int, size: Size) -> int:
    """Samples of a step of clips of this size."""
    photos = [view for view in range(len(sizes)) if view not in clips]
    if not photos:
        return batch_size
    return max(1, round(batch_size * _mean_tokens(sizes, photos) / _tokens(size)))


def _mean_tokens(sizes: Sequence[Size], views: Sequence[int]) -> float:
    return sum(_tokens(sizes[view]) for view in views) / len(views)


def _tokens(size: Size) -> int:
    return math.prod(size[1:])
