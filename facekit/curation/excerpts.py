"""Clips as something to learn motion from: stretches that show the character and nobody else."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from facekit.curation.checks import same_person_limit
from facekit.curation.seen_frames import SeenFrames, look_at_frames
from facekit.errors import MediaError
from facekit.faces.protocols import FaceVendor
from facekit.identity.excerpt import Excerpt
from facekit.identity.photo_set import PhotoSet
from facekit.media.frames import frame_name, frame_times, split_frame_name
from facekit.media.known_files import content_digest
from facekit.media.scan import Source
from facekit.recipe import PhotosSection
from facekit.types import FloatArray, Progress

__all__ = ["Cutting", "cut_times", "find_excerpts", "too_short"]

_LEAST_SHOWN = 0.5
"""Part of the frames of an excerpt that must show the face."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cutting:
    """How excerpts are cut."""

    num_frames: int
    per_clip: int
    """Excerpts of one clip, at most."""
    fps: float
    """Frames per second that they are brought to."""

    @property
    def step_ms(self) -> float:
        """From one frame of an excerpt to the next."""
        return 1000.0 / self.fps

    @property
    def least_ms(self) -> float:
        """From the first frame of an excerpt to its last one; half a frame less will do."""
        return (self.num_frames - 1.5) * self.step_ms


def find_excerpts(
    clips: Sequence[Source],
    photos: PhotoSet,
    cutting: Cutting,
    rules: PhotosSection,
    faces: FaceVendor,
    bar: Progress,
) -> tuple[tuple[Excerpt, ...], tuple[str, ...]]:
    """Cut excerpts out of the clips whose frames train; a bad clip never stops the others.

    No excerpt holds a frame that is held out. What was seen is remembered by the clip's content.

    Args:
        clips: Each with a file of its own.
        photos: Frames of the clips among them, which say what trains and who it is.
        cutting: How long, how many and how fast.
        rules: When a face counts, and when it is somebody else.
        faces: Detector and encoder.
        bar: Counts the clips.

    Returns:
        The excerpts, and a line for whatever gives none or fewer.

    Raises:
        OutputError: The cache cannot be written.
    """
    found: list[Excerpt] = []
    told: list[str] = []
    if clips:
        bar.start(len(clips), "cutting excerpts out of clips")
    for clip in clips:
        try:
            for part in _of_clip(clip, photos, cutting, rules, faces):
                if isinstance(part, str):
                    told.append(part)
                else:
                    found.append(part)
        except MediaError as error:
            reason = str(error).removeprefix(f"{clip.path}: ")
            told.append(f"{clip.name}: no excerpt of it is learned from: {reason}")
        bar.advance(1, clip.name)
    if clips:
        bar.finish()
    return tuple(found), tuple(told)


def too_short(name: str, lasts_ms: float, cutting: Cutting) -> str:
    """Say that a clip gives photos only; empty where it is long enough.

    Args:
        name: Of the clip.
        lasts_ms: From its first frame to its last one.
        cutting: How long an excerpt is.
    """
    if lasts_ms >= cutting.least_ms:
        return ""
    needed_s = (cutting.num_frames - 1) / cutting.fps
    return (
        f"{name}: {lasts_ms / 1000:.2f} s from its first to its last frame, expected at least"
        f" {needed_s:.2f} s for clips.num_frames {cutting.num_frames} at"
        f" {cutting.fps:g} frames per second, so it gives photos alone; use a longer clip, or lower"
        " clips.num_frames"
    )


def cut_times(
    times_ms: Sequence[int], held_out_ms: Sequence[int], cutting: Cutting
) -> list[tuple[int, ...]]:
    """Choose the frames of excerpts: evenly over a clip, apart from each other.

    Args:
        times_ms: Of all frames, rising. They need not be even.
        held_out_ms: Frames that no excerpt may hold.
        cutting: How long, how many and how fast.

    Returns:
        For each excerpt the time of the frame that is nearest to each of its moments.
    """
    found = []
    for part in _parts(times_ms, set(held_out_ms)):
        spare = part[-1] - part[0] - cutting.least_ms
        if spare < 0:
            continue
        spare = max(0.0, spare - cutting.step_ms / 2)
        whole = cutting.num_frames * cutting.step_ms
        count = min(cutting.per_clip, 1 + int(spare / whole + 1e-6))
        for index in range(count):
            start = part[0] + spare * (index / (count - 1) if count > 1 else 0.5)
            first = max(at_ms for at_ms in part if at_ms <= start + 1)
            moments = first + np.arange(cutting.num_frames) * cutting.step_ms
            gaps = np.abs(np.asarray(part)[:, None] - moments[None])
            found.append(tuple(part[row] for row in gaps.argmin(axis=0)))
    if len(found) <= cutting.per_clip:
        return found
    rows = np.linspace(0, len(found) - 1, cutting.per_clip).round().astype(int)
    return [found[row] for row in rows]


