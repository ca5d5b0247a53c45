"""Visible labels: words in a corner of a picture, or of a video for a time or to its end."""

import math
import re
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

import av
import numpy as np
from av.video.frame import PictureType, VideoFrame
from av.video.reformatter import ColorRange
from av.video.stream import VideoStream
from PIL import Image as PillowImage
from PIL import ImageDraw, ImageFont

from facekit.errors import MediaError, UsageError
from facekit.media.burn_in import text_font
from facekit.media.files import atomic_write
from facekit.types import Image, NoProgress, Progress

__all__ = ["LABELLED_VIDEOS", "Label", "Stamp", "check_label", "label_image", "label_video"]

LABELLED_VIDEOS: Final = frozenset({".m4v", ".mov", ".mp4"})
"""Suffixes of videos that can be labelled."""

_PART: Final = 1 / 20
"""Least height of the letters, as a part of the shorter side.
Source: GB 45438-2025, as reported, for pictures and videos; taken for all labels."""
_LEAST_PX: Final = 9
_INK: Final = (255, 255, 255)
_GROUND: Final = (20, 20, 20)
_NO_LETTER: Final = "\U0010fffd"
"""Of private use, so that a font draws what it draws for every letter that it lacks."""
_PLANES: Final = re.compile(r"yuvj?4(?:20|22|44)p(?:10le|12le)?")
_Font = ImageFont.FreeTypeFont | ImageFont.ImageFont


@dataclass(frozen=True, slots=True, kw_only=True)
class Label:
    """What is written, and for how long."""

    text: str
    """In one line."""
    seconds: float | None = None
    """From the beginning of a video; to its end when None. Pictures have no time."""
    font: Path | None = None
    """A font file; the one that comes with Pillow when None, which has Latin letters."""


def check_label(label: Label) -> None:
    """Say before any work whether a label can be written.

    Raises:
        UsageError: The text is empty, too long or of several lines, the font cannot be read or
            has not all letters.
    """
    text = label.text
    if not text.strip() or len(text) > 60 or not text.isprintable():
        raise UsageError(
            f"label {text[:60]!r}: expected 1 to 60 letters in one line; write another text"
        )
    font = _font(label.font, 32)
    lacking = [one for one in dict.fromkeys(text) if not one.isspace() and _is_lacking(font, one)]
    if lacking:
        name = label.font or "the font that comes with facekit"
        raise UsageError(
            f"{name}: has no {' '.join(lacking)}, expected all letters of {text!r}; name a font"
            " file that has them with --font"
        )


class Stamp:
    """Writes a label into the frames of one video.

    Args:
        label: What is written.
    """

    def __init__(self, label: Label) -> None:
        self._label = label
        self._tag: tuple[VideoFrame, int, int] | None = None

    def put(self, frame: VideoFrame, time_s: float) -> None:
        """Write it into a frame of planes of YUV, unless its time is over.

        Raises:
            UsageError: The picture is too small for the text.
        """
        if self._label.seconds is not None and time_s > self._label.seconds:
            return
        self._tag = self._tag or _tag_frame(frame, self._label)
        frame.make_writable()
        _lay_over(frame, *self._tag)


def label_image(image: Image, label: Label) -> Image:
    """Write a label into the upper right corner of a picture; gives a new one of the same size.

    Raises:
        UsageError: The picture is too small for the text.
    """
    tag, top, left = _placed(label, *image.shape[:2])
    done = np.array(image)
    done[top : top + tag.shape[0], left : left + tag.shape[1]] = tag
    return done


def label_video(path: Path, out: Path, label: Label, progress: Progress | None = None) -> None:
    """Write a label into the frames of a video; sound and timecode are kept as they are.

    H.264 (or ProRes where it was that) nearly without loss, in the same pixel format, so that
    pixels beside the label change as little as a copy changes them.

    Args:
        path: Stays as it is.
        out: Written whole or not at all, with the same suffix.
        label: What is written.
        progress: Told of every frame.

    Raises:
        MediaError: It cannot be read, is turned, or has pixels of another kind.
        UsageError: The picture is too small for the text.
        OutputError: It cannot be written.
    """
    progress = progress or NoProgress()
    try:
        with atomic_write(out) as temporary, av.open(str(path)) as source:
            if not source.streams.video:
                raise MediaError(f"{path}: no picture in it; name a video file")
            options = {"movflags": "+faststart"}
            with av.open(str(temporary), "w", options=options) as target:
                _copy(path, source, target, label, progress)
    except FileNotFoundError as error:
        raise MediaError(f"{path}: no such file; check the spelling of the path") from error
    except av.FFmpegError as error:
        raise MediaError(
            f"{path}: cannot be labelled ({error.strerror}), expected an mp4 or mov that plays;"
            " convert it first"
        ) from error


