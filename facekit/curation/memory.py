"""What was found out about photos, kept by their content, so that each is looked at once.

Only what a detector and an encoder have said is kept, and what was measured; thresholds are
compared anew every time, so changing one costs nothing.
"""

import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from facekit.curation.candidates import Candidate, examine_turned, read_sidecar
from facekit.curation.findings import Code, Finding
from facekit.digests import json_digest
from facekit.errors import MediaError
from facekit.faces.protocols import FaceVendor
from facekit.faces.quality import FaceQuality
from facekit.media.cache import cache_dir, cached_write
from facekit.media.known_files import content_digest
from facekit.media.scan import Source
from facekit.types import Face, FaceCrop, FloatArray

__all__ = ["RULES_OF_LOOKING", "Known", "Memory"]

RULES_OF_LOOKING = 1
"""Raised when the same photo gives other measurements, so that what is remembered is forgotten."""

_ABOUT_CONTENT = (Code.NO_FACE, Code.SEVERAL_FACES)
"""Findings that are told again; any other comes from a file that could not be read or measured."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Known:
    """A photo that has been looked at, with its embedding where one face was measured."""

    candidate: Candidate
    vector: FloatArray | None = None
    """Unit vector, shape (dim,)."""


class Memory:
    """Recalls and keeps what one vendor has said of photos, in the cache."""

    def __init__(self, faces: FaceVendor, min_score: float) -> None:
        """Remember for one detector and encoder.

        Args:
            faces: Their name, digest and kind of crop tell records apart.
            min_score: Faces below this detection score do not count, 0..1.
        """
        self.faces, self.min_score = faces, min_score
        fields = [[f.name for f in dataclasses.fields(kind)] for kind in (FaceQuality, Finding)]
        asked = [RULES_OF_LOOKING, faces.name, faces.digest, faces.dim, faces.crop_size_px]
        self._asked = [*asked, faces.crop_margin, min_score, fields]
        self._folder = cache_dir() / "faces" / json_digest(self._asked)[:16]

    def recall(self, source: Source, turned_deg: int | None = None) -> Known | None:
        """Give what is known of a photo; None where it must be looked at.

        Args:
            source: A photo with a file of its own.
            turned_deg: How far it must be turned; None for what `examine` chose.
        """
        if source.refusal or not source.path.is_file():
            return None
        try:
            with safe_open(self._place(source, turned_deg), "np") as record:
                known = _read(record, source)
        except (OSError, SafetensorError, ValueError, KeyError, TypeError):
            return None  # not there yet, or damaged: it is made again
        try:
            sidecar = read_sidecar(source)
        except MediaError as error:
            finding = Finding(code=Code.UNREADABLE, sentence=str(error))
            return Known(candidate=Candidate(source=source, findings=(finding,)))
        if known.candidate.crop is None:
            return known
        return dataclasses.replace(
            known, candidate=dataclasses.replace(known.candidate, sidecar=sidecar)
        )

    def keep(
        self, candidate: Candidate, vector: FloatArray | None, turned_deg: int | None = None
    ) -> None:
        """Remember a photo as `examine` gave it, before anything was compared with thresholds.

        Raises:
            OutputError: The cache cannot be written.
        """
        if any(finding.code not in _ABOUT_CONTENT for finding in candidate.findings):
            return
        if candidate.crop is None and not candidate.findings:
            return
        tensors, score = {}, 0.0
        if candidate.crop is not None and vector is not None:
            face = candidate.crop.face
            score = face.score
            tensors = {
                "box_xyxy_px": face.box_xyxy_px,
                "landmarks_px": face.landmarks_px,
                "crop": candidate.crop.pixels,
                "vector": vector,
            }
        told = {
            "findings": [finding.to_json() for finding in candidate.findings],
            "notes": [note.to_json() for note in candidate.notes],
            "quality": None if candidate.quality is None else dataclasses.asdict(candidate.quality),
            "score": score,
            "hash_bits": candidate.hash_bits,
            "turned_deg": candidate.turned_deg,
        }
        content = save(
            {name: np.ascontiguousarray(tensor) for name, tensor in tensors.items()},
            {"told": json.dumps(told, default=float)},
        )
        with cached_write(self._place(candidate.source, turned_deg)) as temporary:
            temporary.write_bytes(content)

    def look_turned(self, source: Source, turned_deg: int) -> Known:
        """Look at a photo turned clockwise by this much, or recall it.

        Raises:
            MediaError: It is no longer there.
            OutputError: The cache cannot be written.
        """
        known = self.recall(source, turned_deg)
        if known is None:
            candidate = examine_turned(source, self.faces, self.min_score, turned_deg)
            crop = candidate.crop
            vector = None if crop is None else self.faces.encode([crop])[0]
            self.keep(candidate, vector, turned_deg)
            known = Known(candidate=candidate, vector=vector)
        return known

    def _place(self, source: Source, turned_deg: int | None) -> Path:
        asked = json_digest([content_digest(source.path), turned_deg, source.remarks])
        return self._folder / f"{asked}.safetensors"


def _read(record: Any, source: Source) -> Known:
    told = json.loads(record.metadata()["told"])
    crop = vector = quality = None
    if told["quality"] is not None:
        face = Face(
            box_xyxy_px=record.get_tensor("box_xyxy_px"),
            landmarks_px=record.get_tensor("landmarks_px"),
            score=told["score"],
        )
        crop = FaceCrop(pixels=record.get_tensor("crop"), face=face, source=source.name)
        vector = record.get_tensor("vector")
        quality = FaceQuality(**told["quality"])
    candidate = Candidate(
        source=source,
        findings=tuple(_finding(finding) for finding in told["findings"]),
        notes=tuple(_finding(note) for note in told["notes"]),
        crop=crop,
        quality=quality,
        hash_bits=told["hash_bits"],
        turned_deg=told["turned_deg"],
    )
    return Known(candidate=candidate, vector=vector)


def _finding(told: dict[str, object]) -> Finding:
    return Finding(**{**told, "code": Code(str(told["code"]))})  # type: ignore[arg-type]