def _parts(times_ms: Sequence[int], held_out: set[int]) -> list[list[int]]:
    """The stretches between frames that are held out."""
    parts: list[list[int]] = [[]]
    for at_ms in times_ms:
        if at_ms in held_out:
            parts.append([])
        else:
            parts[-1].append(at_ms)
    return [part for part in parts if part]


def _of_clip(
    clip: Source, photos: PhotoSet, cutting: Cutting, rules: PhotosSection, faces: FaceVendor
) -> Iterator[Excerpt | str]:
    """Give the excerpts of one clip, and a line for each that is left out.

    Raises:
        MediaError: It cannot be read.
    """
    train = _frames_of(clip, [photo.source for photo in photos.train])
    held_out = _frames_of(clip, [photo.source for photo in photos.held_out])
    if not train:
        why = "its frames are held out" if held_out else "none of its frames will do as a photo"
        yield f"{clip.name}: no excerpt of it is learned from, for {why}"
        return
    times = frame_times(clip.path)
    if short := too_short(clip.name, times[-1] - times[0], cutting):
        yield short
        return
    chosen = cut_times(times, list(held_out), cutting)
    if not chosen:
        yield (
            f"{clip.name}: no {cutting.num_frames} frames in a row without one that is held out, so"
            " it gives photos alone; add a clip or photos that can be held out instead"
        )
    repeated = max((len(row) - len(set(row)) for row in chosen), default=0)
    if repeated:
        yield (
            f"{clip.name}: fewer than {cutting.fps:g} frames per second, so up to {repeated} of the"
            f" {cutting.num_frames} frames of its excerpts are shown twice and motion may stutter;"
            " set clips.fps lower, or leave the clip away"
        )
    centre = np.mean([photo.embedding for photo in photos.train], axis=0)
    for times_ms in chosen:
        name = frame_name(clip.name, times_ms[0])
        try:
            seen = look_at_frames(clip.path, times_ms, rules, faces)
        except MediaError as error:
            reason = str(error).removeprefix(f"{clip.path}: ")
            yield f"{name}: this excerpt is left out: {reason}"
            continue
        if why := _unusable(seen, times_ms, centre, same_person_limit(rules, faces)):
            yield f"{name}: this excerpt is left out: {why}"
            continue
        middle = times_ms[len(times_ms) // 2]
        photo = train[min(train, key=lambda at_ms: abs(at_ms - middle))]
        yield Excerpt(
            source=name,
            file=clip.path,
            content=content_digest(clip.path),
            times_ms=times_ms,
            size_px=seen.size_px,
            faces=seen.faces,
            photo=photo,
            sidecar=photos.train[photo].sidecar,
        )


def _frames_of(clip: Source, names: Sequence[str]) -> dict[int, int]:
    """The frames of a clip among photos: their milliseconds, and their places."""
    found = {}
    for index, name in enumerate(names):
        frame = split_frame_name(name)
        if frame is not None and frame[0] == clip.name:
            found[frame[1]] = index
    return found


def _unusable(seen: SeenFrames, times_ms: Sequence[int], centre: FloatArray, limit: float) -> str:
    """Why an excerpt will not do; empty where it will."""
    total, shown = len(seen.faces), sum(face is not None for face in seen.faces)
    if seen.num_crowded:
        return f"{seen.num_crowded} of {total} frames show several people, expected one"
    if seen.vector is None or shown < _LEAST_SHOWN * total:
        return f"{shown} of {total} frames show a face, expected at least {_LEAST_SHOWN:.0%}"
    if len(set(times_ms)) == 1:
        return "it shows one frame all the time, expected motion"
    near = float(seen.vector @ centre / (np.linalg.norm(seen.vector) * np.linalg.norm(centre)))
    if near < limit:
        return f"another person (similarity {near:.2f}, expected at least {limit:.2f})"
    return ""
