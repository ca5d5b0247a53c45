"""Videos: files to clips and back, through PyAV."""

from fractions import Fraction
from pathlib import Path
from typing import Final

import av
import numpy as np
from av.video.frame import VideoFrame
from av.video.reformatter import ColorRange, Colorspace
from av.video.stream import VideoStream

from facekit.errors import MediaError, UsageError
from facekit.media.files import atomic_write
from facekit.types import Clip

__all__ = ["read_clip", "write_clip"]

_QUANTISER: Final = "12"
"""Near lossless, because likeness is measured on what is written; constant, because x264's rate
control gave other bytes for the same small frames from one call to the next."""

_BT709: Final = 1


def read_clip(path: Path | str, *, max_frames: int | None = None) -> Clip:
    """Read a whole video, or its first frames.

    Raises:
        MediaError: Missing, empty, truncated, or without a picture in it.
    """
    path = Path(path)
    try:
        if path.stat().st_size == 0:
            raise MediaError(f"{path}: empty (0 bytes); make or copy it again")
        with av.open(str(path)) as container:
            if not container.streams.video:
                raise MediaError(f"{path}: no picture in it; name a video file")
            stream = container.streams.video[0]
            fps = float(stream.average_rate or 0)
            frames = []
            for frame in container.decode(stream):
                frames.append(frame.to_ndarray(format="rgb24"))
                if len(frames) == max_frames:
                    break
    except FileNotFoundError as error:
        raise MediaError(f"{path}: no such file; check the spelling of the path") from error
    except (OSError, av.FFmpegError) as error:
        raise MediaError(
            f"{path}: not a video that can be read ({error.strerror}); make it again"
        ) from error
    if not frames or fps <= 0:
        raise MediaError(f"{path}: no frame could be decoded; make or copy it again")
    return Clip(frames=np.stack(frames), fps=fps)


def write_clip(path: Path | str, clip: Clip) -> None:
    """Write an H.264 mp4 whole or not at all; the same clip gives the same bytes.

    Args:
        path: Ends in .mp4.
        clip: Height and width must be even.

    Raises:
        UsageError: Another suffix, or an odd size.
        OutputError: It cannot be written.
    """
    path = Path(path)
    _, height, width, _ = clip.frames.shape
    if path.suffix.lower() != ".mp4":
        raise UsageError(f"{path}: cannot write {path.suffix or 'without a suffix'}; use .mp4")
    if height % 2 or width % 2:
        raise UsageError(f"{path}: {width}x{height}, expected even sides; crop or pad by a pixel")
    with atomic_write(path) as temporary, av.open(str(temporary), "w") as container:
        rate = Fraction(clip.fps).limit_denominator(1001)
        stream = container.add_stream("libx264", rate=rate)
        assert isinstance(stream, VideoStream)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        stream.options = {"qp": _QUANTISER, "preset": "medium", "threads": "1"}
        context = stream.codec_context
        context.color_range = ColorRange.MPEG
        context.colorspace = context.color_primaries = context.color_trc = _BT709
        for index, pixels in enumerate(clip.frames):
            frame = VideoFrame.from_ndarray(np.ascontiguousarray(pixels), format="rgb24")
            yuv = frame.reformat(format="yuv420p", dst_colorspace=Colorspace.ITU709)
            yuv.pts, yuv.time_base = index, 1 / rate
            container.mux(stream.encode(yuv))
        container.mux(stream.encode(None))
