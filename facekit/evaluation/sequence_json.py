"""The report of a rendered sequence as plain data: all that its page shows but the pictures."""

import dataclasses
import math
from collections.abc import Mapping, Sequence

import numpy as np

from facekit.evaluation.film import film_trend
from facekit.evaluation.sequence_content import SequenceCharacter, SequenceContent, SequenceShot
from facekit.evaluation.sequence_look import first_looks

__all__ = ["SEQUENCE_SCHEMA", "sequence_json"]

SEQUENCE_SCHEMA = "facekit.sequence/1"
_NUM_DIGITS = 4


def sequence_json(
    content: SequenceContent,
    rows: Sequence[Mapping[str, object]],
    manifest: Mapping[str, object],
) -> dict[str, object]:
    """Return everything; None stands for not scorable, and no value is NaN.

    Args:
        content: Of the page.
        rows: One per shot, as in the table.
        manifest: Of the last render.
    """
    shots = {shot.name: _shot(shot) for shot in content.shots}
    verdicts = [shot.verdict for shot in content.shots]
    return {
        "schema": SEQUENCE_SCHEMA,
        "project": content.project,
        "title": content.title,
        "verdicts": {word: verdicts.count(word) for word in dict.fromkeys(verdicts)},
        "look_first": [look.to_json() for look in first_looks(content)],
        "shots": [{**row, **shots[str(row["name"])]} for row in rows],
        "characters": {one.name: _character(one) for one in content.characters},
        "cost": {
            **dataclasses.asdict(content.cost),
            "draw_s": content.cost.draw_s,
            "outside_share": _number(content.cost.outside_share),
        },
        "encoder": content.encoder or None,
        "floor": content.floor,
        "is_calibrated": content.is_calibrated,
        "settings": dict(content.settings),
        "notes": list(content.notes),
        "render": dict(manifest),
    }


def _shot(shot: SequenceShot) -> dict[str, object]:
    return {
        "begins_s": round(shot.begins_s, 6),
        "seconds": round(shot.seconds, 6),
        "frames": {
            **dataclasses.asdict(shot.frames),
            "chunks": list(shot.frames.chunks),
            "seams": list(shot.frames.seams),
            "seam_numbers": list(shot.frames.seam_numbers),
            "cut": list(shot.frames.cut),
        },
        "gates": [check.to_json() for check in shot.gates],
        "made": [
            {**dataclasses.asdict(take), "reasons": list(take.reasons)} for take in shot.takes
        ],
        "faces": {
            curve.character: {
                "mean": _number(curve.mean),
                "least": curve.least,
                "chunks": [_number(mean) for mean in curve.chunk_means(shot.frames.seams)],
                "similarity": [_number(value) for value in curve.similarities_F],
                "status": list(curve.statuses_F),
            }
            for curve in shot.curves
        },
        "files": dict(shot.links),
    }


def _character(one: SequenceCharacter) -> dict[str, object]:
    known = [value for value in one.likeness if value is not None]
    cross = one.cross_shot
    trends = {film.name: film_trend(film.shots) for film in one.films}
    return {
        "shots": list(one.shots),
        "likeness": [_number(value) for value in one.likeness],
        "mean": _number(float(np.mean(known))) if known else None,
        "ceiling": one.ceiling,
        "least": one.least,
        "photos": one.num_photos,
        "digest": one.digest or None,
        "xsim": _number(cross.xsim),
        "xmin": _number(cross.xmin),
        "least_alike": [one.shots[place] for place in cross.pair] if cross.pair else None,
        "least_alike_pairs": [[one.shots[first], one.shots[second]] for first, second in one.pairs],
        "similarity_matrix": [[_number(value) for value in row] for row in cross.matrix_SS],
        "trends": {
            name: None if trend is None else dataclasses.asdict(trend)
            for name, trend in trends.items()
        },
    }


def _number(value: float | None) -> float | None:
    if value is None or not math.isfinite(value):
        return None
    return round(float(value), _NUM_DIGITS)
