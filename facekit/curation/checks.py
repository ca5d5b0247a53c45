"""The checks: what one photo must show, and how the photos must go together."""

from collections.abc import Sequence

import numpy as np

from facekit.curation.findings import Code, Finding
from facekit.faces.protocols import IdentityEncoder
from facekit.faces.quality import FaceQuality
from facekit.identity.similarity import leave_one_out, similarity_matrix
from facekit.media.traits import DRAWN_FLATNESS, PictureTraits
from facekit.recipe import PhotosSection
from facekit.types import FloatArray

__all__ = [
    "check_kind",
    "check_picture",
    "check_pitch",
    "check_quality",
    "compare_people",
    "covered_limit",
    "group_people",
    "same_person_limit",
]


def check_quality(quality: FaceQuality, rules: PhotosSection) -> tuple[Finding, ...]:
    """List everything that one measured face falls short of."""
    found = []
    if quality.visible < rules.min_visible:
        found.append(
            Finding(
                code=Code.CUT_OFF,
                value=quality.visible,
                limit=rules.min_visible,
                sentence=f"the face is cut off by the picture's border: {quality.visible:.0%} of it"
                f" is visible, at least {rules.min_visible:.0%} is needed; use a photo that shows"
                " the whole face",
            )
        )
    if quality.face_px < rules.min_face_px:
        found.append(
            Finding(
                code=Code.TOO_SMALL,
                value=quality.face_px,
                limit=float(rules.min_face_px),
                sentence=f"the face is only {int(quality.face_px)} px wide, at least"
                f" {rules.min_face_px} are needed; use the original file or a closer photo",
            )
        )
    if quality.sharpness < rules.min_sharpness:
        found.append(
            Finding(
                code=Code.BLURRED,
                value=quality.sharpness,
                limit=rules.min_sharpness,
                sentence=f"the face is blurred: sharpness {quality.sharpness:.2f}, at least"
                f" {rules.min_sharpness:.2f} is needed; use a photo in focus",
            )
        )
    if quality.brightness >= rules.min_exposure and quality.black > rules.max_black:
        found.append(
            Finding(
                code=Code.TOO_DARK,
                value=quality.black,
                limit=rules.max_black,
                sentence=f"the face is lost in the dark: {quality.black:.0%} of it is black, at"
                f" most {rules.max_black:.0%} will do; use a photo with more light on the face",
            )
        )
    if quality.brightness <= rules.max_exposure and quality.burnt > rules.max_burnt:
        found.append(
            Finding(
                code=Code.TOO_BRIGHT,
                value=quality.burnt,
                limit=rules.max_burnt,
                sentence=f"the face is burnt out: {quality.burnt:.0%} of it is white, at most"
                f" {rules.max_burnt:.0%} will do; use a photo with less light on the face",
            )
        )
    if quality.brightness < rules.min_exposure:
        found.append(
            Finding(
                code=Code.TOO_DARK,
                value=quality.brightness,
                limit=rules.min_exposure,
                sentence=f"the face is dark: brightness {quality.brightness:.2f}, at least"
                f" {rules.min_exposure:.2f} is needed; use a photo with more light on the face",
            )
        )
    if quality.brightness > rules.max_exposure:
        found.append(
            Finding(
                code=Code.TOO_BRIGHT,
                value=quality.brightness,
                limit=rules.max_exposure,
                sentence=f"the face is burnt out: brightness {quality.brightness:.2f}, at most"
                f" {rules.max_exposure:.2f} will do; use a photo with less light on the face",
            )
        )
    if abs(quality.yaw_deg) > rules.max_yaw_deg:
        found.append(
            Finding(
                code=Code.TURNED_AWAY,
                value=abs(quality.yaw_deg),
                limit=rules.max_yaw_deg,
                sentence=f"the head is turned by {abs(quality.yaw_deg):.0f} degrees, at most"
                f" {rules.max_yaw_deg:.0f} will do; use a photo that shows both eyes",
            )
        )
    return tuple(found)


def check_picture(traits: PictureTraits, rules: PhotosSection) -> tuple[Finding, ...]:
    """List everything that a picture as a whole falls short of."""
    found = []
    if traits.border > rules.max_border:
        found.append(
            Finding(
                code=Code.BORDERS,
                value=traits.border,
                limit=rules.max_border,
                sentence=f"{traits.border:.0%} of the picture is bars of one colour, at most"
                f" {rules.max_border:.0%} will do; cut them off, or use the original file in place"
                " of a screenshot",
            )
        )
    if traits.posterised > rules.max_posterised:
        found.append(
            Finding(
                code=Code.FILTERED,
                value=traits.posterised,
                limit=rules.max_posterised,
                sentence=f"a heavy filter left few colours: {traits.posterised:.0%} of the picture"
                f" has six values of each channel, at most {rules.max_posterised:.0%} will do; use"
                " the photo without the filter",
            )
        )
    return tuple(found)


