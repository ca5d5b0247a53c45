"""Pictures that lie on their side or stand on their head: found out by looking again, turned."""

from collections.abc import Sequence

from facekit.errors import AlignmentError
from facekit.faces.protocols import FaceDetector
from facekit.faces.quality import head_pose_deg
from facekit.media.unpack import turn
from facekit.types import Face, Image

__all__ = ["CLEARLY_BETTER", "LEAST_TURNED_SCORE", "SURE_SCORE", "look_again"]

SURE_SCORE = 0.8
"""A face found with this score is upright; below it, the picture is looked at again, turned."""

LEAST_TURNED_SCORE = 0.7
"""A picture without a face is turned only for one that is found with this score."""

CLEARLY_BETTER = 0.15
"""A picture with an unsure face is turned only for one found with a score higher by this."""

_LYING_DEG = 60.0


def look_again(
    image: Image, found: Sequence[Face], faces: FaceDetector, min_score: float
) -> tuple[int, tuple[Face, ...]]:
    """Tell how a picture must be turned for its faces to be upright.

    Detectors differ: some find no face in a picture that lies on its side, some an unsure one that
    is not there, some the face with its eyes one above the other.

    Args:
        image: RGB, as it was read.
        found: The faces in it, in any order.
        faces: Who found them.
        min_score: Below it, a face does not count.

    Returns:
        Degrees clockwise, 0, 90, 180 or 270, and the faces of the turned picture.
    """
    best = max(found, key=lambda face: face.score, default=None)
    if best is not None and best.score >= min_score and (lying := _turn_of(best)):
        upright = faces.detect([turn(image, lying)])[0]
        if any(face.score >= min_score for face in upright):
            return lying, upright
    score = 0.0 if best is None else best.score
    if score >= SURE_SCORE:
        return 0, tuple(found)
    turns = (90, 180, 270)
    others = faces.detect([turn(image, degrees) for degrees in turns])
    scores = [max((face.score for face in other), default=0.0) for other in others]
    winner = scores.index(max(scores))
    wanted = score + CLEARLY_BETTER if score >= min_score else LEAST_TURNED_SCORE
    if scores[winner] < max(wanted, min_score):
        return 0, tuple(found)
    return turns[winner], others[winner]


def _turn_of(face: Face) -> int:
    """Degrees clockwise that bring a lying head upright; 0 where it is upright enough."""
    try:
        _, roll_deg = head_pose_deg(face.landmarks_px)
    except AlignmentError:
        return 0
    return 0 if abs(roll_deg) < _LYING_DEG else round(-roll_deg / 90.0) % 4 * 90
