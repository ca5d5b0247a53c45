"""Shots on a timeline, without any file."""

from pathlib import Path

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
