"""What a detector and an encoder say of frames in a row, kept by the content of their clip."""

import json
from dataclasses import dataclass
from hashlib import sha256
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from facekit.curation.one_face import only_face, people_among
from facekit.errors import AlignmentError
from facekit.faces.align import align
from facekit.faces.protocols import FaceVendor
from facekit.media.cache import cache_dir, cached_write
from facekit.media.frames import Frame, read_frames
from facekit.media.known_files import content_digest
from facekit.recipe import PhotosSection
from facekit.types import Face, FaceCrop, FloatArray

__all__ = ["SeenFrames", "look_at_frames"]

_RULES_OF_LOOKING = 1
"""Raised when the same frames give other faces, so that what is remembered is forgotten."""

_BATCH = 8


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SeenFrames:
    """Frames in a row."""

    size_px: tuple[int, int]
    faces: tuple[Face | None, ...]
    num_crowded: int
    """Frames that show several people."""
    vector: FloatArray | None
    """Mean of the embeddings; None without a face."""


def look_at_frames(
    clip: Path, times_ms: tuple[int, ...], rules: PhotosSection, faces: FaceVendor
) -> SeenFrames:
    """Look at the frames of a clip at these times, or recall that.

    Args:
        clip: A video file.
        times_ms: As for `read_frames`.
        rules: When a face counts.
        faces: Detector and encoder.

    Raises:
        MediaError: It cannot be read here.
        OutputError: The cache cannot be written.
    """
    asked = [_RULES_OF_LOOKING, faces.name, faces.digest, rules.min_detection_score, times_ms]
    name = f"excerpt-{sha256(json.dumps(asked).encode()).hexdigest()[:16]}.json"
    place = cache_dir() / "frames" / content_digest(clip) / name
    try:
        return _read(json.loads(place.read_text()))
    except (OSError, ValueError, KeyError, TypeError):
        pass  # not seen yet, or the note is damaged: it is made again
    found: dict[int, Face | None] = {}
    vectors: list[FloatArray] = []
    num_crowded, size_px = 0, (0, 0)
    frames = read_frames(clip, sorted(set(times_ms)))
    while batch := list(islice(frames, _BATCH)):
        size_px = (batch[0].image.shape[0], batch[0].image.shape[1])
        crops = []
        for frame, several in zip(
            batch, faces.detect([frame.image for frame in batch]), strict=True
        ):
            face, _ = only_face(several, rules.min_detection_score)
            num_crowded += len(people_among(several, rules.min_detection_score)) > 1
            crop = None if face is None else _crop(frame, face, faces)
            found[frame.at_ms] = face if crop else None
            crops += [crop] if crop else []
        vectors += list(faces.encode(crops)) if crops else []
    seen = SeenFrames(
        size_px=size_px,
        faces=tuple(found[at_ms] for at_ms in times_ms),
        num_crowded=num_crowded,
        vector=np.mean(vectors, axis=0) if vectors else None,
    )
    told = {
        "size_px": seen.size_px,
        "faces": [None if face is None else face.to_json() for face in seen.faces],
        "num_crowded": seen.num_crowded,
        "vector": None if seen.vector is None else [float(x) for x in seen.vector],
    }
    with cached_write(place) as temporary:
        temporary.write_text(json.dumps(told))
    return _read(json.loads(json.dumps(told)))


def _crop(frame: Frame, face: Face, faces: FaceVendor) -> FaceCrop | None:
    """The face as the encoder takes it; None where it cannot be aligned."""
    try:
        return align(frame.image, face, size_px=faces.crop_size_px, margin=faces.crop_margin)
    except AlignmentError:
        return None


def _read(told: Any) -> SeenFrames:
    faces = [
        None
        if face is None
        else Face(
            box_xyxy_px=np.array(face["box_xyxy_px"], np.float32),
            landmarks_px=np.array(face["landmarks_px"], np.float32),
            score=face["score"],
        )
        for face in told["faces"]
    ]
    vector, (height, width) = told["vector"], told["size_px"]
    return SeenFrames(
        size_px=(height, width),
        faces=tuple(faces),
        num_crowded=int(told["num_crowded"]),
        vector=None if vector is None else np.array(vector, np.float32),
    )
