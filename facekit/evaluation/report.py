"""The report of one evaluation: a page that stands alone, and the same figures as JSON."""

import dataclasses
import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from facekit.evaluation.bootstrap import Interval, bootstrap_mean
from facekit.evaluation.gates import GateResult, verdict
from facekit.evaluation.page import build_page
from facekit.evaluation.page_parts import PageContent
from facekit.evaluation.scores import CharacterScores, ShotScores, Take
from facekit.media.files import write_text
from facekit.types import Image

__all__ = ["FORMAT_VERSION", "ReportContent", "report_json", "shot_intervals", "write_report"]

FORMAT_VERSION = 1


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ReportContent:
    """Everything that a report shows."""

    scores: CharacterScores
    takes: tuple[Take, ...]
    """In the order of the scores' shots."""
    enrolled_photos: tuple[Image, ...]
    held_out_photos: tuple[Image, ...]
    gates: tuple[GateResult, ...]
    settings: Mapping[str, str]
    """Name to value, as shown at the end: encoders and their digests, recipe, versions, seeds."""


def shot_intervals(scores: CharacterScores) -> dict[str, Interval]:
    """Return 95 % intervals over the shots, for the figures that are means over shots."""
    columns: dict[str, list[float | None]] = {
        "sim_held": [shot.sim_held for shot in scores.shots],
        "m_cp": [shot.m_cp for shot in scores.shots],
        "drift": [shot.drift.drop if shot.drift else None for shot in scores.shots],
    }
    if scores.ceiling > 0:
        columns["likeness_ratio"] = [
            None if v is None else v / scores.ceiling for v in columns["sim_held"]
        ]
    deltas = [_delta(shot) for shot in scores.shots]
    columns["prompt_delta"] = deltas
    found = {name: bootstrap_mean(values) for name, values in columns.items()}
    return {
        name: interval
        for name, interval in found.items()
        if interval is not None and interval.low is not None
    }


def _delta(shot: ShotScores) -> float | None:
    if not shot.adherence or not shot.base_adherence:
        return None
    return float(
        np.mean(list(shot.adherence.values())) - np.mean(list(shot.base_adherence.values()))
    )


def report_json(content: ReportContent) -> dict[str, object]:
    """Return the report as plain data; None stands for not scorable, and no value is NaN."""
    scores = content.scores
    matrix = scores.cross_shot.matrix_SS
    return {
        "format_version": FORMAT_VERSION,
        "character": scores.name,
        "verdict": verdict(content.gates),
        "figures": dict(scores.figures),
        "intervals_over_shots": {
            name: interval.to_json() for name, interval in shot_intervals(scores).items()
        },
        "gates": [result.to_json() for result in content.gates],
        "pose_strata": dict(scores.strata),
        "prompt_adherence": dict(scores.adherence),
        "base_prompt_adherence": dict(scores.base_adherence),
        "similarity_matrix": [_numbers(row) for row in matrix],
        "least_alike_shots": _pair(scores),
        "shots": [_shot_json(shot) for shot in scores.shots],
        "settings": dict(content.settings),
    }


def _pair(scores: CharacterScores) -> list[str] | None:
    pair = scores.cross_shot.pair
    return None if pair is None else [scores.shots[place].shot.name for place in pair]


def _numbers(values: Sequence[float] | np.ndarray) -> list[float | None]:
    return [float(value) if math.isfinite(value) else None for value in values]


def _shot_json(shot: ShotScores) -> dict[str, object]:
    return {
        **dataclasses.asdict(shot.shot),
        "sim_held": shot.sim_held,
        "coverage": shot.coverage,
        "m_cp": shot.m_cp,
        "drift": dataclasses.asdict(shot.drift) if shot.drift else None,
        "landmark_path": shot.landmark_path,
        "frame_change": shot.frame_change,
        "base_landmark_path": shot.base_landmark_path,
        "base_frame_change": shot.base_frame_change,
        "jitter": shot.jitter,
        "base_jitter": shot.base_jitter,
        "off_face_change": shot.off_face_change,
        "on_face_change": shot.on_face_change,
        "adherence": dict(shot.adherence),
        "base_adherence": dict(shot.base_adherence),
        "frames": {
            "status": list(shot.statuses),
            "counted_similarity": _numbers(shot.similarities_F),
            "similarity": _numbers(shot.raw_similarities_F),
            "yaw_deg": _numbers(shot.yaw_deg_F),
        },
    }


def write_report(content: ReportContent, out_dir: Path) -> Path:
    """Write `report.html` and `report.json`; each whole or not at all.

    Returns:
        The path of the page.

    Raises:
        OutputError: The folder cannot be written or the disk is full.
    """
    page = build_page(
        PageContent(
            scores=content.scores,
            takes=content.takes,
            enrolled_photos=content.enrolled_photos,
            held_out_photos=content.held_out_photos,
            gates=content.gates,
            settings=content.settings,
            intervals=shot_intervals(content.scores),
        )
    )
    write_text(
        out_dir / "report.json", json.dumps(report_json(content), indent=1, allow_nan=False) + "\n"
    )
    write_text(out_dir / "report.html", page)
    return out_dir / "report.html"