def _copy(path: Path, source: Any, target: Any, label: Label, progress: Progress) -> None:
    given = source.streams.video[0]
    sounds = {
        stream.index: target.add_stream_from_template(stream) for stream in source.streams.audio
    }
    made = _new_stream(path, source, target, given)
    progress.start(given.frames or 1, path.name)
    stamp = Stamp(label)
    for packet in source.demux([given, *source.streams.audio]):
        if packet.stream.index in sounds:
            if packet.dts is not None:
                packet.stream = sounds[packet.stream.index]
                target.mux(packet)
            continue
        for frame in packet.decode():
            if frame.rotation:
                raise MediaError(
                    f"{path}: is turned by {frame.rotation} degrees when it is shown, expected"
                    " upright frames; convert it first"
                )
            stamp.put(frame, frame.time or 0.0)
            frame.pict_type = PictureType.NONE
            target.mux(made.encode(frame))
            progress.advance()
    target.mux(made.encode(None))
    progress.finish()


def _new_stream(path: Path, source: Any, target: Any, given: Any) -> VideoStream:
    old = given.codec_context
    if old.pix_fmt is None or not _PLANES.fullmatch(old.pix_fmt):
        raise MediaError(
            f"{path}: pixels are {old.pix_fmt}, expected planes of YUV with 8, 10 or 12 bits;"
            " convert it first"
        )
    is_prores = old.name.startswith("prores")
    codec = "prores_ks" if is_prores else "libx264"
    made = target.add_stream(codec, rate=given.average_rate)
    made.width, made.height, made.pix_fmt = old.width, old.height, old.pix_fmt
    made.options = (
        {"profile": "3", "vendor": "apl0"} if is_prores else {"qp": "12", "preset": "medium"}
    )
    new = made.codec_context
    made.time_base = new.time_base = given.time_base
    new.color_range, new.colorspace = old.color_range, old.colorspace
    new.color_primaries, new.color_trc = old.color_primaries, old.color_trc
    for stream in source.streams.data:
        if timecode := stream.metadata.get("timecode"):
            made.metadata["timecode"] = timecode
    assert isinstance(made, VideoStream)
    return made


def _tag_frame(frame: VideoFrame, label: Label) -> tuple[VideoFrame, int, int]:
    """The label in the pixel format of a video, and where it belongs."""
    tag, top, left = _placed(label, frame.height, frame.width)
    whole = ColorRange.JPEG if frame.color_range == ColorRange.JPEG else ColorRange.MPEG
    drawn = VideoFrame.from_ndarray(np.ascontiguousarray(tag), format="rgb24")
    return drawn.reformat(format=frame.format.name, dst_color_range=whole), top, left


def _lay_over(frame: VideoFrame, tag: VideoFrame, top: int, left: int) -> None:
    """Lay a label over a frame, plane by plane."""
    kind = np.dtype("u1" if frame.format.components[0].bits == 8 else "<u2")
    for below, above in zip(frame.planes, tag.planes, strict=True):
        down, across = frame.height // below.height, frame.width // below.width
        at, where = top // down, left // across
        words = _pixels(above, kind)[:, : above.width]
        _pixels(below, kind)[at : at + above.height, where : where + above.width] = words


def _pixels(plane: Any, kind: np.dtype[Any]) -> np.ndarray:
    rows = np.frombuffer(plane, kind).reshape(-1, plane.line_size // kind.itemsize)
    return rows[: plane.height]


def _placed(label: Label, height: int, width: int) -> tuple[Image, int, int]:
    """Draw a label for pictures of a size; all its sides and places are even."""
    shorter = min(height, width)
    tag = _draw(label, max(_LEAST_PX, math.ceil(shorter * _PART)))
    margin = 2 * round(shorter * 0.02)
    left = (width - margin - tag.shape[1]) // 2 * 2
    if left < 0 or margin + tag.shape[0] > height:
        raise UsageError(
            f"label {label.text!r}: {tag.shape[1]}x{tag.shape[0]}, expected it to fit into a"
            f" picture of {width}x{height}; write a shorter text"
        )
    return tag, margin, left


@lru_cache(maxsize=16)
def _draw(label: Label, letters_px: int) -> Image:
    """Draw the words in white on dark, the letters so many pixels high at least."""
    size_px = letters_px
    while True:
        font = _font(label.font, size_px)
        left, top, right, bottom = (round(side) for side in font.getbbox(label.text))
        if bottom - top > letters_px:  # the outermost rows are faint
            break
        size_px += 1
    pad = max(2, letters_px // 3)
    wide, high = (2 * math.ceil((side + 2 * pad) / 2) for side in (right - left, bottom - top))
    picture = PillowImage.new("RGB", (wide, high), _GROUND)
    ImageDraw.Draw(picture).text((pad - left, pad - top), label.text, fill=_INK, font=font)
    return np.asarray(picture)


def _font(path: Path | None, size_px: int) -> _Font:
    if path is None:
        return text_font(size_px)
    try:
        return ImageFont.truetype(str(path), size_px)
    except OSError as error:
        raise UsageError(
            f"{path}: not a font that can be read ({error}), expected a .ttf, .otf or .ttc file;"
            " name another one with --font"
        ) from error


def _is_lacking(font: _Font, letter: str) -> bool:
    masks = [font.getmask(one) for one in (letter, _NO_LETTER)]
    return masks[0].size == masks[1].size and bytes(masks[0]) == bytes(masks[1])
