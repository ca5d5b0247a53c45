"""What a take of a shot reaches: its figures per character, and what is asked of them."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Literal, TypeAlias

import numpy as np

from facekit.evaluation.cast_report import CastReport
from facekit.evaluation.cast_tracks import CastTrack

__all__ = ["CharacterFigures", "Limit", "TakeFigures", "TakeLimits", "take_figures"]

_MIN_FRAMES_FOR_SLOPE = 4
_NUM_DIGITS = 4


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class CharacterFigures:
    """How one character does in one take."""

    p05: float | None
    """Likeness that all but the worst twentieth of its scored frames reach."""
    mean: float | None
    coverage: float
    """Part of all frames in which its face was scored."""
    slope_per_s: float | None
    """Change of likeness per second; None with less than four scored frames."""
    closest: float | None = None
    """Where no face is similar enough to be this character: the `p05` of the face that comes
    nearest to it, so that of two takes that fail the better one is kept."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class TakeFigures:
    """What was measured on one take."""

    characters: Mapping[str, CharacterFigures]
    """Of those who should be in it."""
    wrong_person: int
    """Frames in which a face is somebody else than it should be."""
    swap: int
    """Frames in which two of the cast have changed places."""
    clear_faces: int
    """Frames with a face that can be scored, whoever it is."""

    @property
    def score(self) -> float | None:
        """Likeness of the worst character; None where nobody was scored."""
        found = [one.p05 for one in self.characters.values() if one.p05 is not None]
        return min(found) if found else None

    @property
    def closest(self) -> float | None:
        """Where nobody was recognised, how near the faces come to the worst character."""
        found = [one.closest for one in self.characters.values() if one.closest is not None]
        return min(found) if found else None

    def to_json(self) -> dict[str, object]:
        """All of it as plain data."""
        return dataclasses.asdict(self)

    @classmethod
    def from_json(cls, content: Mapping[str, object]) -> "TakeFigures":
        """Read what ``to_json`` gave.

        Raises:
            KeyError, TypeError: Something is missing.
        """
        people = content["characters"]
        if not isinstance(people, Mapping):
            raise TypeError("characters")
        counts = {
            key: int(content[key])  # type: ignore[call-overload]
            for key in ("wrong_person", "swap", "clear_faces")
        }
        found = {name: CharacterFigures(**one) for name, one in people.items()}
        return cls(characters=found, **counts)


Limit: TypeAlias = float | Literal["off"]
"""A pass mark, or a gate that does not count."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class TakeLimits:
    """What a take must reach; "off" is a gate that does not count."""

    p05: Mapping[str, Limit]
    """Least likeness, per character; those without photos are not in it."""
    coverage: Limit
    on_na: str
    """`review`, `fail` or `pass`: a face that is demanded and cannot be scored."""
    wrong_person: Limit
    swap: Limit
    drift_slope: Limit
    demanded: frozenset[str] = frozenset()
    """Characters whose face must be seen."""


def take_figures(report: CastReport, present: Sequence[str], num_frames: int) -> TakeFigures:
    """Count what the gates ask for.

    Args:
        report: Of a clip, against the whole cast of the show.
        present: Who should be in the shot.
        num_frames: Of the clip.
    """
    people = {name: _figures(report, name, num_frames, present) for name in present}
    wrong: dict[int, int] = {}
    for _, number, _ in report.wrong_person:
        wrong[number] = _num_scored(report.tracks[number])
    for number, track in enumerate(report.tracks):
        if track.match is not None and track.match not in present:
            wrong[number] = _num_scored(track)
        elif track.match is not None and number not in wrong:
            wrong[number] = _num_nearer_to_others(report, track)
    swapped = 0
    where = {name: report.tracks[number] for name, number, _ in report.wrong_person}
    for one, other in report.swaps:
        swapped += min(_num_scored(where[one]), _num_scored(where[other]))
    # Who is missing, and a clear face of nobody is there instead: that is somebody else's.
    # Of whom nothing is known, nobody can say that: as many faces are taken for theirs.
    found = {track.match for track in report.tracks}
    lost = [name for name in present if name in report.cast and name not in found]
    num_unknown = sum(name not in report.cast for name in present)
    strangers = sorted(
        (-_num_scored(track), number)
        for number, track in enumerate(report.tracks)
        if track.match is None and track.nearest is not None and number not in wrong
    )
    for _, (count, number) in zip(lost, strangers[num_unknown:], strict=False):
        wrong[number] = -count
    return TakeFigures(
        characters=people,
        wrong_person=sum(wrong.values()),
        swap=swapped,
        clear_faces=len({frame for track in report.tracks for frame in _scored_frames(track)}),
    )


def _figures(
    report: CastReport, name: str, num_frames: int, present: Sequence[str]
) -> CharacterFigures:
    column = report.cast.index(name) if name in report.cast else None
    own = [track for track in report.tracks if track.match == name and column is not None]
    best = _best_per_frame(own, column or 0)
    frames, values = np.asarray(sorted(best)), np.asarray([best[key] for key in sorted(best)])
    slope = closest = None
    if len(values) >= _MIN_FRAMES_FOR_SLOPE:
        slope = _rounded(np.polyfit(frames / report.fps, values, 1)[0])
    if not len(values) and column is not None:
        others = [track for track in report.tracks if track.match not in present]
        near = [_best_per_frame([track], column) for track in others]
        closest = max((_p05(list(one.values())) for one in near if one), default=None)
    return CharacterFigures(
        p05=_p05(values) if len(values) else None,
        mean=_rounded(values.mean()) if len(values) else None,
        coverage=round(len(values) / num_frames, _NUM_DIGITS),
        slope_per_s=slope,
        closest=closest,
    )


def _best_per_frame(tracks: Sequence[CastTrack], column: int) -> dict[int, float]:
    best: dict[int, float] = {}
    for track in tracks:
        for row, frame in enumerate(track.frames):
            if track.is_scored[row]:
                value = float(track.similarities_FC[row, column])
                best[frame] = max(best.get(frame, -1.0), value)
    return best


def _p05(values: Sequence[float] | np.ndarray) -> float:
    return _rounded(np.quantile(np.asarray(values), 0.05))


def _num_nearer_to_others(report: CastReport, track: CastTrack) -> int:
    own = report.cast.index(str(track.match))
    rows = track.similarities_FC[track.is_scored]
    return int((rows.argmax(axis=1) != own).sum())


def _scored_frames(track: CastTrack) -> list[int]:
    pairs = zip(track.frames, track.is_scored, strict=True)
    return [frame for frame, scored in pairs if scored]


def _num_scored(track: CastTrack) -> int:
    return int(track.is_scored.sum())


def _rounded(value: float) -> float:
    return round(float(value), _NUM_DIGITS)
