"""From clips and photos to figures, gates and a report; only the report encoder judges."""

from facekit.evaluation.bootstrap import Interval, bootstrap_mean, paired_difference
from facekit.evaluation.gates import (
    Gate,
    GateResult,
    build_gates,
    judge,
    tell_verdict,
    verdict,
)
from facekit.evaluation.measure import check_report_encoder, measure_character, measure_take
from facekit.evaluation.report import ReportContent, report_json, write_report
from facekit.evaluation.scores import CharacterScores, Probe, Reference, ShotScores, Take
from facekit.evaluation.tracks import FaceTrack, ScoringRules, track_clips, track_frames

__all__ = [
    "CharacterScores",
    "FaceTrack",
    "Gate",
    "GateResult",
    "Interval",
    "Probe",
    "Reference",
    "ReportContent",
    "ScoringRules",
    "ShotScores",
    "Take",
    "bootstrap_mean",
    "build_gates",
    "check_report_encoder",
    "judge",
    "measure_character",
    "measure_take",
    "paired_difference",
    "report_json",
    "tell_verdict",
    "track_clips",
    "track_frames",
    "verdict",
    "write_report",
]
