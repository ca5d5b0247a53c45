"""What the tracks of a clip say about its cast: `identity.json`, and a verdict with reasons.

Shapes: F frames, H and W of a mask.
"""

import dataclasses
from collections.abc import Mapping, Sequence

import numpy as np

from facekit.evaluation.cast_tracks import CastTrack, track_cast
from facekit.evaluation.tracks import SCORED, ScoringRules
from facekit.faces.protocols import FaceVendor
from facekit.faces.vendors import encoder_id
from facekit.types import Clip, FloatArray

__all__ = ["IDENTITY_SCHEMA", "CastReport", "report_cast"]

IDENTITY_SCHEMA = "facekit.identity/1"
_MIN_SCORABLE = 0.6
"""Part of a track's frames that must be scorable, or somebody has to look."""
_MIN_FRAMES_FOR_SLOPE = 4
_NUM_DIGITS = 4


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class CastReport:
    """Everybody in one clip."""

    encoder: str
    floor: float
    """Similarity below which a face is nobody of the cast."""
    cast: tuple[str, ...]
    fps: float
    start_frame: int
    """What the first frame is called."""
    tracks: tuple[CastTrack, ...]
    places: Mapping[str, int | None]
    """Where regions are known: member -> the track that stands in its region."""

    @property
    def missing(self) -> tuple[str, ...]:
        """Members of whom no face was found."""
        there = {track.match for track in self.tracks}
        return tuple(name for name in self.cast if name not in there)

    @property
    def doubles(self) -> tuple[tuple[int, str], ...]:
        """Tracks that are as similar to a member as one is, beside a better face of the same."""
        found = []
        for number, track in enumerate(self.tracks):
            means_C = track.means_C()
            if track.match is None and track.nearest is not None and means_C is not None:
                others = [other for other in self.tracks if other.match == track.nearest]
                beside = any(other.shares_frames(track) for other in others)
                if float(means_C.max()) >= self.floor and beside:
                    found.append((number, track.nearest))
        return tuple(found)

    @property
    def wrong_person(self) -> tuple[tuple[str, int, str | None], ...]:
        """Regions with somebody else in them: member, track, and who it is (None: a stranger)."""
        return tuple(
            (name, number, self.tracks[number].match)
            for name, number in self.places.items()
            if number is not None
            and self.tracks[number].match != name
            and self.tracks[number].nearest is not None
        )

    @property
    def swaps(self) -> tuple[tuple[str, str], ...]:
        """Two members in each other's regions."""
        found = {name: match for name, _, match in self.wrong_person if match is not None}
        return tuple(
            (name, match) for name, match in found.items() if found.get(match) == name < match
        )

    @property
    def reasons(self) -> tuple[tuple[str, str], ...]:
        """What speaks against the clip: "fail" or "review", and why."""
        told: list[tuple[str, str]] = []
        told += [("fail", f"{one} and {other} are swapped") for one, other in self.swaps]
        swapped = {name for pair in self.swaps for name in pair}
        told += [
            ("fail", f"{match or 'a stranger'} is where {name} should be")
            for name, _, match in self.wrong_person
            if name not in swapped
        ]
        told += [("fail", f"{name} is there twice") for _, name in self.doubles]
        is_clear = all(track.nearest is not None for track in self.tracks)
        told += [
            ("fail" if is_clear and self.tracks else "review", f"{name} was not found")
            for name in self.missing
        ]
        for number, track in enumerate(self.tracks):
            scorable = float(track.is_scored.mean())
            if track.match is not None and scorable < _MIN_SCORABLE:
                told.append(("review", f"track {number} ({track.match}): {scorable:.0%} scorable"))
        return tuple(told)

    @property
    def verdict(self) -> str:
        """Sum up: pass, review (somebody has to look) or fail."""
        levels = {level for level, _ in self.reasons}
        return "fail" if "fail" in levels else "review" if levels else "pass"

    def to_json(self) -> dict[str, object]:
        """Return the content of `identity.json`."""
        return {
            "schema": IDENTITY_SCHEMA,
            "encoder": self.encoder,
            "floor": round(self.floor, _NUM_DIGITS),
            "cast": list(self.cast),
            "tracks": [self._track(number, track) for number, track in enumerate(self.tracks)],
            "unmatched_faces": sum(track.match is None for track in self.tracks),
            "missing": list(self.missing),
            "doubles": [{"track": number, "id": name} for number, name in self.doubles],
            "wrong_person": [
                {"place": name, "track": number, "match": match}
                for name, number, match in self.wrong_person
            ],
            "swaps": [list(pair) for pair in self.swaps],
            "verdict": self.verdict,
            "reasons": [f"{level}: {reason}" for level, reason in self.reasons],
        }

    def faces(self) -> list[dict[str, object]]:
        """Return the part of `shot.json` that says who is seen, one entry per track."""
        return [
            {
                "track": number,
                "match": track.match,
                "first_frame": self.start_frame + track.frames[0],
                "last_frame": self.start_frame + track.frames[-1],
                "box_xyxy_px": _rounded(np.nanmean(track.boxes_xyxy_px, axis=0), 1),
            }
            for number, track in enumerate(self.tracks)
        ]

    def _track(self, number: int, track: CastTrack) -> dict[str, object]:
        who = track.match or track.nearest
        column = None if who is None else self.cast.index(who)
        scores_F = (
            np.full(len(track.frames), np.nan)
            if column is None
            else track.similarities_FC[:, column].astype(np.float64)
        )
        seen = scores_F[track.is_scored]
        frames: list[list[object]] = []
        for frame, status, score in zip(track.frames, track.statuses, scores_F, strict=True):
            told: list[object] = [self.start_frame + frame]
            is_scored = status == SCORED
            told += [round(float(score), _NUM_DIGITS)] if is_scored else [None, _reason(status)]
            frames.append(told)
        return {
            "track": number,
            "match": track.match,
            "nearest": track.nearest,
            "frames": frames,
            "boxes_xyxy_px": [
                None if np.isnan(box[0]) else _rounded(box, 1) for box in track.boxes_xyxy_px
            ],
            "scorable": round(float(track.is_scored.mean()), _NUM_DIGITS),
            "p05": _quantile(seen, 0.05),
            "p50": _quantile(seen, 0.5),
            "slope_per_s": _slope(np.asarray(track.frames), scores_F, self.fps),
            "changes": [self.start_frame + frame for frame in _changes(track, self.floor)],
            "runner_up": self._runner_up(track, who),
        }

    def _runner_up(self, track: CastTrack, who: str | None) -> dict[str, object] | None:
        others = [index for index, name in enumerate(self.cast) if name != who]
        seen = track.similarities_FC[track.is_scored]
        if not others or not len(seen):
            return None
        top = {index: float(np.quantile(seen[:, index], 0.95)) for index in others}
        best = max(top, key=lambda index: top[index])
        return {"id": self.cast[best], "p95": round(top[best], _NUM_DIGITS)}


