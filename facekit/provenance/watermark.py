"""Invisible watermarks: a render id in the pixels, which survives what takes metadata away.

Nothing but a random number is embedded; who made what with it is in the records of who made it.
"""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Protocol

import numpy as np
import numpy.typing as npt

from facekit.errors import ChecksumMismatch, WeightsError, WeightsMissing
from facekit.types import FloatArray

__all__ = [
    "LIKELY_AGREEMENT",
    "MESSAGE_BITS",
    "Mark",
    "VideoSeal",
    "Watermark",
    "message_of",
    "pick_mark",
]

MESSAGE_BITS: Final = 256
"""Bits of a message: 128 of the render id, and as many that follow from it."""

LIKELY_AGREEMENT: Final = 0.75
"""Share of equal bits from which on a mark is that of a render id: 192 of 256 agree by chance once
in 4 * 10^15 times, so that a million known ids do not make it probable."""

_CHUNK = 16
"""Frames that are marked at once; a multiple of VideoSeal's steps."""


class Watermark(Protocol):
    """Hides messages in frames and finds them again."""

    def embed(
        self, frames: npt.NDArray[np.uint8], message: npt.NDArray[np.bool_]
    ) -> npt.NDArray[np.uint8]:
        """Hide a message.

        Args:
            frames: (num_frames, height, width, 3), RGB.
            message: (256,).

        Returns:
            Frames of the same shape.
        """

    def detect(self, frames: npt.NDArray[np.uint8]) -> FloatArray:
        """Look for a message: (256,), above 0 for a bit that is set; frames as for `embed`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """A render id that a watermark names."""

    render_id: str
    agreement: float
    """Share of the bits that are those of this id, 0 to 1."""


def message_of(render_id: str) -> npt.NDArray[np.bool_]:
    """The message of a render id: (256,), its bits and those of their digest."""
    payload = bytes.fromhex(render_id)
    check = hashlib.sha256(b"facekit watermark 1" + payload).digest()[: len(payload)]
    return np.unpackbits(np.frombuffer(payload + check, np.uint8)).astype(bool)


def pick_mark(found: FloatArray, known: Iterable[str]) -> Mark | None:
    """Tell which render id a message is of; None where it is none.

    Args:
        found: From `Watermark.detect`.
        known: Render ids that are recorded; bits that were lost do not matter for these. An id
            that is not among them is told only where its own digest agrees.
    """
    bits = np.asarray(found) > 0
    own = np.packbits(bits[: MESSAGE_BITS // 2]).tobytes().hex()
    best = Mark(render_id="", agreement=0.0)
    for render_id in known:
        agreement = float((message_of(render_id) == bits).mean())
        if agreement > best.agreement:
            best = Mark(render_id=render_id, agreement=agreement)
    if best.agreement >= LIKELY_AGREEMENT:
        return best
    check = (message_of(own) == bits)[MESSAGE_BITS // 2 :].mean()
    return Mark(render_id=own, agreement=1.0) if check == 1.0 else None


class VideoSeal:
    """VideoSeal's TorchScript model, from a file that the user has.

    Source: https://github.com/facebookresearch/videoseal, docs/torchscript.md (MIT)

    Args:
        path: Such as `y_256b_img.jit`.
        sha256: Of the file; another one is not loaded.
        device: Where it runs.

    Raises:
        WeightsMissing: There is no such file.
        ChecksumMismatch: It is another one.
        WeightsError: It is no such model.
    """

    def __init__(self, path: Path, sha256: str, device: str = "cpu") -> None:
        import torch

        if not path.is_file():
            raise WeightsMissing(
                f"{path}: no such file, expected VideoSeal as TorchScript; get it from its authors"
                " and correct watermark in [provenance] of facekit.toml"
            )
        with path.open("rb") as file:
            got = hashlib.file_digest(file, "sha256").hexdigest()
        if got != sha256:
            raise ChecksumMismatch(
                f"{path}: sha256 {got[:12]}, expected {sha256[:12]} as facekit.toml says; get the"
                " file again"
            )
        try:
            self._net: Any = torch.jit.load(str(path), map_location=device).eval()  # type: ignore[no-untyped-call]
            self._net.embed, self._net.detect  # noqa: B018  # looked up: both must be there
        except (RuntimeError, AttributeError) as error:
            first = str(error).strip().splitlines()[0]
            raise WeightsError(
                f"{path}: {first}, expected a TorchScript module with embed and detect; take"
                " y_256b_img.jit of VideoSeal"
            ) from error
        self._device = device

    def embed(
        self, frames: npt.NDArray[np.uint8], message: npt.NDArray[np.bool_]
    ) -> npt.NDArray[np.uint8]:
        """Hide a message, in chunks of frames."""
        import torch

        told = torch.from_numpy(message.astype(np.float32))[None].to(self._device)
        parts = []
        with torch.no_grad():
            for at in range(0, len(frames), _CHUNK):
                marked = self._net.embed(self._pixels(frames[at : at + _CHUNK]), told, True)
                levels = (marked.clamp(0, 1) * 255).round().to(torch.uint8)
                parts.append(levels.permute(0, 2, 3, 1).cpu().numpy())
        return np.concatenate(parts)

    def detect(self, frames: npt.NDArray[np.uint8]) -> FloatArray:
        """Mean of what is found in each frame; the first channel, a mask, is not used."""
        import torch

        total, num_frames = np.zeros(MESSAGE_BITS), 0
        with torch.no_grad():
            for at in range(0, len(frames), _CHUNK):
                chunk = frames[at : at + _CHUNK]
                said = self._net.detect(self._pixels(chunk), True)
                if said.shape[:2] != (len(chunk), MESSAGE_BITS + 1):
                    raise WeightsError(
                        f"watermark: gives {tuple(said.shape)}, expected"
                        f" ({len(chunk)}, {MESSAGE_BITS + 1}, ...); take VideoSeal of 256 bits"
                    )
                values = said[:, 1:].float().reshape(len(chunk), MESSAGE_BITS, -1).mean(-1)
                total += values.sum(0).cpu().numpy()
                num_frames += len(chunk)
        return np.asarray(total / num_frames, np.float32)

    def _pixels(self, frames: npt.NDArray[np.uint8]) -> Any:
        """Frames as (num_frames, 3, height, width), 0 to 1."""
        import torch

        chunk = torch.from_numpy(np.ascontiguousarray(frames)).permute(0, 3, 1, 2)
        return chunk.float().div(255).to(self._device)
