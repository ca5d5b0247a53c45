"""What the report of a rendered sequence holds, as plain values and encoded pictures.

Shapes: F frames, S shots.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from facekit.evaluation.film_plots import FilmCurve
from facekit.evaluation.metrics import CrossShot, mean_or_none
from facekit.evaluation.sequence_pictures import Picture, ShotPictures
from facekit.evaluation.take_gates import GateCheck

__all__ = [
    "FaceCurve",
    "SequenceCharacter",
    "SequenceContent",
    "SequenceCost",
    "SequenceShot",
    "SequenceTake",
    "ShotFrames",
]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class FaceCurve:
    """One character over the frames of one take."""

    character: str
    similarities_F: np.ndarray
    """Of the delivered frames as they were drawn, as cosines; NaN where no face is scored."""
    statuses_F: Sequence[str]
    """Per frame `scored`, `no face`, or why the face there is not scorable."""
    least: float | None
    """What the gate asks for."""

    @property
    def mean(self) -> float | None:
        """Likeness of the take; None where no frame is scored."""
        return mean_or_none(self.similarities_F)

    def chunk_means(self, seams: Sequence[int]) -> list[float | None]:
        """Likeness of each chunk; None where none of its frames is scored.

        Args:
            seams: Frames at which chunks begin, but the first.
        """
        if not seams:
            return [self.mean]
        return [mean_or_none(part) for part in np.split(self.similarities_F, list(seams))]


@dataclass(frozen=True, slots=True, kw_only=True)
class ShotFrames:
    """The frames of a shot, from what was asked for to what is delivered."""

    requested: str
    chunks: Sequence[int]
    """Legal frame counts that the backbone drew."""
    drawn: int
    """Different frames of them."""
    delivered: int
    """Frames of the file, handles among them."""
    head: int
    tail: int
    fps: float
    """Of the delivery."""
    first_number: int
    """What the first delivered frame is called."""
    cut: tuple[int, int]
    """First and last drawn frame of the cut, counted within the delivered ones."""
    seams: Sequence[int] = ()
    """Drawn frames at which a chunk begins, counted in the same way."""
    seam_numbers: Sequence[int] = ()
    """What those frames are called in the file."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SequenceTake:
    """One take of a shot."""

    name: str
    seed: int
    verdict: str
    likeness: float | None
    reasons: Sequence[str]
    draw_s: float
    is_drawn: bool
    """False where it cannot be drawn with this seed."""
    is_chosen: bool
    is_retake: bool
    """Whether it was made because those before it failed, or because somebody asked."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SequenceShot:
    """One shot of the cut."""

    name: str
    sequence: str
    label: str
    """What it is called within its sequence, in little room."""
    aspect: str
    verdict: str
    """`pass`, `review`, `fail`, `drawn`, `waiting` or `to do`."""
    reason: str
    prompt: str
    likeness: float | None
    """Of the worst character; None where nobody was scored."""
    begins_s: float
    """In the film of its aspect."""
    seconds: float
    frames: ShotFrames
    takes: Sequence[SequenceTake]
    gates: Sequence[GateCheck]
    curves: Sequence[FaceCurve]
    pictures: ShotPictures
    ratio: float
    """Width by height of its pictures."""
    goes_on_from: Sequence[str] = ()
    links: Mapping[str, str] = field(default_factory=dict)
    """File name -> way from the page to it."""

    @property
    def chosen(self) -> SequenceTake | None:
        """The take that is delivered."""
        return next((take for take in self.takes if take.is_chosen), None)

    @property
    def draw_s(self) -> float:
        """Time that drawing all its takes took."""
        return sum(take.draw_s for take in self.takes)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SequenceCharacter:
    """One of the cast over all shots."""

    name: str
    shots: Sequence[str]
    """Names of those that are drawn and that it should be in."""
    groups: Sequence[str]
    """The sequence of each."""
    likeness: Sequence[float | None]
    """Mean likeness in each."""
    cross_shot: CrossShot
    pairs: Sequence[tuple[int, int]] = ()
    """The least alike pairs of shots, the worst first."""
    faces: tuple[Picture, Picture] | None = None
    """Its face in the two shots of the worst pair."""
    films: Sequence[FilmCurve] = ()
    """Likeness over the film of each aspect."""
    ceiling: float | None = None
    """The photos' own likeness; None where it is not on record."""
    num_photos: int = 0
    """Photos that judge."""
    least: float | None = None
    """What `auto` gates ask for."""
    digest: str = ""
    """Of its file."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SequenceCost:
    """What it took, in seconds."""

    delivered_s: float
    """Drawing of takes that are delivered."""
    wasted_s: float
    """Drawing of all others."""
    retakes: int
    asked_s: float
    """Drawing of the takes that the board asks for in any case."""
    asked_takes: int
    """How many of them are made."""
    estimate_s: float | None = None
    """Of the takes that the board asks for, told before the last run."""
    estimate_takes: int = 0
    worst_s: float | None = None
    """The same where every shot needs all of its takes."""
    basis: str = ""
    made: int = 0
    """Takes of the last run."""
    took_s: float | None = None
    """Of the last run, from beginning to end."""
    run_draw_s: float | None = None
    """Of the last run, in the sampler."""

    @property
    def draw_s(self) -> float:
        """Drawing of all takes."""
        return self.delivered_s + self.wasted_s

    @property
    def outside_share(self) -> float | None:
        """Part of the last run that was not drawing; None where nothing was drawn."""
        if not self.took_s or not self.run_draw_s:
            return None
        return max(0.0, 1.0 - self.run_draw_s / self.took_s)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SequenceContent:
    """Everything on the page."""

    title: str
    project: str
    sequences: Mapping[str, str]
    """Sequence -> its title, in order of the cut."""
    shots: Sequence[SequenceShot]
    characters: Sequence[SequenceCharacter]
    cost: SequenceCost
    floor: float | None
    """Likeness below which a face is nobody of the cast; None where nobody was measured."""
    is_calibrated: bool
    encoder: str
    """That judges; empty where nobody does."""
    settings: Mapping[str, str]
    links: Mapping[str, str] = field(default_factory=dict)
    """Timelines and tables: name -> way from the page to it."""
    notes: Sequence[str] = ()

    def named(self, name: str) -> SequenceShot:
        """The shot of that name."""
        return next(shot for shot in self.shots if shot.name == name)
