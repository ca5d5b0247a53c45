"""Who is who in a clip: every face tracked, and matched against the whole cast and strangers.

Shapes: F frames, D embedding, C members of the cast, N photos.
"""

import dataclasses
from collections.abc import Mapping, Sequence

import numpy as np

from facekit.errors import AlignmentError, UsageError
from facekit.evaluation.tracks import SCORED, UNSURE, ScoringRules, judge_face
from facekit.faces.align import align
from facekit.faces.linking import FaceChain, link_faces
from facekit.faces.protocols import FaceVendor
from facekit.faces.quality import measure_quality
from facekit.faces.vendors import encoder_id
from facekit.identity.similarity import weighted_mean
from facekit.types import Clip, Face, FaceCrop, FloatArray

__all__ = ["CastTrack", "track_cast"]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class CastTrack:
    """One face through a clip, and who it is."""

    frames: tuple[int, ...]
    """Every frame from the first to the last in which it was found, counted from 0."""
    statuses: tuple[str, ...]
    """Per frame "scored", "no face" in a gap, or why the face is not scorable."""
    boxes_xyxy_px: FloatArray
    """Shape (F, 4); NaN in a gap."""
    similarities_FC: FloatArray
    """Cosine to the mean of each member's photos; NaN where the frame is not scored."""
    match: str | None
    """The member; None for a stranger, for a second face of a member, or where nothing scores."""
    nearest: str | None
    """The most similar member, whether it is similar enough or not; None where nothing scores."""
    middle_D: FloatArray | None = None
    """The mean face of the scored frames, unit norm; None where nothing scores."""

    @property
    def is_scored(self) -> np.ndarray:
        """Bool of shape (F,): the face counts."""
        return np.asarray([status == SCORED for status in self.statuses])

    def means_C(self) -> FloatArray | None:
        """The mean similarity to each member over the scored frames; None without any."""
        scored = self.is_scored
        if not scored.any():
            return None
        return np.asarray(self.similarities_FC[scored].mean(axis=0), np.float32)

    def shares_frames(self, other: "CastTrack") -> bool:
        """Whether both were found in one frame, so that they cannot be one person."""
        return bool(set(self._found()) & set(other._found()))

    def _found(self) -> list[int]:
        there = ~np.isnan(self.boxes_xyxy_px[:, 0])
        return [frame for frame, found in zip(self.frames, there, strict=True) if found]


def track_cast(
    clip: Clip,
    cast: Mapping[str, FloatArray],
    faces: FaceVendor,
    *,
    floor: float | None = None,
    rules: ScoringRules | None = None,
) -> tuple[CastTrack, ...]:
    """Track every face of a clip and say who each is.

    A face is the member that it is most similar to, if it is similar enough, and if no better face
    of that member is in the same frame: two faces at once are not one person.

    Args:
        clip: The frames.
        cast: Name -> embeddings of photos by the same encoder, (N, D), unit norm.
        faces: Detector and encoder; the report vendor.
        floor: Similarity below which it is nobody of the cast; the encoder's own when None.
        rules: What counts as scorable; the defaults when None.

    Returns:
        In the order of their first frames, from left to right within one.

    Raises:
        UsageError: No cast, or embeddings of another width.
    """
    centres_CD = _centres(cast, faces)
    limit = faces.min_same_person if floor is None else floor
    found = faces.detect(list(clip.frames))
    vectors, statuses = _look(clip, found, faces, rules or ScoringRules())
    chains = link_faces(found, vectors, min_similarity=limit)
    names = tuple(cast)
    tracks = [_unmatched(chain, vectors, statuses, centres_CD, names) for chain in chains]
    return _matched(tracks, names, limit)


def _centres(cast: Mapping[str, FloatArray], faces: FaceVendor) -> FloatArray:
    if not cast:
        raise UsageError("no cast given, expected photos of at least one character; name some")
    for name, photos_ND in cast.items():
        if photos_ND.ndim != 2 or photos_ND.shape[1] != faces.dim or not len(photos_ND):
            raise UsageError(
                f"{name}: embeddings have shape {photos_ND.shape}, expected (photos, {faces.dim})"
                f" by {encoder_id(faces)}; embed its photos with that encoder"
            )
    return np.stack([weighted_mean(photos_ND) for photos_ND in cast.values()])


def _look(
    clip: Clip, found: Sequence[Sequence[Face]], faces: FaceVendor, rules: ScoringRules
) -> tuple[list[list[FloatArray]], list[list[str]]]:
    """Embed and judge the faces of every frame; a face that cannot be aligned gets zeros."""
    vectors = [[np.zeros(faces.dim, np.float32) for _ in here] for here in found]
    statuses = [[UNSURE for _ in here] for here in found]
    crops: list[FaceCrop] = []
    places: list[tuple[int, int]] = []
    for frame, here in enumerate(found):
        picture = clip.frames[frame]
        for place, face in enumerate(here):
            try:
                quality = measure_quality(picture, face)
                crop = align(
                    picture,
                    face,
                    size_px=faces.crop_size_px,
                    margin=faces.crop_margin,
                    source=f"frame {frame}",
                )
            except AlignmentError:  # landmarks that are no face: seen, but nothing to compare
                continue
            statuses[frame][place] = judge_face(quality, rules)
            crops.append(crop)
            places.append((frame, place))
    if crops:
        for (frame, place), vector in zip(places, faces.encode(crops), strict=True):
            vectors[frame][place] = vector
    return vectors, statuses


def _unmatched(
    chain: FaceChain,
    vectors: Sequence[Sequence[FloatArray]],
    statuses: Sequence[Sequence[str]],
    centres_CD: FloatArray,
    names: Sequence[str],
) -> CastTrack:
    frames = tuple(range(chain.frames[0], chain.frames[-1] + 1))
    told = dict.fromkeys(frames, "no face")
    boxes = np.full((len(frames), 4), np.nan, np.float32)
    similar_FC = np.full((len(frames), len(centres_CD)), np.nan, np.float32)
    seen: list[FloatArray] = []
    for frame, place, face in zip(chain.frames, chain.places, chain.faces, strict=True):
        row = frame - frames[0]
        told[frame] = statuses[frame][place]
        boxes[row] = face.box_xyxy_px
        if told[frame] == SCORED:
            similar_FC[row] = centres_CD @ vectors[frame][place]
            seen.append(vectors[frame][place])
    track = CastTrack(
        frames=frames,
        statuses=tuple(told.values()),
        boxes_xyxy_px=boxes,
        similarities_FC=similar_FC,
        match=None,
        nearest=None,
        middle_D=weighted_mean(np.stack(seen)) if seen else None,
    )
    means_C = track.means_C()
    nearest = None if means_C is None else names[int(means_C.argmax())]
    return dataclasses.replace(track, nearest=nearest)


def _matched(
    tracks: Sequence[CastTrack], names: Sequence[str], limit: float
) -> tuple[CastTrack, ...]:
    """Give each member its tracks, the most similar first."""
    asked = []
    for number, track in enumerate(tracks):
        means_C = track.means_C()
        if means_C is not None and float(means_C.max()) >= limit:
            asked.append((-float(means_C.max()), number, names[int(means_C.argmax())]))
    matched = list(tracks)
    for _, number, name in sorted(asked):
        own = (track for track in matched if track.match == name)
        if not any(track.shares_frames(tracks[number]) for track in own):
            matched[number] = dataclasses.replace(tracks[number], match=name)
    return tuple(matched)
