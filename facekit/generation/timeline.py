"""A cut for the editor: shots with handles, markers and full names as an OpenTimelineIO timeline.

Times are whole frames at the exact rate of the delivery.
"""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any
from urllib.parse import quote

from facekit.errors import UsageError
from facekit.media.timecode import clock_frames

__all__ = [
    "MARKER_COLORS",
    "TimelineMarker",
    "TimelineShot",
    "build_timeline",
]

MARKER_COLORS = {"gate": "RED", "review": "YELLOW", "note": "GREEN", "dialogue": "CYAN"}
"""Kind of marker to its colour."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TimelineMarker:
    """Something that somebody should look at."""

    frame: int
    """Of the media, in its own numbers, as in `source`."""
    name: str
    """Short, such as `drift`."""
    text: str = ""
    kind: str = "note"
    """One of `MARKER_COLORS`."""
    num_frames: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class TimelineShot:
    """One shot on the timeline."""

    name: str
    """In full, such as `SEQ010_SH0020`."""
    media: Path
    """Its file; it need not exist yet."""
    available: tuple[int, int]
    """First frame and number of frames of the file, with handles."""
    source: tuple[int, int]
    """First frame and number of frames of the cut, in the same numbers."""
    markers: tuple[TimelineMarker, ...] = ()
    dissolve: int = 0
    """Frames over which the shot before goes over into this one; 0 is a cut."""
    metadata: Mapping[str, object] | None = None
    """Plain data that goes along, such as the fingerprint of the take."""

    def to_json(self) -> Mapping[str, object]:
        """All of it as plain data, for `shot.json`."""
        return {
            "name": self.name,
            "media": self.media.as_posix(),
            "available": list(self.available),
            "source": list(self.source),
            "markers": [
                {
                    "frame": each.frame,
                    "name": each.name,
                    "text": each.text,
                    "kind": each.kind,
                    "num_frames": each.num_frames,
                }
                for each in self.markers
            ],
            "dissolve": self.dissolve,
            "metadata": dict(self.metadata or {}),
        }

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> "TimelineShot":
        """Read what `to_json` gave.

        Raises:
            KeyError: Something is missing.
            TypeError: Something is of another kind.
            ValueError: A list is not as long as it should be.
        """
        (first, count), (start, length) = content["available"], content["source"]
        return cls(
            name=str(content["name"]),
            media=Path(content["media"]),
            available=(int(first), int(count)),
            source=(int(start), int(length)),
            markers=tuple(TimelineMarker(**each) for each in content["markers"]),
            dissolve=int(content["dissolve"]),
            metadata=dict(content["metadata"]),
        )


def build_timeline(
    name: str,
    shots: Sequence[TimelineShot],
    rate: Fraction,
    *,
    timecode: str = "01:00:00:00",
    relative_to: Path | None = None,
    metadata: Mapping[str, object] | None = None,
) -> Any:
    """Put shots one after the other on one video track.

    Args:
        name: Of the timeline.
        shots: In order of the cut.
        rate: Frames per second, exact: 24000/1001 is that and not 23.976.
        timecode: Where it begins.
        relative_to: A folder that the paths of media begin at; None gives whole paths.
        metadata: Plain data that goes along.

    Returns:
        An `opentimelineio.schema.Timeline`.

    Raises:
        UsageError: No shots, a cut or a dissolve that its media is too short for, or a timecode
            that the rate does not have.
    """
    import opentimelineio as otio

    mistakes = _mistakes(shots)
    if mistakes:
        listed = "\n".join(f"  {text}" for text in mistakes)
        raise UsageError(f"timeline {name}:\n{listed};\ngive each shot the frames that it uses")
    per_second = float(rate)

    def at(frames: int) -> Any:
        return otio.opentime.RationalTime(frames, per_second)

    def span(range_: tuple[int, int]) -> Any:
        return otio.opentime.TimeRange(at(range_[0]), at(range_[1]))

    timeline = otio.schema.Timeline(name=name, global_start_time=at(clock_frames(timecode, rate)))
    timeline.metadata["facekit"] = {
        "rate": [rate.numerator, rate.denominator],
        **(metadata or {}),
    }
    track = otio.schema.Track(name="V1", kind=otio.schema.TrackKind.Video)
    timeline.tracks.append(track)
    for shot in shots:
        if shot.dissolve:
            head = shot.dissolve // 2
            kind = otio.schema.TransitionTypes.SMPTE_Dissolve
            track.append(
                otio.schema.Transition(
                    name=kind,
                    transition_type=kind,
                    in_offset=at(head),
                    out_offset=at(shot.dissolve - head),
                )
            )
        clip = otio.schema.Clip(
            name=shot.name,
            source_range=span(shot.source),
            media_reference=otio.schema.ExternalReference(
                target_url=_url(shot.media, relative_to), available_range=span(shot.available)
            ),
        )
        clip.media_reference.name = shot.media.name
        clip.metadata["facekit"] = dict(shot.metadata or {})
        for marker in shot.markers:
            clip.markers.append(
                otio.schema.Marker(
                    name=marker.name,
                    marked_range=span((marker.frame, marker.num_frames)),
                    color=MARKER_COLORS.get(marker.kind, "GREEN"),
                    comment=marker.text,
                    metadata={"facekit": {"kind": marker.kind}},
                )
            )
        track.append(clip)
    return timeline


def _mistakes(shots: Sequence[TimelineShot]) -> list[str]:
    found = [] if shots else ["no shots, expected at least one"]
    before: TimelineShot | None = None
    for shot in shots:
        first, count = shot.available
        start, length = shot.source
        if length < 1 or start < first or start + length > first + count:
            found.append(
                f"{shot.name}: cut {start} to {start + length - 1}, expected inside the media,"
                f" {first} to {first + count - 1}"
            )
        if shot.dissolve:
            head = shot.dissolve // 2
            tail = shot.dissolve - head
            left = 0 if before is None else sum(before.available) - sum(before.source)
            if before is None or start - first < head or left < tail:
                found.append(
                    f"{shot.name}: a dissolve of {shot.dissolve} frames, got handles of"
                    f" {start - first} frames here and {left} before, expected {head} and {tail}"
                )
        before = shot
    return found


def _url(media: Path, relative_to: Path | None) -> str:
    """A path as editors read it: whole ones as file URLs, relative ones as they are, quoted."""
    if relative_to is None:
        return media.absolute().as_uri()
    path = Path(os.path.relpath(media.absolute(), relative_to.absolute()))
    return quote(path.as_posix())
