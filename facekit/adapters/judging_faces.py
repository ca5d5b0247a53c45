"""What the reporting encoder measured on a character's photos, kept in their stead.

Whoever has it can judge takes without the photos, by the same numbers.

Shapes: H held-out photos, E photos that trained, D embedding.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
from torch import Tensor

from facekit.types import FloatArray

__all__ = ["JudgingFaces"]

_HELD_OUT: Final = "judging.held_out"
_ENROLLED: Final = "judging.enrolled"
_SHA256: Final = re.compile(r"[0-9a-f]{64}")
_UNIT: Final = 1e-3
"""How far the length of an embedding may be from 1."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class JudgingFaces:
    """The photos of a character as its reporting encoder sees them: embeddings, no pictures."""

    encoder: str
    """Name of the reporting encoder."""
    encoder_digest: str
    """sha256 of its weights (hex); embeddings of other weights are never compared with these."""
    held_out_HD: FloatArray
    """Unit rows: photos that training never saw; they judge."""
    enrolled_ED: FloatArray
    """Unit rows: photos that trained; they tell how alike the photos are among themselves."""
    held_out_sha256: tuple[str, ...]
    """Of the files of the photos, a digest per row."""
    enrolled_sha256: tuple[str, ...]

    def __post_init__(self) -> None:
        """Refuse what no encoder has measured."""
        rows = ((self.held_out_HD, self.held_out_sha256), (self.enrolled_ED, self.enrolled_sha256))
        for faces, digests in rows:
            if faces.ndim != 2 or len(faces) != len(digests):
                raise ValueError(f"{len(digests)} photos and embeddings of {faces.shape}")
            if not np.all(np.abs(np.linalg.norm(faces, axis=1) - 1) <= _UNIT):
                raise ValueError("embeddings that are no unit vectors")
        if not len(self.held_out_HD) or self.held_out_HD.shape[1] != self.enrolled_ED.shape[1]:
            raise ValueError(f"embeddings of {self.held_out_HD.shape} and {self.enrolled_ED.shape}")
        named = (self.encoder_digest, *self.held_out_sha256, *self.enrolled_sha256)
        if not self.encoder or not all(_SHA256.fullmatch(digest) for digest in named):
            raise ValueError("no encoder, or a digest that is none")

    @property
    def id(self) -> str:
        """The encoder's name and the first 12 hex digits of its digest, as `encoder_id` gives."""
        return f"{self.encoder}@{self.encoder_digest[:12]}"

    def tensors(self) -> dict[str, Tensor]:
        """The embeddings by the names that they have in a file, float32."""
        return {
            _HELD_OUT: torch.from_numpy(self.held_out_HD.astype(np.float32)),
            _ENROLLED: torch.from_numpy(self.enrolled_ED.astype(np.float32)),
        }

    def header(self) -> str:
        """The rest as a line of JSON."""
        told = {
            "encoder": self.encoder,
            "encoder_digest": self.encoder_digest,
            "held_out_sha256": self.held_out_sha256,
            "enrolled_sha256": self.enrolled_sha256,
        }
        return json.dumps(told, sort_keys=True)

    @classmethod
    def read(cls, tensors: Mapping[str, Tensor], header: str | None) -> "JudgingFaces | None":
        """Read what ``tensors`` and ``header`` made; None where there was nothing.

        Raises:
            ValueError: It does not hold together.
            TypeError: Likewise.
            KeyError: A part is missing.
        """
        if header is None:
            return None
        told = json.loads(header)
        # Copies: in a file a tensor starts anywhere, and products of unaligned memory may differ.
        held_out, enrolled = (
            np.array(tensors[name].numpy(), np.float32) for name in (_HELD_OUT, _ENROLLED)
        )
        return cls(
            encoder=str(told["encoder"]),
            encoder_digest=str(told["encoder_digest"]),
            held_out_HD=held_out,
            enrolled_ED=enrolled,
            held_out_sha256=tuple(map(str, told["held_out_sha256"])),
            enrolled_sha256=tuple(map(str, told["enrolled_sha256"])),
        )
