"""How like a character single frames are, by the encoder that trained it.

It decides what one chunk may hand on to the next, and reports nothing.
"""

import dataclasses
from collections.abc import Callable, Sequence

import numpy as np
import torch

from facekit.adapters.character import Character
from facekit.adapters.made_for import check_encoder
from facekit.evaluation.cast_tracks import track_cast
from facekit.evaluation.tracks import track_frames
from facekit.faces.protocols import FaceVendor
from facekit.faces.vendors import load_faces
from facekit.types import Clip, FloatArray
from facekit.workflows.shot_start import ShotStart

__all__ = ["Likeness", "make_cast_likeness", "make_likeness", "start_warnings"]


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


def make_cast_likeness(
    characters: Sequence[Character],
    needed: Sequence[bool],
    device: torch.device,
    faces: FaceVendor | None = None,
) -> Likeness | None:
    """Score frames by the worst of several characters, as `make_likeness` does by one.

    A frame cannot be scored where the face of somebody who is needed cannot be; those who are not
    needed count where they are seen. Of the faces of a frame each character has the likest.

    Args:
        characters: In one picture; those without a gallery are not looked for. None is left where
            nobody has one.
        needed: Whose face must be seen, one per character.
        device: Where faces are looked at.
        faces: Their training encoder, when it is loaded already.

    Raises:
        AdapterMismatch: An encoder has other weights than the one that made a gallery.
        WeightsError: Weights are missing.
    """
    looked_for = [
        (one, must) for one, must in zip(characters, needed, strict=True) if _has_gallery(one)
    ]
    encoders = list(dict.fromkeys(one.file.header.encoder for one, _ in looked_for))
    if not encoders:
        return None
    parts = []
    for name in encoders:
        vendor = faces if faces is not None and faces.name == name else load_faces(name)
        vendor = vendor.to(device)
        own = [(one, must) for one, must in looked_for if one.file.header.encoder == name]
        for one, _ in own:
            check_encoder(one.source, one.file.header, vendor.name, vendor.digest)
        parts.append((vendor, own))

    def score(frames_FHW3: np.ndarray) -> FloatArray:
        worst_F = np.min([_worst(frames_FHW3, vendor, own) for vendor, own in parts], axis=0)
        return np.asarray(np.where(np.isinf(worst_F), np.nan, worst_F))

    return Likeness(
        encoder=", ".join(encoders),
        min_same_person=max(vendor.min_same_person for vendor, _ in parts),
        score=score,
    )


def _worst(
    frames_FHW3: np.ndarray, vendor: FaceVendor, own: Sequence[tuple[Character, bool]]
) -> FloatArray:
    """The likeness of the worst character of one encoder in every frame, float64 (F,).

    NaN where somebody who is needed cannot be scored; infinite where nobody is needed or seen.
    """
    galleries = [one.file.embeddings_PD for one, _ in own]
    photos = [each.double().cpu().numpy() for each in galleries if each is not None]
    # To the mean of the photos as it is, like a character alone, and not to its direction.
    lengths_C = np.array([np.linalg.norm(each.mean(axis=0)) for each in photos])
    cast = {str(place): each.astype(np.float32) for place, each in enumerate(photos)}
    tracks = track_cast(Clip(frames=frames_FHW3, fps=1.0), cast, vendor)
    scores_FC = np.full((len(frames_FHW3), len(own)), np.nan)
    for frame in range(len(frames_FHW3)):
        seen = [
            track.similarities_FC[frame - track.frames[0]]
            for track in tracks
            if track.frames[0] <= frame <= track.frames[-1]
        ]
        pairs = [
            (float(value), face, who)
            for face, row in enumerate(seen)
            for who, value in enumerate(row * lengths_C)
            if np.isfinite(value)
        ]
        taken: set[int] = set()
        for value, face, who in sorted(pairs, reverse=True):
            if face not in taken and np.isnan(scores_FC[frame, who]):
                scores_FC[frame, who] = value
                taken.add(face)
    must_C = np.array([must for _, must in own])
    lacks_F = np.isnan(scores_FC[:, must_C]).any(axis=1)
    least_F = np.where(np.isnan(scores_FC), np.inf, scores_FC).min(axis=1)
    return np.asarray(np.where(lacks_F, np.nan, least_F))


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
