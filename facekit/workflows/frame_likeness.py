"""How like a character single frames are, by the encoder that trained it.

It decides what one chunk may hand on to the next, and reports nothing.
"""

import dataclasses
from collections.abc import Callable

import numpy as np
import torch

from facekit.adapters.character import Character
from facekit.adapters.made_for import check_encoder
from facekit.evaluation.tracks import track_frames
from facekit.faces.protocols import FaceVendor
from facekit.faces.vendors import load_faces
from facekit.types import FloatArray
from facekit.workflows.shot_start import ShotStart

__all__ = ["Likeness", "make_likeness", "start_warnings"]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Likeness:
    """Scores frames against a character, with the encoder that it was made with."""

    encoder: str
    min_same_person: float
    """Below it, it is somebody else."""
    score: Callable[[np.ndarray], FloatArray]
    """Frames (F, H, W, 3) uint8 to float64 (F,), NaN where no face can be scored."""
    locate: Callable[[np.ndarray], FloatArray] | None = None
    """The same frames to landmarks of the largest face, float32 (F, 5, 2), in pixels, NaN where
    there is no face; None where the judge finds no landmarks."""


def _has_gallery(character: Character) -> bool:
    """Whether the file of a character says how its face is told."""
    return character.file.embeddings_PD is not None and bool(character.file.header.encoder)


def make_likeness(
    character: Character, device: torch.device, faces: FaceVendor | None = None
) -> Likeness | None:
    """Load the training encoder and the character's gallery; None where its file has no gallery.

    Args:
        character: Its file holds the gallery and names the encoder.
        device: Where faces are looked at.
        faces: The training encoder, when it is loaded already.

    Raises:
        AdapterMismatch: The encoder has other weights than the one that made the gallery.
        WeightsError: Its weights are missing.
    """
    header, gallery_PD = character.file.header, character.file.embeddings_PD
    if gallery_PD is None or not _has_gallery(character):
        return None
    vendor = (faces or load_faces(header.encoder)).to(device)
    check_encoder(character.source, header, vendor.name, vendor.digest)
    mean_D = gallery_PD.double().mean(dim=0).cpu().numpy()

    def score(frames_FHW3: np.ndarray) -> FloatArray:
        track = track_frames(tuple(frames_FHW3), vendor)
        cosines_F = track.embeddings_FD.astype(np.float64) @ mean_D
        scores: FloatArray = np.where(track.is_scored, cosines_F, np.nan)
        return scores

    def locate(frames_FHW3: np.ndarray) -> FloatArray:
        marks_F52 = np.full((len(frames_FHW3), 5, 2), np.nan, dtype=np.float32)
        for index, faces_here in enumerate(vendor.detect(tuple(frames_FHW3))):
            if faces_here:
                marks_F52[index] = faces_here[0].landmarks_px
        return marks_F52

    return Likeness(
        encoder=vendor.name,
        min_same_person=vendor.min_same_person,
        score=score,
        locate=locate,
    )


def start_warnings(start: ShotStart, character: Character, device: torch.device) -> list[str]:
    """Tell what is known of faces before a shot of several chunks, or from a picture, is drawn.

    Args:
        start: What it begins with.
        character: Who is in it.
        device: Where faces are looked at.

    Raises:
        AdapterMismatch: As for `make_likeness`, like the next.
        WeightsError: Likewise.
    """
    if not _has_gallery(character):
        return [
            f"{character.source}: holds no gallery, so nobody looks at the frames that chunks hand"
            " on; train or enrol the character to have them looked at"
        ]
    if start.picture is None:
        return []
    likeness = make_likeness(character, device)
    assert likeness is not None, "there is a gallery"
    (score,) = likeness.score(start.picture[None])
    if np.isnan(score) or score >= likeness.min_same_person:
        return []
    name = character.name
    return [
        f"{start.source}: the face in it is not that of {name} ({score:.2f} alike, expected at"
        f" least {likeness.min_same_person:.2f}), and every later frame goes on from it; begin"
        f" with a picture of {name}, or with one without a face"
    ]
