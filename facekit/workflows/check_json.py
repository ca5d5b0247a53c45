"""What a check says to programs: every photo with all that was measured, in numbers to be read."""

from collections.abc import Mapping, Sequence

from facekit.curation.coverage import find_places, usual_pitch_deg
from facekit.curation.inspection import Inspection

__all__ = ["photos_to_json", "rounded"]

_PIXELS_AND_DEGREES = ("_px", "_deg")


def photos_to_json(inspection: Inspection) -> list[Mapping[str, object]]:
    """Everything that is known of each photo, in the order of the verdicts.

    Faces are in pixels of the picture as it is used: turned, then cut.
    """
    usable = [v for v in inspection.verdicts if v.usable and v.quality is not None]
    qualities = [v.quality for v in usable if v.quality is not None]
    middle_deg = usual_pitch_deg(qualities)
    shown = dict(zip([v.source for v in usable], find_places(qualities), strict=True))
    ranks = {source: rank for rank, source in enumerate(inspection.views, 1)}
    photos: list[Mapping[str, object]] = []
    for verdict, known in zip(inspection.verdicts, inspection.looked_at, strict=True):
        told = dict(verdict.to_json())
        measured = dict(told["measured"])  # type: ignore[call-overload]
        if verdict.quality is not None:
            measured["nod_deg"] = verdict.quality.pitch_deg - middle_deg
        told |= {
            "measured": measured,
            "size_px": known.candidate.size_px,
            "turned_deg": known.candidate.turned_deg,
            "cut_xyxy_px": known.candidate.cut_xyxy_px,
            "shows": shown.get(verdict.source),
            "view": ranks.get(verdict.source),
        }
        photos.append(told)
    return photos


def rounded(value: object, name: str = "") -> object:
    """Round what the json module can write: pixels and degrees to tenths, the rest to 0.0001.

    Args:
        value: Mappings, sequences, numbers, texts, truths and None.
        name: The key that it stands under; its ending tells pixels and degrees.
    """
    if isinstance(value, float):
        return round(value, 1 if name.endswith(_PIXELS_AND_DEGREES) else 4)
    if isinstance(value, Mapping):
        return {key: rounded(item, str(key)) for key, item in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [rounded(item, name) for item in value]
    return value
