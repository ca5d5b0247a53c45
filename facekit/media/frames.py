"""Single frames of a clip: taken at a bounded rate, called by their time, found again by it."""

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from itertools import chain, islice
from pathlib import Path
from typing import Final

import av
import numpy as np
from av.container import InputContainer
from av.video.frame import VideoFrame
from av.video.stream import VideoStream
from PIL import Image as PillowImage

from facekit.errors import MediaError
from facekit.media.images import MAX_PIXELS, MAX_SIDE_PX, shrink_to_limit
from facekit.types import Image

__all__ = [
    "FRAMES_PER_SECOND",
    "MOST_FRAMES",
    "Frame",
    "frame_name",
    "frame_times",
    "read_frame",
    "read_frames",
    "sample_frames",
    "split_frame_name",
]

FRAMES_PER_SECOND: Final = 4.0
"""More of them are too alike to be worth a look."""

MOST_FRAMES: Final = 240
"""Of one clip; a longer one is sampled at a lower rate, over its whole length."""

_SEEK_FROM_S: Final = 2.0
"""Frames farther apart than this are sought; nearer ones come sooner by decoding on."""

_NAME = re.compile(r"(.+)@(?:(\d+):)?(\d\d):(\d\d)\.(\d{3})")
# Source: ITU-T H.273, table 3, which FFmpeg's AVColorTransferCharacteristic follows.
_HDR: Final = {16: "PQ", 18: "HLG"}


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Frame:
    """One frame of a clip, upright."""

    at_ms: int
    """When it is shown, in milliseconds from the clip's beginning."""
    image: Image
    """No side above `MAX_SIDE_PX`."""
    remarks: tuple[str, ...] = ()
    """What could not be taken as it was meant."""


def frame_name(clip: str, at_ms: int) -> str:
    """Call a frame by its clip and time: ``clip.mp4@00:01.240``."""
    seconds, milliseconds = divmod(at_ms, 1000)
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    before = f"{hours:02}:" if hours else ""
    return f"{clip}@{before}{minutes:02}:{seconds:02}.{milliseconds:03}"


def split_frame_name(name: str) -> tuple[str, int] | None:
    """Read what `frame_name` wrote: the clip and the milliseconds; None for another name."""
    match = _NAME.fullmatch(name)
    if match is None:
        return None
    hours, minutes, seconds, milliseconds = (int(part or 0) for part in match.groups()[1:])
    return match[1], ((hours * 60 + minutes) * 60 + seconds) * 1000 + milliseconds


def sample_frames(path: Path) -> Iterator[Frame]:
    """Decode a clip a frame at a time, `FRAMES_PER_SECOND` of it and `MOST_FRAMES` at most.

    The times are those that the clip gives its frames, so that a changing rate is no matter. The
    rotation that a phone writes beside the pixels is applied.

    Args:
        path: A video file.

    Raises:
        MediaError: Missing, empty, damaged, too large, or without a picture in it.
    """
    with _opened(path) as (container, stream):
        step_s = _step_s(container, stream)
        found = (
            _sought(container, stream, step_s)
            if step_s > _SEEK_FROM_S
            else _decoded(container, stream, step_s)
        )
        number = 0
        for at_s, frame in found:
            yield _to_frame(at_s, frame, stream)
            number += 1
            if number == MOST_FRAMES:
                return
        if number == 0:
            raise MediaError(f"{path}: no frame could be decoded; make or copy it again")


def read_frame(path: Path, at_ms: int) -> Frame:
    """Decode the frame of a clip that is shown at this time.

    Raises:
        MediaError: As for `sample_frames`, or no frame begins at this time.
    """
    for begin_s in (at_ms / 1000, 0.0):  # some formats seek past the frame that was asked for
        with _opened(path) as (container, stream):
            _seek(container, stream, begin_s)
            for at_s, frame in _timed(container, stream):
                if _to_ms(at_s) == at_ms:
                    return _to_frame(at_s, frame, stream)
                if _to_ms(at_s) > at_ms:
                    break
    raise MediaError(
        f"{path}: no frame begins at {at_ms / 1000:.3f} s, expected the clip that this frame was"
        " taken from; put that one back"
    )


def frame_times(path: Path, until_ms: int | None = None) -> tuple[int, ...]:
    """When a clip shows each of its frames, in milliseconds, rising; mostly nothing is decoded.

    Args:
        path: A video file.
        until_ms: Do not look much further than this; to the end when None.

    Raises:
        MediaError: As for `sample_frames`.
    """
    with _opened(path) as (container, stream):
        base, start, is_told = stream.time_base, stream.start_time or 0, True
        found: list[float] = []
        for packet in container.demux(stream):
            if packet.size and packet.pts is not None and base is not None:
                found.append(float((packet.pts - start) * base))
            is_told = is_told and (not packet.size or packet.pts is not None)
            if not is_told or (until_ms is not None and found and found[-1] * 1000 > until_ms):
                break
    if not is_told:
        with _opened(path) as (container, stream):
            found = [at_s for at_s, _ in _timed(container, stream)]
    times = sorted({_to_ms(at_s) for at_s in found if at_s >= 0})
    if not times:
        raise MediaError(f"{path}: no frame could be decoded; make or copy it again")
    return tuple(times)


