"""The report of one evaluation: a page that stands alone, and the same figures as JSON."""

import dataclasses
import json
import math
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from urllib.parse import quote

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
    reasons: Mapping[str, str] = dataclasses.field(default_factory=dict)
    """Why a figure has no value, of those that have none."""
    clips: tuple[Path | None, ...] = ()
    """The file of each take, which its name on the page leads to; none for takes without files."""


def shot_intervals(scores: CharacterScores) -> dict[str, Interval]:
    """Return 95 % intervals over the shots, for the figures that are means over shots.

    A shot counts in each as much as it does in the figure: by its frames in the likeness, by what
    its prompt asks for in the adherence.
    """
    shots = scores.shots
    sim_held = [shot.sim_held for shot in shots]
    frames = [float(np.isfinite(shot.similarities_F).sum()) for shot in shots]
    found = {
        "sim_held": bootstrap_mean(sim_held, weights=frames),
        "m_cp": bootstrap_mean([shot.m_cp for shot in shots]),
        "drift": bootstrap_mean([shot.drift.loss if shot.drift else None for shot in shots]),
        "prompt_delta": bootstrap_mean(
            [_delta(shot) for shot in shots], weights=[float(len(shot.adherence)) for shot in shots]
        ),
    }
    if scores.ceiling > 0:
        ratios = [None if value is None else value / scores.ceiling for value in sim_held]
        found["likeness_ratio"] = bootstrap_mean(ratios, weights=frames)
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
            reasons=content.reasons,
            links=_links(content, out_dir),
        )
    )
    write_text(
        out_dir / "report.json", json.dumps(report_json(content), indent=1, allow_nan=False) + "\n"
    )
    write_text(out_dir / "report.html", page)
    return out_dir / "report.html"


def _links(content: ReportContent, out_dir: Path) -> tuple[str | None, ...]:
    """The way from the page to each clip, for as long as both stay where they are."""
    clips = content.clips or (None,) * len(content.takes)
    return tuple(
        quote(Path(os.path.relpath(clip, out_dir)).as_posix())
        if clip is not None and clip.is_file()
        else None
        for clip in clips
    )
