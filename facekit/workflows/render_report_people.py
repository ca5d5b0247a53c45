"""What the report of a rendered board says of each character, over all its shots."""

from collections.abc import Mapping, Sequence

import numpy as np

from facekit.evaluation.face_cuts import cut_face
from facekit.evaluation.film import FilmShot, worst_pairs
from facekit.evaluation.film_plots import FilmCurve
from facekit.evaluation.metrics import cross_shot
from facekit.evaluation.sequence_content import FaceCurve, SequenceCharacter, SequenceShot
from facekit.evaluation.sequence_pictures import Picture, encode
from facekit.generation.storyboard_shot import ShotPlan
from facekit.types import FloatArray
from facekit.workflows.render_files import read_json
from facekit.workflows.render_report_shots import chosen_clip, identity_of, take_path
from facekit.workflows.render_state import BoardState, ShotState

__all__ = ["gather_character"]

_NUM_PAIRS = 5
_FACE_PX = 220


def gather_character(
    name: str, state: BoardState, shots: Sequence[SequenceShot]
) -> SequenceCharacter:
    """Read everything about one of the cast.

    Args:
        name: Of the character.
        state: Of the board.
        shots: All of them, gathered.

    Raises:
        MediaError: A take cannot be read.
    """
    own = [shot for shot in shots if shot.chosen is not None and _is_in(name, state, shot)]
    cross = cross_shot([_middle(state.shots[shot.name], name) for shot in own])
    faces = None
    if cross.pair is not None:
        one, other = (_face(state.shots[own[place].name], name) for place in cross.pair)
        faces = (one, other)
    ceiling = _ceiling(name, [identity_of(state.shots[shot.name]) for shot in own])
    curves = [_curve(shot, name) for shot in own]
    least = [one.least for one in curves if one is not None and one.least is not None]
    judge = state.judge
    plan = next((x for s in state.plan.shots for x in s.characters if x.id == name), None)
    return SequenceCharacter(
        name=name,
        shots=[shot.name for shot in own],
        groups=[shot.sequence for shot in own],
        likeness=[None if one is None else one.mean for one in curves],
        cross_shot=cross,
        pairs=worst_pairs(cross.matrix_SS, _NUM_PAIRS),
        faces=faces,
        films=_films(name, own, state, ceiling),
        ceiling=ceiling,
        num_photos=len(judge.photo_digests(name)),
        least=max(least, default=None),
        digest=plan.digest if plan else "",
    )


def _is_in(name: str, state: BoardState, shot: SequenceShot) -> bool:
    return any(person.id == name for person in state.shots[shot.name].shot.characters)


def _ceiling(name: str, measured: Sequence[Mapping[str, object]]) -> float | None:
    """The photos' own likeness; None where takes were measured without it, or it is of no use."""
    for one in measured:
        told = one.get("ceilings")
        if isinstance(told, Mapping) and float(told.get(name, 0.0)) > 0:
            return float(told[name])
    return None


def _curve(shot: SequenceShot, name: str) -> FaceCurve | None:
    return next((curve for curve in shot.curves if curve.character == name), None)


def _films(
    name: str, own: Sequence[SequenceShot], state: BoardState, ceiling: float | None
) -> list[FilmCurve]:
    """Likeness over the film of each aspect; those of a single shot are left out beside longer."""
    found: dict[str, list[FilmShot]] = {}
    for shot in own:
        curve = _curve(shot, name)
        if curve is not None:
            plan = state.shots[shot.name].shot
            found.setdefault(shot.aspect, []).append(_film_shot(shot, curve, plan))
    longest = max((len(film) for film in found.values()), default=0)
    return [
        FilmCurve(name=f"{name}, {aspect}", ceiling=ceiling or 1.0, shots=tuple(film))
        for aspect, film in found.items()
        if len(film) > 1 or longest == 1
    ]


def _film_shot(shot: SequenceShot, curve: FaceCurve, plan: ShotPlan) -> FilmShot:
    first, last = shot.frames.cut
    values = curve.similarities_F[first : last + 1]
    return FilmShot(
        name=shot.name, start_s=shot.begins_s, seconds=shot.seconds, similarities_F=values
    )


def _middle(state: ShotState, name: str) -> FloatArray | None:
    """The mean face of a character in the take that is delivered."""
    assert state.decision.chosen is not None
    path = take_path(state, state.decision.chosen.number)
    told = (read_json(path.with_name(f"{path.stem}.faces.json")) or {}).get("faces")
    middle = told.get(name) if isinstance(told, Mapping) else None
    return None if middle is None else np.asarray(middle, np.float64)


def _face(state: ShotState, name: str) -> Picture:
    """A character in a shot: around its face in the middle one of its frames."""
    clip, shot = chosen_clip(state), state.shot
    first = shot.start_frame - shot.frames.head
    tracks = identity_of(state).get("tracks")
    found: list[tuple[int, Sequence[float]]] = []
    for track in tracks if isinstance(tracks, list) else []:
        if track["match"] == name:
            rows = zip(track["frames"], track["boxes_xyxy_px"], strict=True)
            found += [(row[0] - first, box) for row, box in rows if row[1] is not None and box]
    if not found:
        return encode(clip.frames[clip.num_frames // 2], max_side_px=_FACE_PX)
    place, box = sorted(found, key=lambda one: one[0])[len(found) // 2]
    return encode(cut_face(clip.frames[place], np.asarray(box)), max_side_px=_FACE_PX)
