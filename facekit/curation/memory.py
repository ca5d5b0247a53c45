"""What was found out about photos, kept by their content, so that each is looked at once.

Only what a detector and an encoder have said is kept, and what was measured; thresholds are
compared anew every time, so changing one costs nothing.
"""

import dataclasses
import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from facekit.curation.candidates import (
    Candidate,
    examine,
    examine_part,
    examine_turned,
    read_sidecar,
)
from facekit.curation.closer_look import Hidden
from facekit.curation.covered import cover_crops
from facekit.curation.findings import Code, Finding
from facekit.digests import json_digest
from facekit.errors import MediaError
from facekit.faces.protocols import FaceVendor
from facekit.faces.quality import FaceQuality
from facekit.media.cache import cache_dir, cached_write
from facekit.media.known_files import content_digest
from facekit.media.scan import Source
from facekit.media.traits import PictureTraits
from facekit.types import Face, FaceCrop, FloatArray, NoProgress, Progress

__all__ = ["RULES_OF_LOOKING", "Known", "Memory"]

RULES_OF_LOOKING = 5
"""Raised when the same photo gives other measurements, so that what is remembered is forgotten."""

_ABOUT_CONTENT = (Code.NO_FACE, Code.SEVERAL_FACES)
"""Findings that are told again; any other comes from a file that could not be read or measured."""

_AT_ONCE = 64
"""Photos that are looked at and then kept; one that was looked at is not looked at again."""

_Window = tuple[int, int, int, int]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Known:
    """A photo that has been looked at, with its embedding where one face was measured."""

    candidate: Candidate
    vector: FloatArray | None = None
    """Unit vector, shape (dim,)."""
    people: FloatArray | None = None
    """Where there are several people: unit vectors of `Candidate.people`, shape (P, dim)."""


