"""Which face of a picture is meant, where there is one, none, or several."""

from collections.abc import Sequence

from facekit.curation.findings import Code, Finding
from facekit.types import Face

__all__ = ["OTHER_FACE_FRACTION", "only_face", "people_in"]

OTHER_FACE_FRACTION = 0.3
"""A face in the background is a second person from this share of the first one's height on."""


def only_face(found: Sequence[Face], min_score: float) -> tuple[Face, None] | tuple[None, Finding]:
    """Give the one face of a picture, or say why there is not exactly one."""
    sure = [face for face in found if face.score >= min_score]
    if not sure:
        best = max((face.score for face in found), default=None)
        how = "found" if best is None else f"above score {min_score:.2f} (best {best:.2f})"
        return None, Finding(
            code=Code.NO_FACE,
            value=best,
            limit=None if best is None else min_score,
            sentence=f"no face {how};"
            " use a photo that shows the face from the front and in good light",
        )
    people = people_in(found, min_score)
    if len(people) > 1:
        return None, Finding(
            code=Code.SEVERAL_FACES,
            value=float(len(people)),
            limit=1.0,
            sentence=f"{len(people)} people, expected 1; crop the picture to one person",
        )
    return max(people, key=lambda face: face.width_px * face.height_px), None


def people_in(found: Sequence[Face], min_score: float) -> list[Face]:
    """The faces that count, in the order given."""
    sure = [face for face in found if face.score >= min_score]
    first = max(sure, key=lambda face: face.width_px * face.height_px, default=None)
    if first is None:
        return []
    return [face for face in sure if face.height_px >= OTHER_FACE_FRACTION * first.height_px]
