"""Which views share a step: views of one size, photos and clips balanced by tokens.

A token is a cell of the latents. Every step is a pure function of (seed, step).
"""

import math
from collections import Counter
from collections.abc import Collection, Sequence

from facekit.training.chance import uniform

__all__ = ["choose_bucket", "clip_probability", "fewest_samples"]

_Size = tuple[int, ...]
"""Channels, frames, height and width of latents."""


def choose_bucket(
    seed: int,
    step: int,
    sizes: Sequence[_Size],
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
        likely = clip_probability(sizes, clips, batch_size, share)
        from_clips = uniform(seed, "clips", step) < likely
        views = [view for view in views if (view in clips) == from_clips]
    size = sizes[views[int(uniform(seed, "bucket", step) * len(views))]]
    members = [view for view in views if sizes[view] == size]
    if members[0] not in clips:
        return members, batch_size
    return members, _samples(size, batch_size, _photo_tokens(sizes, clips))


def fewest_samples(sizes: Sequence[_Size], clips: Collection[int], batch_size: int) -> int:
    """The samples of the smallest step; arguments as for `choose_bucket`."""
    per_photo = _photo_tokens(sizes, clips)
    return min([batch_size, *(_samples(sizes[view], batch_size, per_photo) for view in clips)])


def clip_probability(
    sizes: Sequence[_Size], clips: Collection[int], batch_size: int, share: float
) -> float:
    """How likely a step is one of clips, so that clips give their share of the tokens."""
    per_photo = _photo_tokens(sizes, clips)
    if not clips or per_photo is None:
        return float(bool(clips))
    of_photos = batch_size * per_photo
    counts = Counter(sizes[view] for view in clips)
    of_clips = sum(
        number * _tokens(size) * _samples(size, batch_size, per_photo)
        for size, number in counts.items()
    ) / len(clips)
    # p clips / (p clips + (1 - p) photos) = share
    return share * of_photos / (share * of_photos + (1.0 - share) * of_clips)


def _samples(size: _Size, batch_size: int, per_photo: float | None) -> int:
    """Samples of a step of clips of this size."""
    if per_photo is None:
        return batch_size
    return max(1, round(batch_size * per_photo / _tokens(size)))


def _photo_tokens(sizes: Sequence[_Size], clips: Collection[int]) -> float | None:
    """Tokens of a photo, on average; None without photos."""
    found = [_tokens(size) for view, size in enumerate(sizes) if view not in clips]
    return sum(found) / len(found) if found else None


def _tokens(size: _Size) -> int:
    return math.prod(size[1:])