class Memory:
    """Looks at photos with one detector and encoder, and keeps what they said in the cache."""

    def __init__(self, faces: FaceVendor, min_score: float, bar: Progress | None = None) -> None:
        """Remember for one detector and encoder.

        Args:
            faces: Their name, digest and kind of crop tell records apart.
            min_score: Faces below this detection score do not count, 0..1.
            bar: Counts faces that are looked at again, which no caller counts beforehand.
        """
        self.faces, self.min_score, self._bar = faces, min_score, bar or NoProgress()
        kinds = (Candidate, FaceQuality, PictureTraits, Finding)
        fields = [[field.name for field in dataclasses.fields(kind)] for kind in kinds]
        asked = [RULES_OF_LOOKING, faces.name, faces.digest, faces.dim, faces.crop_size_px]
        self._asked = [*asked, faces.crop_margin, min_score, fields]
        self._folder = cache_dir() / "faces" / json_digest(self._asked)[:16]

    def look(self, sources: Sequence[Source], progress: Progress) -> list[Known]:
        """Look at photos, or recall them; only those that nothing is known of cost time.

        Args:
            sources: Photos with a file of their own, and what is refused already.
            progress: Counts the photos.

        Returns:
            One for each, in order, before anything was compared with thresholds.

        Raises:
            OutputError: The cache cannot be written.
        """
        recalled = [self._recall(source) for source in sources]
        new = [source for source, known in zip(sources, recalled, strict=True) if known is None]
        if num_known := len(sources) - len(new):
            progress.advance(num_known, "known already")
        fresh = self._look_anew(new, progress)
        return [next(fresh) if known is None else known for known in recalled]

    def _look_anew(self, sources: Sequence[Source], progress: Progress) -> Iterator[Known]:
        """Look at photos some at a time, so that what was found out outlives a Ctrl-C."""
        for start in range(0, len(sources), _AT_ONCE):
            some = sources[start : start + _AT_ONCE]
            yield from self._keep(self._embed(examine(some, self.faces, self.min_score, progress)))

    def look_turned(self, source: Source, turned_deg: int) -> Known:
        """Look at a photo turned clockwise by this much, or recall it.

        Raises:
            MediaError: It is no longer there.
            OutputError: The cache cannot be written.
        """
        known = self._recall(source, turned_deg)
        if known is None:
            candidate = examine_turned(source, self.faces, self.min_score, turned_deg)
            known = self._keep(self._embed([candidate]), turned_deg)[0]
        return known

    def look_at_part(self, candidate: Candidate, face: Face, cut_xyxy_px: _Window) -> Known:
        """Look at one of several people in the part of the picture that is cut out, or recall it.

        Raises:
            MediaError: The photo is no longer there.
            OutputError: The cache cannot be written.
        """
        turned_deg = candidate.turned_deg
        known = self._recall(candidate.source, turned_deg, cut_xyxy_px)
        if known is None:
            part = examine_part(candidate, face, cut_xyxy_px, self.faces)
            known = self._keep(self._embed([part]), turned_deg, cut_xyxy_px)[0]
        return known

    def look_covered(self, crops: Sequence[FaceCrop]) -> FloatArray:
        """Embed crops with their regions covered as `cover_crops` does, or recall that.

        Raises:
            OutputError: The cache cannot be written.
        """
        places = [self._folder / f"covered-{_crop_digest(crop)}.safetensors" for crop in crops]
        known = dict(enumerate(map(_read_covered, places)))
        new = [index for index, vectors in known.items() if vectors is None]
        if new:
            self._bar.start(len(new), "looking at faces with parts covered")
        for start in range(0, len(new), _AT_ONCE):  # each crop becomes several
            some = new[start : start + _AT_ONCE]
            fresh = cover_crops([crops[index] for index in some], self.faces)
            for index, vectors in zip(some, fresh, strict=True):
                known[index] = vectors
                _write(places[index], {"covered": vectors}, {})
                self._bar.advance(1, Path(crops[index].source).name)
        self._bar.finish()
        return np.stack([vectors for vectors in known.values() if vectors is not None])

    def _embed(self, seen: Sequence[Candidate]) -> list[Known]:
        """Embed the faces of each photo by themselves.

        In a batch the last digits depend on who else is in it, and so on what was known already.
        """
        crops = [_crops(candidate) for candidate in seen]
        embedded = []
        for candidate, of_one in zip(seen, crops, strict=True):
            found = list(self.faces.encode(of_one)) if of_one else []
            people: FloatArray | None = np.stack(found) if candidate.people else None
            vector = None if candidate.crop is None else found[0]
            embedded.append(Known(candidate=candidate, vector=vector, people=people))
        return embedded

    def _keep(
        self, looked_at: list[Known], turned_deg: int | None = None, cut: _Window | None = None
    ) -> list[Known]:
        """Remember photos, those left out of which nothing was found that would stay."""
        for known in looked_at:
            candidate = known.candidate
            if any(finding.code not in _ABOUT_CONTENT for finding in candidate.findings):
                continue
            if candidate.crop is None and not candidate.findings:
                continue
            tensors: dict[str, FloatArray | np.ndarray | None] = {
                "vector": known.vector,
                "people": known.people,
            }
            crops = _crops(candidate)
            for index, crop in enumerate(crops):
                tensors |= {
                    f"crop{index}": crop.pixels,
                    f"box{index}": crop.face.box_xyxy_px,
                    f"landmarks{index}": crop.face.landmarks_px,
                }
            told = {
                "findings": [finding.to_json() for finding in candidate.findings],
                "notes": [note.to_json() for note in candidate.notes],
                "quality": candidate.quality and dataclasses.asdict(candidate.quality),
                "traits": candidate.traits and dataclasses.asdict(candidate.traits),
                "hidden": candidate.hidden and dataclasses.asdict(candidate.hidden),
                "scores": [crop.face.score for crop in crops],
                "hash_bits": candidate.hash_bits,
                "turned_deg": candidate.turned_deg,
                "size_px": candidate.size_px,
                "cut_xyxy_px": candidate.cut_xyxy_px,
            }
            _write(self._place(candidate.source, turned_deg, cut), tensors, told)
        return looked_at

    def _recall(
        self, source: Source, turned_deg: int | None = None, cut: _Window | None = None
    ) -> Known | None:
        """Give what is known of a photo; None where it must be looked at."""
        if source.refusal or not source.path.is_file():
            return None
        try:
            with safe_open(self._place(source, turned_deg, cut), "np") as record:
                known = _read(record, source)
        except (OSError, SafetensorError, ValueError, KeyError, TypeError):
            return None  # not there yet, or damaged: it is made again
        try:
            sidecar = read_sidecar(source)
        except MediaError as error:
            finding = Finding(code=Code.UNREADABLE, sentence=str(error))
            return Known(candidate=Candidate(source=source, findings=(finding,)))
        return dataclasses.replace(
            known, candidate=dataclasses.replace(known.candidate, sidecar=sidecar)
        )

    def _place(self, source: Source, turned_deg: int | None, cut: _Window | None) -> Path:
        asked = json_digest([content_digest(source.path), turned_deg, cut, source.remarks])
        return self._folder / f"{asked}.safetensors"


