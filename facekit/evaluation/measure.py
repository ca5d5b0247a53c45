"""Clips of one character in, every figure of the protocol out.

Shapes: F frames, D embedding, E enrolled photos, H held-out photos.
"""

from collections.abc import Mapping, Sequence

import numpy as np

from facekit.errors import UsageError
from facekit.evaluation import metrics, motion
from facekit.evaluation.scores import CharacterScores, Probe, Reference, ShotScores, Take


def check_report_encoder(train: str, report: str) -> None:
    """Make sure that the encoder that trained does not judge.

    Args:
        train: Encoder name, or `name@digest`, that conditioned and trained.
        report: Encoder name, or `name@digest`, that is to report.

    Raises:
        UsageError: Both are one encoder.
    """
    if train == report or train.partition("@")[0] == report.partition("@")[0]:
        raise UsageError(
            f"the report encoder is {report}, which also trained the character, expected another "
            "one: an encoder that trained flatters its own work; set encoder.report to a "
            "different encoder"
        )


def measure_take(
    take: Take,
    reference: Reference,
    *,
    base: Take | None = None,
    probe: Probe | None = None,
    expected: Mapping[str, str] | None = None,
) -> ShotScores:
    """Measure one take, and against the base clip of the same seed where one is given.

    Args:
        take: The take of the character.
        reference: Its photos.
        base: The same shot and seed without the character.
        probe: Reads what a clip shows.
        expected: What the prompt asks for, attribute to value.
    """
    track = take.track
    scored = track.is_scored
    raw = metrics.photo_similarities(track.embeddings_FD, reference.held_out_HD)
    counted = metrics.counted_similarities(
        track.embeddings_FD,
        reference.held_out_HD,
        is_scored=scored,
        is_missing=track.is_missing,
        demanded=metrics.demands_face(take.shot.kind),
    )
    seen_FD = track.embeddings_FD[scored]
    asked = expected or {}
    changed = motion.changed_off_face(take.clip, track, base.clip, base.track) if base else None
    return ShotScores(
        shot=take.shot,
        statuses=track.statuses,
        similarities_F=counted,
        raw_similarities_F=raw,
        yaw_deg_F=track.yaw_deg,
        sim_held=metrics.mean_or_none(counted),
        coverage=float(scored.mean()),
        m_cp=metrics.copy_paste(seen_FD, reference.enrolled_ED, reference.held_out_HD),
        drift=metrics.drift(np.where(scored, raw, np.nan), track.embeddings_FD, take.clip.fps),
        centroid_D=metrics.centroid(seen_FD),
        landmark_path=motion.landmark_path(track),
        frame_change=motion.frame_change(take.clip),
        off_face_change=changed[0] if changed else None,
        on_face_change=changed[1] if changed else None,
        adherence=dict(probe(take.clip, asked)) if probe and asked else {},
        base_adherence=dict(probe(base.clip, asked)) if probe and asked and base else {},
        base_landmark_path=motion.landmark_path(base.track) if base else None,
        base_frame_change=motion.frame_change(base.clip) if base else None,
    )


