"""A board's timeline for the editor, of what is planned or was rendered, and its list of shots."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias

from facekit.errors import StoryboardError, UsageError
from facekit.generation.storyboard_csv import write_csv
from facekit.generation.storyboard_shot import ShotPlan
from facekit.generation.timeline import TimelineMarker, TimelineShot, build_timeline
from facekit.generation.timeline_files import (
    TIMELINE_SUFFIXES,
    TimelineFormat,
    lost_in,
    write_timeline,
)
from facekit.media.files import ensure_new, write_text
from facekit.workflows.board_plan import BoardPlan, plan_board

__all__ = [
    "SHOT_RECORD",
    "TIMELINE_KEY",
    "ExportFormat",
    "ExportedBoard",
    "export_board",
    "planned_media",
    "planned_shot",
    "rendered_shot",
]

SHOT_RECORD = "shot.json"
"""What a renderer writes beside the files of a version."""

TIMELINE_KEY = "timeline"
"""The key of `shot.json` that holds what `TimelineShot.to_json` gives."""

ExportFormat: TypeAlias = TimelineFormat | Literal["csv"]
"""What can be written of a board: its timeline, or the list of its shots."""

_LIST_LACKS = (
    "a shot list holds what has a column: not the cast, dialogue, engine, gates or deliver"
)
_SUFFIXES = {"prores422hq": ".mov", "h264": ".mp4"}


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportedBoard:
    """Files that were written."""

    files: tuple[Path, ...]
    aspect: str
    planned: tuple[str, ...]
    """Shots that are not rendered yet and stand on the timeline as planned."""
    rendered: tuple[str, ...]
    notes: tuple[str, ...]
    """What a format cannot hold."""

    def describe(self) -> str:
        """The files, and what is in them."""
        lines = [str(path) for path in self.files]
        if self.rendered or self.planned:
            counts = f"{len(self.rendered)} shots as rendered, {len(self.planned)} as planned"
            lines.append(f"{self.aspect}: {counts}")
        return "\n".join([*lines, *(f"note: {note}" for note in self.notes)])

    def to_json(self) -> Mapping[str, object]:
        """The same as plain data."""
        return {
            "files": [str(path) for path in self.files],
            "aspect": self.aspect,
            "rendered": list(self.rendered),
            "planned": list(self.planned),
            "notes": list(self.notes),
        }


def export_board(
    path: Path,
    files: Mapping[ExportFormat, Path],
    *,
    aspect: str | None = None,
    out: Path | None = None,
    whole_paths: bool = False,
    force: bool = False,
) -> ExportedBoard:
    """Write the timeline of a board in some formats, or the list of its shots.

    A shot that has been rendered, by the newest version in the folder of renders that has a
    record, stands on the timeline as it is; any other as it is planned.

    Args:
        path: The storyboard.
        files: Format to the file to write.
        aspect: Of several; the first of deliver.aspects when None.
        out: Folder of the renders; `renders/<project>` when None.
        whole_paths: Whether media are named by their whole paths; else from the timeline on.
        force: Whether files that are there may be replaced.

    Raises:
        UsageError: No file asked for, an aspect that is not delivered, or a frame rate that a
            format cannot say.
        StoryboardError: Mistakes of the board, or a damaged record of a shot.
        OutputExists: A file is there.
        OutputError: It cannot be written.
    """
    if not files:
        known = ", ".join(f"--{kind}" for kind in (*TIMELINE_SUFFIXES, "csv"))
        raise UsageError(f"{path}: nothing to write, expected one of {known}; name a file")
    for file in files.values():
        ensure_new(file, force, other="file")
    plan = plan_board(path, out=out)
    aspects = plan.board.deliver.aspects
    chosen = aspect or aspects[0]
    if chosen not in aspects:
        raise UsageError(
            f"aspect {chosen}: not delivered, expected one of {', '.join(aspects)}; choose one"
        )
    shots = [shot for shot in plan.shots if shot.aspect == chosen]
    if not shots:
        raise UsageError(f"{path}: no shot in {chosen}, expected one at least; choose another")
    if all(kind == "csv" for kind in files):
        shots = []  # a list holds no takes
    made = [rendered_shot(plan.out_dir, shot) for shot in shots]
    laid = [done or planned_shot(plan, shot) for shot, done in zip(shots, made, strict=True)]
    notes: dict[str, None] = {}
    for kind, file in files.items():
        if kind == "csv":
            write_text(file, write_csv(plan.board))
            notes[_LIST_LACKS] = None
            continue
        timeline = build_timeline(
            plan.board.project.title or plan.board.project.id,
            laid,
            shots[0].frames.rate,
            timecode=plan.board.deliver.timecode,
            relative_to=None if whole_paths else file.parent,
            metadata={"project": plan.board.project.id, "aspect": chosen},
        )
        write_timeline(timeline, file, kind)
        notes.update(dict.fromkeys(lost_in(timeline, kind)))
    return ExportedBoard(
        files=tuple(files.values()),
        aspect=chosen,
        planned=tuple(x.name for x, done in zip(shots, made, strict=True) if done is None),
        rendered=tuple(x.name for x, done in zip(shots, made, strict=True) if done is not None),
        notes=tuple(notes),
    )


def planned_media(plan: BoardPlan, shot: ShotPlan, version: int = 1) -> Path:
    """The file that the editor will get of a version of a shot."""
    deliver = plan.board.deliver
    suffix = _SUFFIXES.get(deliver.mezzanine) or _SUFFIXES.get(deliver.review) or ".mov"
    name = f"{shot.name}_v{version:03d}"
    return plan.out_dir / shot.folder / f"v{version:03d}" / f"{name}{suffix}"


def planned_shot(
    plan: BoardPlan,
    shot: ShotPlan,
    *,
    media: Path | None = None,
    markers: Sequence[TimelineMarker] = (),
    metadata: Mapping[str, object] | None = None,
) -> TimelineShot:
    """Lay a shot onto the timeline as it is planned; its frames are numbered from `start_frame`.

    Args:
        plan: Of its board.
        shot: One of it.
        media: Its file; the first version's when None.
        markers: Further ones, such as of gates that failed; the board's own come first.
        metadata: Further plain data, such as scores.
    """
    frames = shot.frames
    return TimelineShot(
        name=shot.name,
        media=media or planned_media(plan, shot),
        available=(shot.start_frame - frames.head, frames.delivered),
        source=(shot.start_frame, frames.cut),
        markers=(*_markers(shot), *markers),
        dissolve=shot.transition.frames,
        metadata={
            "shot": f"{shot.sequence}/{shot.shot}",
            "prompt": shot.prompt,
            "seed": shot.seeds[0],
            "fingerprint": plan.fingerprints[shot.name][0],
            **(metadata or {}),
        },
    )


def rendered_shot(out_dir: Path, shot: ShotPlan) -> TimelineShot | None:
    """Find a shot as it was rendered: the newest version that has a record.

    Raises:
        StoryboardError: The record is damaged.
    """
    versions = sorted((out_dir / shot.folder).glob("v[0-9]*"), key=lambda x: (len(x.name), x.name))
    for folder in reversed(versions):
        record = folder / SHOT_RECORD
        if not record.is_file():
            continue
        try:
            content = json.loads(record.read_text(encoding="utf-8"))[TIMELINE_KEY]
            found = TimelineShot.from_json(content)
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise StoryboardError(
                f"{record}: not the record of a shot ({error!r}), expected what the renderer wrote;"
                " remove it, or render the shot again"
            ) from error
        return found if found.media.is_absolute() else _beside(found, folder)
    return None


def _beside(shot: TimelineShot, folder: Path) -> TimelineShot:
    return TimelineShot.from_json({**shot.to_json(), "media": str(folder / shot.media)})


def _markers(shot: ShotPlan) -> Iterator[TimelineMarker]:
    for marker in shot.markers:
        yield TimelineMarker(
            frame=shot.start_frame + marker.frame,
            name=marker.name,
            text=marker.text,
            kind=marker.kind,
        )
