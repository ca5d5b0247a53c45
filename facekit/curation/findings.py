"""What is said about photos: one finding per reason, one verdict per photo."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from facekit.faces.quality import FaceQuality
from facekit.media.traits import PictureTraits
from facekit.types import Face

__all__ = ["Code", "Finding", "Role", "Verdict"]


class Code(StrEnum):
    """Why a photo is refused, or what is noted of it; stable for programs."""

    UNREADABLE = "unreadable"
    VIDEO = "video"
    NO_FACE = "no_face"
    SEVERAL_FACES = "several_faces"
    NOT_ALIGNED = "not_aligned"
    CUT_OFF = "cut_off"
    TOO_SMALL = "too_small"
    BLURRED = "blurred"
    TOO_DARK = "too_dark"
    TOO_BRIGHT = "too_bright"
    TURNED_AWAY = "turned_away"
    TILTED = "tilted"
    OCCLUDED = "occluded"
    BORDERS = "borders"
    FILTERED = "filtered"
    DUPLICATE = "duplicate"
    WRONG_PERSON = "wrong_person"
    TURNED = "turned"
    """Noted: the picture was turned, for its face was not upright."""
    COLOURS = "colours"
    """Noted: colours that could not be taken as they were meant."""
    CHOSEN_FACE = "chosen_face"
    """Noted: one of several people was taken, and the picture cut to it."""
    WRONG_KIND = "wrong_kind"
    """Of the set: drawings for a face model that knows photographs, or the reverse."""


class Role(StrEnum):
    """What becomes of a photo."""

    TRAIN = "train"
    HELD_OUT = "held out"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One reason, with its number and its threshold."""

    code: Code
    sentence: str
    """What is wrong and what to do, without the file's name."""
    value: float | None = None
    """What was measured; None where nothing can be."""
    limit: float | None = None
    """What would have been enough."""

    def to_json(self) -> Mapping[str, object]:
        """The four fields."""
        return {
            "code": self.code.value,
            "sentence": self.sentence,
            "value": self.value,
            "limit": self.limit,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """Everything that is said about one photo."""

    source: str
    """What it is called: the path as it was given, ``photos.zip/a/b.jpg`` in an archive,
    ``clip.mp4@00:01.240`` for a frame of a clip."""
    role: Role
    findings: tuple[Finding, ...] = ()
    """Empty unless the photo is refused."""
    notes: tuple[Finding, ...] = ()
    """What was done to the picture, or could not be, without refusing it."""
    allowed: tuple[Finding, ...] = ()
    """What would have refused the photo, and was overruled."""
    clip: str | None = None
    """The clip that it is a frame of."""
    quality: FaceQuality | None = None
    """None where no single face was measured."""
    traits: PictureTraits | None = None
    """None where the picture could not be read."""
    face: Face | None = field(default=None, compare=False)
    """The one that was measured, in pixels of the picture as it is used; None without one."""
    people: tuple[Face, ...] = field(default=(), compare=False)
    """Where there are several: each of them."""
    similarity: float | None = None
    """To the mean of the other photos of the set; None where it was not compared."""

    @property
    def usable(self) -> bool:
        """Whether the photo is taken, to train on or to be held out."""
        return self.role is not Role.REFUSED

    @property
    def reasons(self) -> str:
        """All findings as one line; empty for a usable photo."""
        return "; ".join(finding.sentence for finding in self.findings)

    @property
    def overruled(self) -> str:
        """All findings that were overruled as one line; empty for most photos."""
        return "; ".join(finding.sentence for finding in self.allowed)

    @property
    def remarks(self) -> str:
        """All notes as one line; empty for most photos."""
        return "; ".join(note.sentence for note in self.notes)

    def to_json(self) -> Mapping[str, object]:
        """The verdict with its measurements."""
        quality = self.quality
        measured = {} if self.traits is None else dict(self.traits.to_json())
        if quality is not None:
            measured |= {
                "face_px": round(quality.face_px, 1),
                "face_fraction": round(quality.face_fraction, 3),
                "visible": round(quality.visible, 3),
                "sharpness": round(quality.sharpness, 3),
                "brightness": round(quality.brightness, 3),
                "contrast": round(quality.contrast, 3),
                "yaw_deg": round(quality.yaw_deg, 1),
                "pitch_deg": round(quality.pitch_deg, 1),
                "roll_deg": round(quality.roll_deg, 1),
                "burnt": round(quality.burnt, 3),
                "black": round(quality.black, 3),
                "mouth": round(quality.mouth, 3),
                "score": round(quality.score, 3),
                "weight": round(quality.weight, 3),
            }
        return {
            "source": self.source,
            "role": self.role.value,
            "usable": self.usable,
            "clip": self.clip,
            "findings": [finding.to_json() for finding in self.findings],
            "allowed": [finding.to_json() for finding in self.allowed],
            "notes": [note.to_json() for note in self.notes],
            "similarity": None if self.similarity is None else round(self.similarity, 4),
            "face": None if self.face is None else self.face.to_json(),
            "people": [face.to_json() for face in self.people],
            "measured": measured,
        }
