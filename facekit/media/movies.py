"""Movies to hand over: a small H.264 copy to look at, and ProRes 422 HQ to edit with."""

from collections.abc import Iterator, Mapping
from fractions import Fraction
from pathlib import Path
from typing import Final

import av
import numpy as np
from av.video.frame import VideoFrame
from av.video.reformatter import Colorspace
from av.video.stream import VideoStream

from facekit.errors import UsageError
from facekit.media.burn_in import burn_in
from facekit.media.delivery import Delivery
from facekit.media.files import atomic_write
from facekit.media.framing import BT709, VIDEO_RANGE, delivered_frames
from facekit.media.label import Label, Stamp
from facekit.types import Clip

__all__ = ["write_mezzanine", "write_review"]

_REVIEW_QUANTISER: Final = "18"
"""Nothing is seen of the loss; constant, as in `write_clip`, so that bytes can be repeated."""
_PRORES: Final = {"profile": "3", "vendor": "apl0", "threads": "0"}
"""422 HQ; "apl0" is what editors expect; as many threads as there are, for bytes do not change."""


def write_review(
    path: Path | str,
    clip: Clip,
    delivery: Delivery,
    *,
    burn_in_name: str | None = None,
    label: Label | None = None,
) -> None:
    """Write an H.264 copy to look at, whole or not at all; the same clip gives the same bytes.

    High profile, yuv420p, tagged BT.709 in video range; its index comes first, so that it plays
    while it is loaded, and it has a key frame every second, so that it can be scrubbed.

    Args:
        path: Ends in .mp4.
        clip: What is delivered.
        delivery: Rate, size, timecode.
        burn_in_name: Name of the shot, which is written into the picture with the number of each
            frame; None leaves the picture as it is.
        label: Written into the upper right corner.

    Raises:
        UsageError: Another suffix, or an odd size.
        OutputError: It cannot be written.
    """
    options = {
        "qp": _REVIEW_QUANTISER,
        "preset": "medium",
        "profile": "high",
        "g": str(max(1, round(delivery.rate))),
        "threads": "1",
    }
    if burn_in_name is None:
        frames = delivered_frames(clip, delivery, "yuv420p")
    else:
        frames = _burnt_in(clip, delivery, burn_in_name)
    _write(
        Path(path),
        clip,
        delivery,
        frames,
        label,
        suffix=".mp4",
        codec="libx264",
        pix_fmt="yuv420p",
        options=options,
        container_options={"movflags": "+faststart"},
    )


def write_mezzanine(
    path: Path | str, clip: Clip, delivery: Delivery, *, label: Label | None = None
) -> None:
    """Write ProRes 422 HQ to edit with, whole or not at all; the same clip gives the same bytes.

    yuv422p10, tagged BT.709 in video range in the file and in every frame, with a timecode track
    where the delivery has a timecode.

    Args:
        path: Ends in .mov.
        clip: What is delivered.
        delivery: Rate, size, timecode.
        label: Written into the upper right corner.

    Raises:
        UsageError: Another suffix, or an odd size.
        OutputError: It cannot be written.
    """
    _write(
        Path(path),
        clip,
        delivery,
        delivered_frames(clip, delivery, "yuv422p10le"),
        label,
        suffix=".mov",
        codec="prores_ks",
        pix_fmt="yuv422p10le",
        options=_PRORES,
        container_options={},
    )


def _burnt_in(clip: Clip, delivery: Delivery, name: str) -> Iterator[VideoFrame]:
    for index, frame in enumerate(delivered_frames(clip, delivery, "rgb24")):
        number = str(delivery.start_frame + index)
        pixels = burn_in(frame.to_ndarray().astype(np.uint8, copy=False), name, number)
        done = VideoFrame.from_ndarray(np.ascontiguousarray(pixels), format="rgb24")
        yield done.reformat(format="yuv420p", dst_colorspace=Colorspace.ITU709)


def _write(
    path: Path,
    clip: Clip,
    delivery: Delivery,
    frames: Iterator[VideoFrame],
    label: Label | None,
    *,
    suffix: str,
    codec: str,
    pix_fmt: str,
    options: Mapping[str, str],
    container_options: Mapping[str, str],
) -> None:
    _, height, width, _ = clip.frames.shape
    wide, high = delivery.size or (width, height)
    if path.suffix.lower() != suffix:
        raise UsageError(f"{path}: cannot write {path.suffix or 'without a suffix'}; use {suffix}")
    if wide % 2 or high % 2:
        raise UsageError(
            f"{path}: {wide}x{high}, expected even sides; deliver at an even size of your choice"
        )
    with (
        atomic_write(path) as temporary,
        av.open(str(temporary), "w", options=dict(container_options)) as container,
    ):
        stream = container.add_stream(codec, rate=delivery.rate)
        assert isinstance(stream, VideoStream)
        stream.width, stream.height, stream.pix_fmt = wide, high, pix_fmt
        stream.options = dict(options)
        if delivery.timecode is not None:  # the muxer makes a track of it
            stream.metadata["timecode"] = str(delivery.timecode_of(0))
        context = stream.codec_context
        context.color_range = VIDEO_RANGE
        context.colorspace = context.color_primaries = context.color_trc = BT709
        stamp = None if label is None else Stamp(label)
        for index, frame in enumerate(frames):
            if stamp is not None:
                stamp.put(frame, float(index / delivery.rate))
            frame.pts, frame.time_base = index, Fraction(1, 1) / delivery.rate
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
