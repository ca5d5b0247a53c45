"""Frames of a clip at the size and in the pixel format of a delivery, through FFmpeg's filters."""

import itertools
from collections.abc import Iterator
from fractions import Fraction
from typing import Final

import numpy as np
from av.filter import Graph
from av.video.format import VideoFormat
from av.video.frame import VideoFrame

from facekit.media.delivery import Delivery, Placement
from facekit.types import Clip

__all__ = ["BT709", "VIDEO_RANGE", "delivered_frames"]

BT709: Final = 1
"""Primaries, transfer and matrix alike. Source: ITU-T H.273, tables 2 to 4."""
VIDEO_RANGE: Final = 1
"""Black at 16 and white at 235 of 255, as FFmpeg's AVCOL_RANGE_MPEG."""

_EXACT: Final = "accurate_rnd+full_chroma_int+full_chroma_inp"


def delivered_frames(clip: Clip, delivery: Delivery, pix_fmt: str) -> Iterator[VideoFrame]:
    """Bring every delivered frame to its size and pixel format.

    Pictures grow by Lanczos in one step with the change of format, so that ten bits hold more
    than what eight would have left. YUV is BT.709 in video range, and says so.

    Args:
        clip: The frames.
        delivery: Which of them, and their size.
        pix_fmt: One of FFmpeg's names.

    Yields:
        One per delivered frame; a frame that is repeated is the same object again.
    """
    graph = _graph(clip, delivery.place(clip), delivery.size, pix_fmt)
    shown, frame = -1, None
    for index in delivery.indices:
        if frame is None or index != shown:
            shown, frame = index, _through(graph, clip.frames[index], pix_fmt)
        yield frame


def _through(graph: Graph, pixels: np.ndarray, pix_fmt: str) -> VideoFrame:
    frame = VideoFrame.from_ndarray(np.ascontiguousarray(pixels), format="rgb24")
    frame.pts, frame.time_base = 0, Fraction(1, 1)
    graph.push(frame)
    done = graph.pull()
    assert isinstance(done, VideoFrame)
    if pix_fmt.startswith("yuv"):  # the filters leave the rest unsaid, and ProRes copies it
        done.color_range, done.colorspace = VIDEO_RANGE, BT709
        done.color_primaries = done.color_trc = BT709
    return done


def _graph(clip: Clip, place: Placement | None, size: tuple[int, int] | None, fmt: str) -> Graph:
    _, height, width, _ = clip.frames.shape
    graph = Graph()
    rgb = VideoFormat("rgb24", width, height)
    steps = [graph.add_buffer(width=width, height=height, format=rgb, time_base=Fraction(1, 1))]
    tags = ":out_color_matrix=bt709:out_range=tv" if fmt.startswith("yuv") else ""
    if place is None:
        steps.append(graph.add("scale", f"flags=bicubic+{_EXACT}{tags}"))
    else:
        bigger = f"w={place.width}:h={place.height}:flags=lanczos+{_EXACT}"
        steps.append(graph.add("scale", f"{bigger}{tags}"))
    steps.append(graph.add("format", fmt))
    if place is not None and size is not None and (place.width, place.height) != size:
        wide, high = size
        if place.left < 0 or place.top < 0:
            cut = f"{wide}:{high}:{-place.left}:{-place.top}:exact=1"
            steps.append(graph.add("crop", cut))
        else:
            bars = f"{wide}:{high}:{place.left}:{place.top}:color=black"
            steps.append(graph.add("pad", bars))
    steps.append(graph.add("buffersink"))
    for before, after in itertools.pairwise(steps):
        before.link_to(after)
    graph.configure()
    return graph
