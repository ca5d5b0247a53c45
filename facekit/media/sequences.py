"""Single frames to hand over, one file each: PNG, or OpenEXR in half floats."""

import itertools
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any, Final, Literal, TypeAlias, get_args

import numpy as np
from PIL import Image as PillowImage
from PIL.PngImagePlugin import PngInfo

from facekit.errors import PackageMissing, UsageError
from facekit.media.delivery import Delivery
from facekit.media.files import ensure_new, replace_folder
from facekit.media.framing import delivered_frames
from facekit.types import Clip, FloatArray

__all__ = [
    "ExrColor",
    "check_exr",
    "frame_file",
    "to_linear",
    "write_exr_sequence",
    "write_png_sequence",
]

ExrColor: TypeAlias = Literal["linear", "display"]
"""Light itself, as compositing wants it, or the values that a screen is sent."""

_INTEROP_IDS: Final = {"linear": "lin_rec709_scene", "display": "srgb_rec709_display"}
"""Source: ASWF Color Interop Forum, the identifiers of colour spaces (2025)."""
_REC709: Final = (0.64, 0.33, 0.30, 0.60, 0.15, 0.06, 0.3127, 0.3290)
"""x, y of red, green, blue and white. Source: ITU-R BT.709-6, section 1."""
_WHITE_16: Final = 255 * 256
"""FFmpeg makes 16 bits of 8 by a shift, so that white is not 65535."""
_SRGB_CHUNK: Final = b"\0"
"""Perceptual intent. Source: PNG specification (third edition), section 11.3.2.5."""


def frame_file(name: str, number: int, suffix: str) -> str:
    """Call the file of a frame as editors find it again: ``SEQ010_SH0010.1001.exr``."""
    return f"{name}.{number:04}{suffix}"


def to_linear(values: FloatArray) -> FloatArray:
    """Turn sRGB values of 0..1 into light of 0..1.

    Source: IEC 61966-2-1, section 5.2.
    """
    low = values <= 0.04045
    return np.where(low, values / 12.92, ((values + 0.055) / 1.055) ** 2.4).astype(np.float32)


def write_png_sequence(
    folder: Path | str, clip: Clip, delivery: Delivery, *, name: str, force: bool = False
) -> tuple[Path, ...]:
    """Write every delivered frame as an 8-bit PNG tagged sRGB; all of them or none.

    Args:
        folder: Holds the sequence and nothing else.
        clip: What is delivered.
        delivery: Which frames, their size and numbers.
        name: How the files begin.
        force: Whether what is in the folder may be replaced.

    Returns:
        The files, in order.

    Raises:
        OutputExists: Something is in the folder and ``force`` is false.
        OutputError: It cannot be written.
    """
    folder = ensure_new(Path(folder), force)
    tags = PngInfo()
    tags.add(b"sRGB", _SRGB_CHUNK)
    with replace_folder(folder) as fresh:
        frames = delivered_frames(clip, delivery, "rgb24")
        for number, frame in enumerate(frames, start=delivery.start_frame):
            path = fresh / frame_file(name, number, ".png")
            PillowImage.fromarray(frame.to_ndarray()).save(path, pnginfo=tags, compress_level=4)
    return _files(folder, delivery, name, ".png")


def check_exr() -> None:
    """Say before any work whether frames can be written as OpenEXR.

    Raises:
        PackageMissing: The extra `exr` is not installed.
    """
    _openexr()


def write_exr_sequence(
    folder: Path | str,
    clip: Clip,
    delivery: Delivery,
    *,
    name: str,
    color: ExrColor = "linear",
    force: bool = False,
) -> tuple[Path, ...]:
    """Write every delivered frame as an OpenEXR of half floats; all of them or none.

    Without loss (ZIP), with the primaries of Rec.709, the name of the colour space
    (`colorInteropID`), the rate and, where the delivery has one, the timecode.

    Args:
        folder: Holds the sequence and nothing else.
        clip: What is delivered.
        delivery: Which frames, their size and numbers.
        name: How the files begin.
        color: Which values.
        force: Whether what is in the folder may be replaced.

    Returns:
        The files, in order.

    Raises:
        UsageError: No such colour.
        PackageMissing: The extra `exr` is not installed.
        OutputExists: Something is in the folder and ``force`` is false.
        OutputError: It cannot be written.
    """
    if color not in get_args(ExrColor):
        raise UsageError(f"color {color!r}, expected linear or display; correct it")
    exr = _openexr()
    folder = ensure_new(Path(folder), force)
    with replace_folder(folder) as fresh:
        for index, values in enumerate(_values(clip, delivery)):
            header = _header(exr, delivery, index, color)
            light = to_linear(values) if color == "linear" else values
            path = fresh / frame_file(name, delivery.start_frame + index, ".exr")
            exr.File(header, {"RGB": light.astype(np.float16)}).write(str(path))
    return _files(folder, delivery, name, ".exr")


def _values(clip: Clip, delivery: Delivery) -> Iterator[FloatArray]:
    """Every delivered frame as sRGB values of 0..1, float32; grown in more than eight bits."""
    if delivery.place(clip) is None:
        yield from ((clip.frames[index] / np.float32(255)) for index in delivery.indices)
        return
    for frame in delivered_frames(clip, delivery, "gbrp16le"):
        yield np.minimum(frame.to_ndarray() / np.float32(_WHITE_16), np.float32(1))


def _header(exr: Any, delivery: Delivery, index: int, color: ExrColor) -> dict[str, Any]:
    header = {
        "compression": exr.ZIP_COMPRESSION,
        "type": exr.scanlineimage,
        "chromaticities": _REC709,
        "colorInteropID": _INTEROP_IDS[color],
        "framesPerSecond": Fraction(delivery.rate),
    }
    timecode = delivery.timecode_of(index)
    if timecode is not None:
        clock = [int(timecode[place : place + 2]) for place in (0, 3, 6, 9)]
        rest = itertools.repeat(0, 12)  # what tape once had
        header["timeCode"] = exr.TimeCode(*clock, int(";" in timecode), 0, *rest)
    return header


def _files(folder: Path, delivery: Delivery, name: str, suffix: str) -> tuple[Path, ...]:
    first = delivery.start_frame
    numbers = range(first, first + delivery.num_frames)
    return tuple(folder / frame_file(name, number, suffix) for number in numbers)


def _openexr() -> Any:
    try:
        import OpenEXR
    except ImportError as error:
        raise PackageMissing(
            "OpenEXR is not installed, expected what the extra exr brings;"
            " pip install 'facekit[exr]', or deliver PNG frames"
        ) from error
    return OpenEXR
