"""``dataset.json``: what is known of a checked set of photos, as closed, versioned data."""

from typing import Any, Literal

import numpy as np

from facekit.curation.findings import Finding, Role
from facekit.faces.protocols import FaceParser
from facekit.faces.quality import FaceQuality
from facekit.media.traits import PictureTraits
from facekit.recipe import CaptionsSection, PhotosSection
from facekit.recipe.values import Section
from facekit.types import Face

__all__ = [
    "SCHEMA",
    "AdviceRecord",
    "CaptionRecord",
    "DatasetManifest",
    "EncoderRecord",
    "FaceRecord",
    "ParserRecord",
    "PhotoEntry",
    "manifest_schema",
    "record_parser",
]

SCHEMA = "facekit.dataset/1"


class EncoderRecord(Section):
    """The detector and encoder that looked at the photos."""

    asked: str
    """As the recipe called it."""
    name: str
    """As it calls itself."""
    digest: str
    """Sha256 of the encoder's weights."""
    licence: str
    """Of these weights."""


class ParserRecord(Section):
    """What drew the face masks."""

    name: str
    """``bisenet``, or ``ellipse`` for the geometric estimate."""
    digest: str
    """Sha256 of its weights; empty where there are none."""
    licence: str
    """Of these weights, or of the code where there are none."""
    shortfall: str
    """What it cannot do and why; empty for a real parser."""


class FaceRecord(Section):
    """Where the face is, in pixels of the picture as it is used."""

    box_xyxy_px: tuple[float, float, float, float]
    """Left, top, right, bottom; may leave the picture."""
    landmarks_px: tuple[
        tuple[float, float],
        tuple[float, float],
        tuple[float, float],
        tuple[float, float],
        tuple[float, float],
    ]
    """Left eye, right eye, nose tip, left and right mouth corner, as seen in the picture."""
    score: float
    """How sure the detector is, 0..1."""

    def read(self) -> Face:
        """The face as everything else takes it."""
        return Face(
            box_xyxy_px=np.array(self.box_xyxy_px, np.float32),
            landmarks_px=np.array(self.landmarks_px, np.float32),
            score=self.score,
        )


class CaptionRecord(Section):
    """What training says of a photo."""

    origin: Literal["template", "sidecar", "model"]
    """Shot size and trigger alone, the text beside the photo, or a captioning model."""
    named: str
    """The text's file, or the model; empty for the template."""
    own: str | None
    """The words as they were written; none for the template."""
    text: str
    """The caption of the whole picture, linted; ``{trigger}`` stands for the character."""
    face_words: tuple[str, ...]
    """Words about the face, whose clauses were left out."""


class PhotoEntry(Section):
    """One photo."""

    name: str
    """Its way from `DatasetManifest.folder`; ``photos.zip/a.jpg`` in an archive,
    ``clip.mp4@00:01.240`` for a frame of a clip."""
    role: Role
    """Trained on, held out, or refused."""
    clip: str | None
    """The clip that it is a frame of."""
    findings: tuple[Finding, ...]
    """Why it is refused, each with number and threshold."""
    notes: tuple[Finding, ...]
    """What was done to it without refusing it."""
    allowed: tuple[Finding, ...]
    """What would have refused it, and was overruled."""
    similarity: float | None
    """To the mean of the other photos."""
    measured: FaceQuality | None
    """None where no single face was measured."""
    picture: PictureTraits | None
    """Of the whole picture; None where it could not be read."""
    sha256: str | None
    """Of the file; None, as all that follows, where no picture could be read."""
    pixels_sha256: str | None
    """Of the pixels as they are used: upright, sRGB, turned, cut."""
    size_px: tuple[int, int] | None
    """Height and width as it is used."""
    turned_deg: int
    """How far it was turned clockwise."""
    cut_xyxy_px: tuple[int, int, int, int] | None
    """The part of the turned picture that is used, which shows one of several people; None for all
    of it."""
    face: FaceRecord | None
    """None where there is not exactly one; then there is neither crop nor mask."""
    people: tuple[FaceRecord, ...]
    """Where there are several: each of them. Where one was taken, that one first; the others were
    cut away and lie outside of the picture."""
    crop: str | None
    """The face as the encoder takes it; a PNG in the dataset."""
    mask: str | None
    """A PNG of the picture's size: red is the face without its hair, green skin, blue hair, 0 to
    255."""
    thumbnail: str | None
    """A small WebP of the picture, before it was cut."""
    whole_size_px: tuple[int, int] | None
    """Height and width before it was cut."""
    caption: CaptionRecord | None
    """None where it is refused."""


class AdviceRecord(Section):
    """One thing that the photos lack as a set."""

    code: str
    """Stable for programs."""
    sentence: str
    """What to add."""
    value: float
    """What the set has."""
    limit: float
    """What would be good."""
    missing: dict[str, tuple[str, ...]]
    """Empty places of the coverage that should be filled, by the name of their axis."""


class DatasetManifest(Section):
    """A checked set of photos."""

    schema_name: Literal["facekit.dataset/1"] = "facekit.dataset/1"
    """Raised when the format changes."""
    made_by: str
    """The version of facekit."""
    folder: str
    """The folder, in full, that names of photos start from."""
    accepted: bool
    """Whether enough photos are usable, and nothing refuses the set."""
    findings: tuple[Finding, ...]
    """What refuses the set as a whole."""
    allow: tuple[str, ...]
    """Codes of reasons that were to be overruled."""
    allowed: tuple[Finding, ...]
    """What would have refused the set, and was overruled."""
    encoder: EncoderRecord
    """Other weights need another check."""
    parser: ParserRecord
    """What drew the masks."""
    rules: PhotosSection
    """The thresholds that decided."""
    captions: CaptionsSection
    """How captions were made."""
    min_same_person: float
    """The similarity below which it is somebody else."""
    embeddings: str
    """A safetensors file in the dataset: unit vectors by `PhotoEntry.pixels_sha256`."""
    photos: tuple[PhotoEntry, ...]
    """In the order in which they were looked at."""
    views: tuple[str, ...]
    """Names of the photos to train on that show most between them, the best first; at most
    ``identity.max_photos`` of the recipe."""
    advice: tuple[AdviceRecord, ...]
    """What would make the set better."""


def record_parser(parser: FaceParser) -> ParserRecord:
    """Write down who draws masks."""
    return ParserRecord(
        name=parser.name,
        digest=parser.digest,
        licence=parser.licence,
        shortfall=parser.shortfall,
    )


def manifest_schema() -> dict[str, Any]:
    """Return the JSON Schema of ``dataset.json``."""
    return DatasetManifest.model_json_schema(mode="serialization")