def check_kind(traits: Sequence[PictureTraits], encoder: IdentityEncoder) -> Finding | None:
    """Find out that a face model is given drawings and knows photographs, or the reverse.

    The set decides as a whole: one blurred photograph is as flat as a drawing.

    Args:
        traits: Of all pictures that could be read.
        encoder: Who compares the faces.

    Returns:
        What refuses the set; None where it fits, and where it is not known what was wanted.
    """
    wanted = encoder.made_for
    if wanted is None or not traits:
        return None
    flatness = float(np.median([one.flatness for one in traits]))
    are = "drawing" if flatness >= DRAWN_FLATNESS else "photograph"
    if are == wanted:
        return None
    other = "toon-a" if are == "drawing" else "opencv"
    return Finding(
        code=Code.WRONG_KIND,
        value=flatness,
        limit=DRAWN_FLATNESS,
        sentence=f"these are {are}s and {encoder.name} knows {wanted}s: {flatness:.0%} of what"
        f" lies around edges is flat, and from {DRAWN_FLATNESS:.0%} on it is drawn; use --set"
        f" encoder.train={other}, or --allow {Code.WRONG_KIND.value} if that is wrong",
    )


def check_pitch(pitches_deg: Sequence[float], rules: PhotosSection) -> tuple[Finding | None, ...]:
    """Find the heads that look up or down further than most of the same person.

    How long a face is looks like a nod, so a photo is compared with the middle one of the set.

    Returns:
        One finding or None for each; none where there are fewer than three.
    """
    if len(pitches_deg) < 3:
        return (None,) * len(pitches_deg)
    middle = float(np.median(pitches_deg))
    return tuple(
        _tilted(pitch - middle, rules.max_pitch_deg)
        if abs(pitch - middle) > rules.max_pitch_deg
        else None
        for pitch in pitches_deg
    )


def _tilted(by_deg: float, limit: float) -> Finding:
    where = "down" if by_deg > 0 else "up"
    return Finding(
        code=Code.TILTED,
        value=abs(by_deg),
        limit=limit,
        sentence=f"the head looks {where} by {abs(by_deg):.0f} degrees more than in most photos, at"
        f" most {limit:.0f} will do; use a photo from the height of the eyes",
    )


def same_person_limit(rules: PhotosSection, encoder: IdentityEncoder) -> float:
    """The similarity below which it is somebody else: the recipe's, or else the encoder's own."""
    limit = rules.min_same_person
    return encoder.min_same_person if limit is None else limit


def covered_limit(rules: PhotosSection, encoder: IdentityEncoder) -> float:
    """How much covering a region may help: the recipe's, or else the encoder's own."""
    limit = rules.max_covered_gain
    return encoder.max_covered_gain if limit is None else limit


def compare_people(
    vectors: FloatArray, min_similarity: float
) -> tuple[FloatArray, tuple[Finding | None, ...]]:
    """Find the photos that show somebody else than most.

    The core is the photo most like all others with its neighbours; every photo is then compared
    with the mean of the core without itself, so that a second person cannot pull the mean over.

    Args:
        vectors: Unit vectors, shape (N, dim).
        min_similarity: Below it, it is somebody else.

    Returns:
        The similarity of each photo to the mean of the others, shape (N,), and one finding or
        None for each.
    """
    count = len(vectors)
    if count < 2:
        return np.ones(count, np.float32), (None,) * count
    between = similarity_matrix(vectors)
    middle = int(np.argmax(np.median(between, axis=1)))
    core = between[middle] >= min_similarity
    if core.sum() < 2:
        core = np.ones(count, dtype=bool)
    similarity = np.empty(count, np.float32)
    similarity[core] = leave_one_out(vectors[core])
    if not core.all():
        mean = vectors[core].sum(axis=0, keepdims=True)
        similarity[~core] = similarity_matrix(vectors[~core], mean)[:, 0]
    findings = tuple(
        None if value >= min_similarity else _somebody_else(float(value), min_similarity)
        for value in similarity
    )
    return similarity, findings


def group_people(vectors: FloatArray, min_similarity: float) -> tuple[tuple[int, ...], ...]:
    """Put photos of one person together: again and again the photo with most others like it.

    Args:
        vectors: Unit vectors, shape (N, dim).
        min_similarity: From it on, two photos show one person.

    Returns:
        The places of each person's photos, the largest group first.
    """
    alike = similarity_matrix(vectors) >= min_similarity if len(vectors) else np.zeros((0, 0), bool)
    left = np.ones(len(vectors), dtype=bool)
    groups = []
    while left.any():
        middle = int(np.argmax((alike & left).sum(axis=1) * left))
        group = alike[middle] & left
        group[middle] = True
        groups.append(tuple(int(place) for place in np.flatnonzero(group)))
        left &= ~group
    return tuple(groups)


def _somebody_else(value: float, limit: float) -> Finding:
    return Finding(
        code=Code.WRONG_PERSON,
        value=value,
        limit=limit,
        sentence=f"shows somebody else: similarity {value:.2f} to the other photos, at least"
        f" {limit:.2f} is expected; leave it out or use photos of one person",
    )
