"""What recognises a file whose credentials were taken away: its digest, and how its frames look."""

import errno
import json
import math
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from PIL import Image as PillowImage

from facekit.errors import FacekitError, OutputError
from facekit.provenance.facts import Facts
from facekit.types import Image

__all__ = [
    "LIKELY_BITS",
    "Output",
    "OutputRecord",
    "content_distance",
    "frame_hashes",
]

_SIDE: Final = 32
_KEPT: Final = 6
"""Frequencies down and across; of higher ones, half the size and a codec leave too little."""
_BITS: Final = _KEPT**2 - 1
_DIGITS: Final = 9
"""Of the bits and one more."""
_FRAMES: Final = 8
_AGREEING: Final = 0.75
"""Share of the frames that have to be alike; the rest may be of another cut."""

LIKELY_BITS: Final = 3.7
"""Distance of frames, of 64 bits, up to which two files are likely the same. About one in a hundred
pairs of clips that show two characters in the same scene is as close, and no other pair.
Source: docs/results/provenance.json."""

_MIN_SPREAD: Final = 2.0
"""Standard deviation below which brightness or a colour shows nothing to be recognised by."""

_BLACK: Final = 28
"""Rows and columns at the edges that are nowhere brighter are bars."""

_HALF: Final = 0.5
"""Share of bits that differ by chance; also where one has a colour that the other has not."""


def frame_hashes(frames: Sequence[Image] | npt.NDArray[np.uint8]) -> tuple[str, ...]:
    """Describe how up to eight frames, spread evenly over a clip, look: 27 hex digits each.

    Re-encoding, scaling and black bars change few bits; cropping, mirroring and text on it change
    many.

    Args:
        frames: (num_frames, height, width, 3), uint8, RGB.

    Returns:
        Fewer than eight where the clip is shorter or frames are of one colour.
    """
    chosen = np.unique(np.linspace(0, len(frames) - 1, _FRAMES).round().astype(int))
    found = (_hash(frame) for frame in _without_bars([frames[index] for index in chosen]))
    return tuple(one for one in found if one is not None)


def content_distance(asked: Sequence[str], known: Sequence[str]) -> float:
    """Bits of 64, by which three of four frames differ at most from the nearest known ones.

    64 where one of them has no frames, or none that this version can compare.
    """
    first, second = _words(asked)[:, None], _words(known)[None, :]
    if not first.size or not second.size:
        return 64.0
    differ = np.bitwise_count((first ^ second) >> np.uint64(1)) / _BITS
    told, both = ((first | second) & np.uint64(1)).astype(bool), (first & second & np.uint64(1))
    differ = np.where(both.astype(bool), differ, _HALF) * told
    nearest = np.sort((64 * differ.sum(2) / told.sum(2)).min(axis=1))
    return float(nearest[math.ceil(_AGREEING * len(nearest)) - 1])


def _words(hashes: Sequence[str]) -> npt.NDArray[np.uint64]:
    """Hashes as (num_frames, 3): brightness and two colours; the last bit says if it counts."""
    starts = range(0, 3 * _DIGITS, _DIGITS)
    own = [one for one in hashes if len(one) == 3 * _DIGITS]
    words = [[int(one[at : at + _DIGITS], 16) for at in starts] for one in own]
    return np.array(words, np.uint64).reshape(-1, 3)


def _without_bars(frames: list[Image]) -> list[Image]:
    """Cut off the edges that are black in all frames; pictures that are dark all over stay."""
    if len({frame.shape for frame in frames}) != 1:
        return frames
    brightest = np.max(frames, axis=(0, 3))
    rows = np.flatnonzero(brightest.max(axis=1) > _BLACK)
    columns = np.flatnonzero(brightest.max(axis=0) > _BLACK)
    if not len(rows):
        return frames
    down, across = slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)
    return [np.ascontiguousarray(frame[down, across]) for frame in frames]


def _hash(frame: Image) -> str | None:
    """Signs of the low frequencies of brightness and colours, relative to their median."""
    words = [_word(plane) for plane in PillowImage.fromarray(frame).convert("YCbCr").split()]
    return "".join(words) if int(words[0], 16) else None


def _word(plane: PillowImage.Image) -> str:
    small = plane.resize((_SIDE, _SIDE), PillowImage.Resampling.BOX)
    values = np.asarray(small, np.float64)
    if values.std() < _MIN_SPREAD:
        return "0" * _DIGITS
    basis = _cosines()
    low = (basis @ values @ basis.T).reshape(-1)[1:]  # without the mean
    bits = np.append(low > np.median(low), True)
    return f"{int(''.join('1' if bit else '0' for bit in bits), 2):0{_DIGITS}x}"


def _cosines() -> npt.NDArray[np.float64]:
    """The first rows of the discrete cosine transform, (6, 32)."""
    rows, columns = np.arange(_KEPT)[:, None], np.arange(_SIDE)[None, :]
    return np.asarray(np.cos(np.pi * rows * (2 * columns + 1) / (2 * _SIDE)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Output:
    """A file that facekit made here."""

    name: str
    sha256: str
    frames: tuple[str, ...]
    """From `frame_hashes`; empty where nobody looked."""
    facts: Facts
    at: str
    """When, in UTC."""

    def to_json(self) -> dict[str, Any]:
        """All of it as plain data."""
        return {
            "name": self.name,
            "sha256": self.sha256,
            "frames": list(self.frames),
            "facts": self.facts.to_json(),
            "at": self.at,
        }

    @classmethod
    def from_json(cls, told: Mapping[str, Any]) -> "Output":
        """Read what `to_json` gave.

        Raises:
            KeyError: Something is missing.
            SignatureRefused: The facts are none.
        """
        return cls(
            name=str(told["name"]),
            sha256=str(told["sha256"]),
            frames=tuple(str(one) for one in told["frames"]),
            facts=Facts.from_json(told["facts"]),
            at=str(told["at"]),
        )


class OutputRecord:
    """The list of what was made here, one line of JSON each; lines are only ever added.

    Args:
        path: Of the file; there may be none yet.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def add(self, output: Output) -> None:
        """Add a file; several processes may do so at once.

        Raises:
            OutputError: It cannot be written.
        """
        line = json.dumps(output.to_json(), sort_keys=True).encode() + b"\n"
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            handle = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
            try:
                size = os.fstat(handle).st_size
                if size and os.pread(handle, 1, size - 1) != b"\n":  # a kill has cut the last one
                    line = b"\n" + line
                # one call, so that lines of others are never cut
                if os.write(handle, line) < len(line):
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            finally:
                os.close(handle)
        except OSError as error:
            raise OutputError(
                f"{self.path}: {error.strerror or error}, expected the list of what was made here;"
                " make room, or name another folder with FACEKIT_KEYS"
            ) from error

    def all(self) -> Iterator[Output]:
        """Everything in the list; lines that a full disk has cut are passed over."""
        if not self.path.is_file():
            return
        with self.path.open("rb") as file:
            for line in file:
                with suppress(ValueError, KeyError, TypeError, FacekitError):
                    yield Output.from_json(json.loads(line))