def _write(
    place: Path, tensors: Mapping[str, np.ndarray | None], told: Mapping[str, object]
) -> None:
    content = save(
        {name: np.ascontiguousarray(t) for name, t in tensors.items() if t is not None},
        {"told": json.dumps(told, default=float)},
    )
    with cached_write(place) as temporary:
        temporary.write_bytes(content)


def _read_covered(place: Path) -> FloatArray | None:
    """None where the record is not there, or damaged."""
    try:
        with safe_open(place, "np") as record:
            vectors: FloatArray = record.get_tensor("covered")
    except (OSError, SafetensorError):
        return None
    return vectors


def _crops(candidate: Candidate) -> tuple[FaceCrop, ...]:
    """The one face, or those of several people."""
    return candidate.people if candidate.crop is None else (candidate.crop,)


def _crop_digest(crop: FaceCrop) -> str:
    return hashlib.sha256(crop.pixels.tobytes()).hexdigest()


def _read(record: Any, source: Source) -> Known:
    told = json.loads(record.metadata()["told"])
    stored = set(record.keys())
    crops = [
        FaceCrop(
            pixels=record.get_tensor(f"crop{index}"),
            face=Face(
                box_xyxy_px=record.get_tensor(f"box{index}"),
                landmarks_px=record.get_tensor(f"landmarks{index}"),
                score=score,
            ),
            source=source.name,
        )
        for index, score in enumerate(told["scores"])
    ]
    is_one = told["quality"] is not None
    candidate = Candidate(
        source=source,
        findings=tuple(_finding(finding) for finding in told["findings"]),
        notes=tuple(_finding(note) for note in told["notes"]),
        crop=crops[0] if is_one else None,
        people=() if is_one else tuple(crops),
        size_px=_pair(told["size_px"]),
        traits=told["traits"] and PictureTraits(**told["traits"]),
        quality=FaceQuality(**told["quality"]) if is_one else None,
        hidden=told["hidden"] and _hidden(told["hidden"]),
        hash_bits=told["hash_bits"],
        turned_deg=told["turned_deg"],
        cut_xyxy_px=told["cut_xyxy_px"] and tuple(told["cut_xyxy_px"]),
    )
    return Known(
        candidate=candidate,
        vector=record.get_tensor("vector") if "vector" in stored else None,
        people=record.get_tensor("people") if "people" in stored else None,
    )


def _hidden(told: Mapping[str, dict[str, float] | None]) -> Hidden:
    return Hidden(**{way: FaceQuality(**found) for way, found in told.items() if found})


def _pair(told: Sequence[int] | None) -> tuple[int, int] | None:
    return None if told is None else (told[0], told[1])


def _finding(told: dict[str, object]) -> Finding:
    return Finding(**{**told, "code": Code(str(told["code"]))})  # type: ignore[arg-type]
