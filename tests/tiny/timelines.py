"""Shots on a timeline, and timelines read back as an editor would."""

from fractions import Fraction
from pathlib import Path
from typing import Any

from facekit.generation.timeline import TimelineMarker, TimelineShot

GATE = TimelineMarker(frame=1005, name="drift", text="slope -0.05", kind="gate")


def shot(**changes: object) -> TimelineShot:
    """24 frames with 8 frames of handle on each side."""
    content: dict[str, object] = {
        "name": "SEQ010_SH0010_with_a_long_name",
        "media": Path("/show/renders/SEQ010_SH0010_v001.mov"),
        "available": (993, 40),
        "source": (1001, 24),
    }
    return TimelineShot(**{**content, **changes})  # type: ignore[arg-type]


def cut(dissolve: int = 0) -> list[TimelineShot]:
    """Two shots, the first with a gate that failed."""
    other = Path("/show/renders/SEQ010_SH0020_v001.mov")
    return [
        shot(markers=(GATE,)),
        shot(name="SEQ010_SH0020", media=other, dissolve=dissolve),
    ]


def read_timeline(path: Path, rate: Fraction) -> Any:
    """The `opentimelineio.schema.Timeline` of a file; an EDL does not say its rate."""
    import opentimelineio as otio

    options = {"rate": float(rate)} if path.suffix == ".edl" else {}
    found = otio.adapters.read_from_file(str(path), **options)
    if isinstance(found, otio.schema.Timeline):
        return found
    return next(item for item in found if isinstance(item, otio.schema.Timeline))