def read_frames(path: Path, times_ms: Sequence[int]) -> Iterator[Frame]:
    """Decode the frames of a clip that are shown at these times.

    Args:
        path: A video file.
        times_ms: From `frame_times`, never falling; the same one may come again.

    Raises:
        MediaError: As for `sample_frames`, or no frame begins at one of these times.
    """
    waiting = list(times_ms)
    with _opened(path) as (container, stream):
        _seek(container, stream, waiting[0] / 1000)
        frames = _timed(container, stream)
        begin = [*islice(frames, 1)]
        if not begin or _to_ms(begin[0][0]) > waiting[0]:  # some formats seek past it
            container.seek(0, stream=stream)
            frames, begin = _timed(container, stream), []
        for at_s, decoded in chain(begin, frames):
            if _to_ms(at_s) < waiting[0]:
                continue
            if _to_ms(at_s) > waiting[0]:
                break
            frame = _to_frame(at_s, decoded, stream)
            while waiting and waiting[0] == _to_ms(at_s):
                waiting.pop(0)
                yield frame
            if not waiting:
                return
    at = f"{path}: the frame at {waiting[0] / 1000:.3f} s"
    raise MediaError(f"{at} is damaged; make or copy the clip again")


@contextmanager
def _opened(path: Path) -> Iterator[tuple[InputContainer, VideoStream]]:
    try:
        if path.stat().st_size == 0:
            raise MediaError(f"{path}: empty (0 bytes); make or copy it again")
        with av.open(str(path)) as container:
            if not container.streams.video:
                raise MediaError(f"{path}: no picture in it; name a clip that shows the person")
            stream = container.streams.video[0]
            stream.thread_type = "AUTO"
            size = stream.codec_context.width * stream.codec_context.height
            if size > MAX_PIXELS:
                raise MediaError(
                    f"{path}: frames of {size // 1_000_000} megapixels, expected at most"
                    f" {MAX_PIXELS // 1_000_000}; make the clip smaller"
                )
            yield container, stream
    except FileNotFoundError as error:
        raise MediaError(f"{path}: no such file; check the spelling of the path") from error
    except (OSError, av.FFmpegError) as error:
        raise MediaError(
            f"{path}: not a clip that can be read to its end ({error.strerror or error}); make or"
            " copy it again"
        ) from error


def _step_s(container: InputContainer, stream: VideoStream) -> float:
    """Seconds from one sampled frame to the next."""
    if container.duration is not None:
        duration_s = container.duration / av.time_base
    elif stream.duration is not None and stream.time_base is not None:
        duration_s = float(stream.duration * stream.time_base)
    else:
        duration_s = 0.0
    return max(1.0 / FRAMES_PER_SECOND, duration_s / MOST_FRAMES)


def _decoded(
    container: InputContainer, stream: VideoStream, step_s: float
) -> Iterator[tuple[float, VideoFrame]]:
    """Every frame is decoded, and the first one of each step is given."""
    due = 0
    for at_s, frame in _timed(container, stream):
        step = int(at_s / step_s + 1e-6)
        if step >= due:
            yield at_s, frame
            due = step + 1


def _sought(
    container: InputContainer, stream: VideoStream, step_s: float
) -> Iterator[tuple[float, VideoFrame]]:
    """Only what lies between a key frame and the frame that is due is decoded."""
    last_s = -1.0
    for step in range(MOST_FRAMES):
        _seek(container, stream, step * step_s)
        for at_s, frame in _timed(container, stream):
            if at_s + 1e-6 >= step * step_s:
                if at_s > last_s:
                    last_s = at_s
                    yield at_s, frame
                break


def _timed(container: InputContainer, stream: VideoStream) -> Iterator[tuple[float, VideoFrame]]:
    """Frames with their seconds from the beginning; a frame without a time follows the last."""
    base, start = stream.time_base, stream.start_time or 0
    frame_s = float(1 / stream.average_rate) if stream.average_rate else 0.0
    at_s = -frame_s
    for frame in container.decode(stream):
        if frame.pts is not None and base is not None:
            at_s = float((frame.pts - start) * base)
        else:
            at_s += frame_s
        if at_s >= 0:
            yield at_s, frame


def _seek(container: InputContainer, stream: VideoStream, at_s: float) -> None:
    if at_s > 0 and stream.time_base is not None:
        offset = int(at_s / stream.time_base) + (stream.start_time or 0)
        container.seek(offset, stream=stream, backward=True)


def _to_ms(at_s: float) -> int:
    return round(at_s * 1000)


def _to_frame(at_s: float, frame: VideoFrame, stream: VideoStream) -> Frame:
    pixels = np.asarray(frame.to_ndarray(format="rgb24"), dtype=np.uint8)
    pixels = _square_pixels(pixels, stream.sample_aspect_ratio)
    turns = round(frame.rotation / 90) % 4
    upright = np.ascontiguousarray(np.rot90(pixels, turns))
    curve = _HDR.get(int(frame.color_trc))
    remarks: tuple[str, ...] = ()
    if curve is not None:
        remarks = (
            f"the clip is in high dynamic range ({curve}), so its colours come out flat; export it"
            " in standard range for true ones",
        )
    return Frame(at_ms=_to_ms(at_s), image=shrink_to_limit(upright), remarks=remarks)


def _square_pixels(pixels: Image, ratio: Fraction | None) -> Image:
    """Widen frames whose pixels are not square."""
    if not ratio or ratio == 1:
        return pixels
    height, width = pixels.shape[:2]
    wide = min(round(width * float(ratio)), 8 * MAX_SIDE_PX)
    picture = PillowImage.fromarray(pixels).resize((max(wide, 1), height))
    return np.asarray(picture)
