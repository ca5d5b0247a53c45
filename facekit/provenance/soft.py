"""What recognises a file whose credentials were taken away: its digest, and how its frames look."""

import json
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
_KEPT: Final = 8
_FRAMES: Final = 8

LIKELY_BITS: Final = 10.0
"""Mean distance of frames, of 64 bits, up to which two files are likely the same."""

_MIN_SPREAD: Final = 2.0
"""Standard deviation of grey values below which a frame shows nothing to be recognised by."""


def frame_hashes(frames: Sequence[Image] | npt.NDArray[np.uint8]) -> tuple[str, ...]:
    """Describe how up to eight frames, spread evenly over a clip, look: 16 hex digits each.

    Re-encoding and scaling change few bits; cropping, mirroring and text on it change many.

    Args:
        frames: (num_frames, height, width, 3), uint8, RGB.

    Returns:
        Fewer than eight where the clip is shorter or frames are of one colour.
    """
    chosen = np.unique(np.linspace(0, len(frames) - 1, _FRAMES).round().astype(int))
    found = (_hash(frames[index]) for index in chosen)
    return tuple(one for one in found if one is not None)


def content_distance(asked: Sequence[str], known: Sequence[str]) -> float:
    """Mean number of bits, 0 to 64, by which frames differ from the nearest ones of a known file.

    64 where one of them has no frames.
    """
    if not asked or not known:
        return 64.0
    first, second = (np.array([int(one, 16) for one in side], np.uint64) for side in (asked, known))
    return float(np.bitwise_count(first[:, None] ^ second[None, :]).min(axis=1).mean())


def _hash(frame: Image) -> str | None:
    """Signs of the low frequencies of a picture, relative to their median."""
    grey = (
        PillowImage.fromarray(frame).convert("L").resize((_SIDE, _SIDE), PillowImage.Resampling.BOX)
    )
    values = np.asarray(grey, np.float64)
    if values.std() < _MIN_SPREAD:
        return None
    basis = _cosines()
    low = (basis @ values @ basis.T).reshape(-1)[1:]  # without the mean
    bits = np.append(low > np.median(low), False)
    return f"{int(''.join('1' if bit else '0' for bit in bits), 2):016x}"


def _cosines() -> npt.NDArray[np.float64]:
    """The first rows of the discrete cosine transform, (8, 32)."""
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
            handle = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
            try:
                os.write(handle, line)  # one call, so that lines of others are never cut
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