def measure_character(
    name: str,
    takes: Sequence[Take],
    reference: Reference,
    *,
    base_takes: Sequence[Take] | None = None,
    truth_takes: Sequence[Take] | None = None,
    probe: Probe | None = None,
    expected: Sequence[Mapping[str, str]] | None = None,
) -> CharacterScores:
    """Measure all takes of one character.

    Args:
        name: The character.
        takes: Its takes, any seeds and prompts.
        reference: Its photos.
        base_takes: The base model's take of each, in the same order, same seeds.
        truth_takes: Drawn clips of the character itself, where the world is known; they give what
            XMin could be.
        probe: Reads what a clip shows.
        expected: What each prompt asks for.

    Raises:
        UsageError: There is nothing to measure.
    """
    if not takes:
        raise UsageError(f"{name}: no clips to measure; shoot some first")
    bases: Sequence[Take | None] = base_takes if base_takes is not None else [None] * len(takes)
    asked = expected if expected is not None else [{}] * len(takes)
    shots = tuple(
        measure_take(take, reference, base=base, probe=probe, expected=wanted)
        for take, base, wanted in zip(takes, bases, asked, strict=True)
    )
    ceiling = reference.ceiling
    everything = metrics.cross_shot([shot.centroid_D for shot in shots])
    figures = _figures(shots, ceiling, everything)
    truth = metrics.cross_shot(
        [
            metrics.centroid(take.track.embeddings_FD[take.track.is_scored])
            for take in truth_takes or ()
        ]
    )
    figures["xmin_truth"] = truth.xmin
    figures["m_cp_truth"] = _copying(truth_takes or (), reference)
    figures["xmin_ratio"] = (
        figures["xmin"] / truth.xmin if figures["xmin"] is not None and truth.xmin else None
    )
    right = [shot.adherence for shot in shots]
    base_right = [shot.base_adherence for shot in shots]
    adherence, base_adherence = share_right(right), share_right(base_right)
    figures["prompt_adherence"] = metrics.mean_or_none(
        [value for row in right for value in map(float, row.values())]
    )
    figures["base_prompt_adherence"] = metrics.mean_or_none(
        [value for row in base_right for value in map(float, row.values())]
    )
    figures["prompt_delta"] = _minus(figures["prompt_adherence"], figures["base_prompt_adherence"])
    figures["prompt_drop"] = _minus(figures["base_prompt_adherence"], figures["prompt_adherence"])
    strata = metrics.pose_strata(
        np.concatenate([shot.raw_similarities_F for shot in shots]),
        np.concatenate([shot.yaw_deg_F for shot in shots]),
    )
    return CharacterScores(
        name=name,
        ceiling=ceiling,
        shots=shots,
        figures=figures,
        strata=strata,
        adherence=adherence,
        base_adherence=base_adherence,
        cross_shot=everything,
    )


def _copying(takes: Sequence[Take], reference: Reference) -> float | None:
    """Measure copying over takes; what drawn truth gets is what no model can be blamed for."""
    rows = [take.track.embeddings_FD[take.track.is_scored] for take in takes]
    found = [metrics.copy_paste(r, reference.enrolled_ED, reference.held_out_HD) for r in rows]
    return metrics.mean_or_none(found)


def share_right(rows: Sequence[Mapping[str, bool]]) -> dict[str, float]:
    """Return for each attribute the share of rows that name it and got it right."""
    names = dict.fromkeys(name for row in rows for name in row)
    return {name: float(np.mean([row[name] for row in rows if name in row])) for name in names}


def _minus(first: float | None, second: float | None) -> float | None:
    return None if first is None or second is None else first - second


def _figures(
    shots: Sequence[ShotScores], ceiling: float, everything: metrics.CrossShot
) -> dict[str, float | None]:
    """Collect the figures that need no truth and no probe."""
    sim_held = metrics.mean_or_none(np.concatenate([shot.similarities_F for shot in shots]))
    gate = metrics.SHOT_GATE * ceiling
    counted = metrics.cross_shot(
        [s.centroid_D if (s.sim_held or 0.0) >= gate else None for s in shots]
    )
    demanding = [shot.coverage for shot in shots if metrics.demands_face(shot.shot.kind)]
    path = motion.ratio_of_sums(
        [s.landmark_path for s in shots], [s.base_landmark_path for s in shots]
    )
    change = motion.ratio_of_sums(
        [s.frame_change for s in shots], [s.base_frame_change for s in shots]
    )
    drifts = [shot.drift for shot in shots if shot.drift is not None]
    return {
        "sim_held": sim_held,
        "ceiling": ceiling,
        "likeness_ratio": metrics.likeness_ratio(sim_held, ceiling),
        "m_cp": metrics.mean_or_none([shot.m_cp for shot in shots]),
        "xsim": counted.xsim,
        "xmin": counted.xmin,
        "xsim_ungated": everything.xsim,
        "xmin_ungated": everything.xmin,
        "shots_counted": float(
            np.mean([(s.sim_held or 0.0) >= gate and s.centroid_D is not None for s in shots])
        ),
        "coverage": metrics.mean_or_none(demanding),
        "drift": metrics.mean_or_none([d.drop for d in drifts]),
        "drift_slope_per_s": metrics.mean_or_none([d.slope_per_s for d in drifts]),
        "identity_deviation": metrics.mean_or_none([d.deviation for d in drifts]),
        "same_face_rate": metrics.mean_or_none([d.kept for d in drifts]),
        "landmark_path_ratio": path,
        "frame_change_ratio": change,
        "motion_ratio": motion.weaker(path, change),
        "off_face_change": metrics.mean_or_none([shot.off_face_change for shot in shots]),
        "on_face_change": metrics.mean_or_none([shot.on_face_change for shot in shots]),
    }
