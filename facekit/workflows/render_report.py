"""The report of a rendered board: pictures and figures gathered for its page."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from facekit.evaluation.metrics import cross_shot
from facekit.evaluation.sequence_page import (
    SequenceCharacter,
    SequenceContent,
    SequenceShot,
    build_sequence_page,
)
from facekit.generation.units import take_name
from facekit.media.files import write_text
from facekit.media.video import read_clip
from facekit.types import Clip, Image
from facekit.workflows.render_files import IDENTITY_SUFFIX, read_json, write_json
from facekit.workflows.render_jobs import TAKES_DIR
from facekit.workflows.render_outputs import write_table
from facekit.workflows.render_state import BoardState, ShotState
from facekit.workflows.render_takes import shown_frames

__all__ = ["write_sequence_report"]

_CUT = 1.9
"""Side of the picture of a face, in sides of its box."""
_SETTINGS = ("project", "host", "device", "facekit", "python", "torch", "finished")


def write_sequence_report(
    state: BoardState, rows: Sequence[Mapping[str, object]], manifest: Mapping[str, object]
) -> Path:
    """Write `report/index.html`, `report.json` and `shots.csv`.

    Args:
        state: Of the board.
        rows: One per shot, in order of the cut.
        manifest: Of the last render.

    Raises:
        OutputError: They cannot be written.
        MediaError: A take cannot be read.
    """
    folder = state.plan.out_dir / "report"
    content = _gather(state, rows, manifest)
    write_table(folder / "shots.csv", rows)
    write_json(
        folder / "report.json",
        {
            "schema": "facekit.sequence/1",
            "shots": [dict(row) for row in rows],
            "characters": {one.name: _figures(one) for one in content.characters},
            "floor": content.floor,
            "render": dict(manifest),
        },
    )
    path = folder / "index.html"
    write_text(path, build_sequence_page(content))
    return path


def _gather(
    state: BoardState, rows: Sequence[Mapping[str, object]], manifest: Mapping[str, object]
) -> SequenceContent:
    shots, begins = [], {}
    film_s: dict[str, float] = {}
    floor = 0.0
    clips: dict[str, Clip] = {}
    for row in rows:
        here = state.shots[str(row["name"])]
        shot = here.shot
        begins[shot.name] = film_s.get(shot.aspect, 0.0)
        film_s[shot.aspect] = begins[shot.name] + shot.frames.seconds
        take = _take(here)
        if take is not None:
            clips[shot.name], _ = shown_frames(read_clip(take), shot)
            told = (_identity(here) or {}).get("floor")
            floor = max(floor, float(str(told))) if told is not None else floor
        chosen = here.decision.chosen
        shots.append(
            SequenceShot(
                name=shot.name,
                sequence=shot.sequence,
                verdict=here.word,
                take=take_name(chosen.number) if chosen else "",
                num_takes=len(here.takes),
                likeness=chosen.score if chosen else None,
                reason=here.decision.reason,
                prompt=shot.prompt,
                begins_s=begins[shot.name],
                seconds=shot.frames.seconds,
                draw_s=float(str(row["draw_s"])),
                clip=clips.get(shot.name),
            )
        )
    board = state.plan.board
    return SequenceContent(
        title=board.project.title or board.project.id,
        shots=shots,
        characters=[_character(name, state, begins, clips) for name in board.cast],
        floor=floor,
        settings={
            "board": str(state.plan.path),
            "judged by": state.judge.encoder or "nobody",
            **{key: str(manifest[key]) for key in _SETTINGS if key in manifest},
        },
        notes=state.judge.warnings,
    )


def _character(
    name: str, state: BoardState, begins: Mapping[str, float], clips: Mapping[str, Clip]
) -> SequenceCharacter:
    names, likeness, faces = [], [], []
    for shot in state.plan.shots:
        here = state.shots[shot.name]
        if name not in [person.id for person in shot.characters] or shot.name not in clips:
            continue
        names.append(shot.name)
        figures = (_identity(here) or {}).get("figures")
        people = figures.get("characters", {}) if isinstance(figures, Mapping) else {}
        mean = people.get(name, {}).get("mean")
        likeness.append(None if mean is None else float(mean))
        take = _take(here)
        told = read_json(take.with_name(f"{take.stem}.faces.json")) if take else None
        found = told.get("faces") if told else None
        middle = found.get(name) if isinstance(found, Mapping) else None
        faces.append(None if middle is None else np.asarray(middle, np.float64))
    cross = cross_shot(faces)
    pair = None
    if cross.pair is not None:
        one, other = (_face(state.shots[names[place]], name, clips) for place in cross.pair)
        pair = (one, other)
    at = [begins[shot] for shot in names]
    known = [(x, value) for x, value in zip(at, likeness, strict=True) if value is not None]
    trend = None
    if len({x for x, _ in known}) > 1:
        when, values = np.asarray(known, np.float64).T
        slope = float(np.polyfit(when, values, 1)[0])
        trend = slope * (max(known)[0] - min(known)[0])
    return SequenceCharacter(
        name=name,
        shots=names,
        likeness=likeness,
        begins_s=at,
        cross_shot=cross,
        pair=pair,
        trend=trend,
    )


def _figures(one: SequenceCharacter) -> dict[str, object]:
    known = [value for value in one.likeness if value is not None]
    pair = one.cross_shot.pair
    return {
        "shots": list(one.shots),
        "likeness": list(one.likeness),
        "mean": round(float(np.mean(known)), 4) if known else None,
        "xsim": one.cross_shot.xsim,
        "xmin": one.cross_shot.xmin,
        "least_alike": [one.shots[place] for place in pair] if pair else None,
        "trend": one.trend,
    }


def _face(state: ShotState, name: str, clips: Mapping[str, Clip]) -> Image:
    """A picture of a character in a shot: around its face in the middle one of its frames."""
    clip, shot = clips[state.shot.name], state.shot
    first = shot.start_frame - shot.frames.head
    tracks = (_identity(state) or {}).get("tracks")
    found: list[tuple[int, Sequence[float]]] = []
    for track in tracks if isinstance(tracks, list) else []:
        if track["match"] == name:
            rows = zip(track["frames"], track["boxes_xyxy_px"], strict=True)
            found += [(row[0] - first, box) for row, box in rows if row[1] is not None and box]
    if not found:
        return np.asarray(clip.frames[clip.num_frames // 2])
    place, box = sorted(found, key=lambda one: one[0])[len(found) // 2]
    frame = clip.frames[place]
    height, width = frame.shape[:2]
    side = int(min(height, width, _CUT * max(box[2] - box[0], box[3] - box[1])))
    left = int(np.clip((box[0] + box[2] - side) / 2, 0, width - side))
    top = int(np.clip((box[1] + box[3] - side) / 2, 0, height - side))
    return np.asarray(frame[top : top + side, left : left + side])


def _take(state: ShotState) -> Path | None:
    chosen = state.decision.chosen
    if chosen is None:
        return None
    return state.version / TAKES_DIR / f"{take_name(chosen.number)}.mp4"


def _identity(state: ShotState) -> dict[str, object] | None:
    take = _take(state)
    return None if take is None else read_json(take.with_name(f"{take.stem}{IDENTITY_SUFFIX}"))
