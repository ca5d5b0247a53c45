"""Timelines as files of editors: OTIO, CMX 3600 EDL, Final Cut Pro 7 XML and Final Cut Pro X XML.

OpenTimelineIO and its adapters write and read them. What an adapter gets wrong is put right in a
copy before it is written: an EDL begins at its timecode and its reels differ in eight letters;
markers of Final Cut Pro 7 count from the first frame of the file.
"""

import re
from collections.abc import Sequence
from copy import deepcopy
from fractions import Fraction
from pathlib import Path
from typing import Any, Literal, TypeAlias

from facekit.errors import UsageError
from facekit.media.files import write_text

__all__ = [
    "TIMELINE_SUFFIXES",
    "TimelineFormat",
    "lost_in",
    "timeline_text",
    "write_timeline",
]

TimelineFormat: TypeAlias = Literal["otio", "edl", "xml", "fcpxml"]

TIMELINE_SUFFIXES: dict[TimelineFormat, str] = {
    "otio": ".otio",
    "edl": ".edl",
    "xml": ".xml",
    "fcpxml": ".fcpxml",
}

_ADAPTERS = {"otio": "otio_json", "edl": "cmx_3600", "xml": "fcp_xml", "fcpxml": "fcpx_xml"}
_BROADCAST = frozenset(
    {
        *(Fraction(whole) for whole in (24, 25, 30, 48, 50, 60)),
        *(Fraction(whole * 1000, 1001) for whole in (24, 30, 48, 60)),
    }
)
"""Rates that have a timecode."""
_WHOLE = frozenset(Fraction(whole) for whole in (24, 25, 30, 50, 60))
"""Rates that the adapter of Final Cut Pro X knows."""

_REEL_LETTERS = 8


def write_timeline(timeline: Any, path: Path, kind: TimelineFormat) -> Path:
    """Write a timeline whole or not at all.

    Args:
        timeline: From `build_timeline`; it stays as it is.
        path: Where to.
        kind: The format.

    Raises:
        UsageError: A frame rate that the format cannot say.
        OutputError: No permission, no space.
    """
    write_text(path, timeline_text(timeline, kind, path))
    return path


def timeline_text(timeline: Any, kind: TimelineFormat, path: Path | str = "timeline") -> str:
    """Write a timeline as text; errors as for `write_timeline`, with the path in them."""
    import opentimelineio as otio

    rate = Fraction(*timeline.metadata["facekit"]["rate"])
    legal = {"otio": None, "fcpxml": _WHOLE}.get(kind, _BROADCAST)
    if legal is not None and rate not in legal:
        known = ", ".join(f"{float(one):.6g}" for one in sorted(legal))
        raise UsageError(
            f"{path}: {float(rate):.6g} frames per second, expected one of {known} for"
            f" {TIMELINE_SUFFIXES[kind]}; set deliver.fps to one of these (frames are repeated) or"
            " write .otio"
        )
    copy = deepcopy(timeline)
    if kind == "edl":
        _prepare_edl(copy)
    elif kind == "xml":
        _prepare_xml(copy)
    elif kind == "fcpxml":
        _prepare_fcpxml(copy)
    options = {"rate": float(rate)} if kind == "edl" else {}
    text: str = otio.adapters.write_to_string(copy, _ADAPTERS[kind], **options)
    return text if text.endswith("\n") else f"{text}\n"


def lost_in(timeline: Any, kind: TimelineFormat) -> tuple[str, ...]:
    """Tell in words what of a timeline a format cannot hold."""
    import opentimelineio as otio

    track = timeline.tracks[0]
    dissolves = sum(isinstance(item, otio.schema.Transition) for item in track)
    markers = sum(len(clip.markers) for clip in timeline.find_clips())
    lost = []
    if kind == "edl":
        lost.append("an EDL has no handles: the editor takes them from the files")
        if markers:
            lost.append("an EDL writes markers in capitals")
    if kind == "fcpxml":
        if dissolves:
            lost.append(f"{dissolves} dissolves become cuts in .fcpxml")
        lost.append(".fcpxml begins at 0, not at the timecode")
    if kind in {"xml", "fcpxml"} and markers:
        lost.append(f"{TIMELINE_SUFFIXES[kind]} keeps the names of markers and not their colours")
    return tuple(lost)


def _prepare_edl(timeline: Any) -> None:
    import opentimelineio as otio

    clips = list(timeline.find_clips())
    for clip, reel in zip(clips, _reels([clip.name for clip in clips]), strict=True):
        clip.metadata["cmx_3600"] = {"reel": reel}
        for marker in clip.markers:
            told = f"{marker.name}: {marker.comment}" if marker.comment else marker.name
            marker.name = " ".join(told.split())
    start = timeline.global_start_time
    if start is not None and start.value > 0:
        empty = otio.opentime.TimeRange(otio.opentime.RationalTime(0, start.rate), start)
        timeline.tracks[0].insert(0, otio.schema.Gap(source_range=empty))


def _prepare_xml(timeline: Any) -> None:
    import opentimelineio as otio

    for clip in timeline.find_clips():
        first = clip.media_reference.available_range.start_time
        for marker in clip.markers:
            range_ = marker.marked_range
            moved = otio.opentime.TimeRange(range_.start_time - first, range_.duration)
            marker.marked_range = moved
            marker.metadata["fcp_xml"] = {"comment": marker.comment}


def _prepare_fcpxml(timeline: Any) -> None:
    import opentimelineio as otio

    track = timeline.tracks[0]
    for index in reversed(range(len(track))):
        if isinstance(track[index], otio.schema.Transition):
            del track[index]
    for marker in (marker for clip in timeline.find_clips() for marker in clip.markers):
        if marker.comment:
            marker.name = f"{marker.name}: {marker.comment}"


def _reels(names: Sequence[str]) -> list[str]:
    """Eight letters each, told apart: the end of the name or, where ends are alike, a number."""
    ends = [re.sub(r"[^A-Za-z0-9]", "", name)[-_REEL_LETTERS:].upper() for name in names]
    if len(set(ends)) == len(ends) and all(ends):
        return [end.rjust(_REEL_LETTERS, "0") for end in ends]
    return [f"R{index + 1:0{_REEL_LETTERS - 1}d}" for index in range(len(names))]