def report_cast(
    clip: Clip,
    cast: Mapping[str, FloatArray],
    faces: FaceVendor,
    *,
    floor: float | None = None,
    rules: ScoringRules | None = None,
    masks_FHW: Mapping[str, FloatArray] | None = None,
    start_frame: int = 0,
) -> CastReport:
    """Track the faces of a clip and say who is where.

    Args:
        clip: The frames.
        cast: Name -> embeddings of photos, as for `track_cast`.
        faces: Detector and encoder; the report vendor.
        floor: As for `track_cast`.
        rules: What counts as scorable.
        masks_FHW: Where members were asked to be, 0..1, (F, H, W) at any size; members without a
            mask may be anywhere.
        start_frame: What the first frame is called.

    Raises:
        UsageError: As for `track_cast`.
    """
    tracks = track_cast(clip, cast, faces, floor=floor, rules=rules)
    size = clip.frames.shape[:3]
    return CastReport(
        encoder=encoder_id(faces),
        floor=faces.min_same_person if floor is None else floor,
        cast=tuple(cast),
        fps=clip.fps,
        start_frame=start_frame,
        tracks=tracks,
        places={name: _standing(mask, tracks, size) for name, mask in (masks_FHW or {}).items()},
    )


def _standing(
    mask_FHW: FloatArray, tracks: Sequence[CastTrack], size: tuple[int, ...]
) -> int | None:
    """The track that is in a region most of the time, the larger one of two; None for nobody."""
    best: tuple[float, int] | None = None
    for number, track in enumerate(tracks):
        inside, area = _inside(mask_FHW, track, size)
        if inside >= 0.5 and (best is None or area > best[0]):
            best = (area, number)
    return None if best is None else best[1]


def _inside(mask_FHW: FloatArray, track: CastTrack, size: tuple[int, ...]) -> tuple[float, float]:
    """How much of a mask the middles of a face see on average, and how much it is seen (area)."""
    num_frames, height, width = size
    weights, areas = [], []
    for frame, box in zip(track.frames, track.boxes_xyxy_px, strict=True):
        if np.isnan(box[0]):
            continue
        at = (frame / num_frames, (box[1] + box[3]) / 2 / height, (box[0] + box[2]) / 2 / width)
        cell = tuple(
            min(max(int(part * count), 0), count - 1)
            for part, count in zip(at, mask_FHW.shape, strict=True)
        )
        weights.append(float(mask_FHW[cell]))
        areas.append(float((box[2] - box[0]) * (box[3] - box[1])))
    return float(np.mean(weights)), float(np.sum(areas))


def _changes(track: CastTrack, floor: float) -> list[int]:
    """Frames from which on the face is somebody else, where that is more than one frame's slip."""
    scored = np.flatnonzero(track.is_scored)
    best = [int(track.similarities_FC[row].argmax()) for row in scored]
    sure = [
        row
        for row, who in zip(scored, best, strict=True)
        if track.similarities_FC[row, who] >= floor
    ]
    who = [int(track.similarities_FC[row].argmax()) for row in sure]
    found, now = [], who[0] if who else -1
    for index in range(1, len(who)):
        lasts = index + 1 < len(who) and who[index + 1] == who[index]
        if who[index] != now and lasts:
            found.append(track.frames[int(sure[index])])
            now = who[index]
    return found


def _slope(frames_F: np.ndarray, scores_F: np.ndarray, fps: float) -> float | None:
    scored = ~np.isnan(scores_F)
    if scored.sum() < _MIN_FRAMES_FOR_SLOPE:
        return None
    slope = np.polyfit(frames_F[scored] / fps, scores_F[scored], 1)[0]
    return round(float(slope), _NUM_DIGITS)


def _quantile(values: np.ndarray, share: float) -> float | None:
    return round(float(np.quantile(values, share)), _NUM_DIGITS) if len(values) else None


def _reason(status: str) -> str:
    return status.replace(" ", "_")


def _rounded(values: np.ndarray, digits: int) -> list[float]:
    return [round(float(value), digits) for value in values]
