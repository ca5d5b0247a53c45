"""Clips of one character in, every figure of the protocol out.

Shapes: F frames, D embedding, E enrolled photos, H held-out photos.
"""

from collections.abc import Mapping, Sequence

import numpy as np

from facekit.errors import UsageError
from facekit.evaluation import metrics, motion
from facekit.evaluation.scores import CharacterScores, Probe, Reference, ShotScores, Take

__all__ = ["check_report_encoder", "measure_character", "measure_take", "share_right"]


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
            "one: an encoder that trained flatters its own work; set encoder.train to "
            f"{train.partition('@')[0]} and encoder.report to another encoder"
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

    Raises:
        MediaError: The base clip has another size or length.
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
    changed = motion.changed_off_face(take, base) if base else None
    return ShotScores(
        shot=take.shot,
        statuses=track.statuses,
        similarities_F=counted,
        raw_similarities_F=raw,
        yaw_deg_F=track.yaw_deg,
        sim_held=metrics.mean_or_none(counted),
        coverage=float(scored.mean()),
        m_cp=metrics.copy_paste(seen_FD, reference.enrolled_ED, reference.held_out_HD),
        drift=metrics.drift(counted, track.embeddings_FD, take.clip.fps),
        centroid_D=metrics.centroid(seen_FD),
        landmark_path=motion.landmark_path(track),
        frame_change=motion.frame_change(take.clip),
        off_face_change=changed[0] if changed else None,
        on_face_change=changed[1] if changed else None,
        adherence=dict(probe(take.clip, asked)) if probe and asked else {},
        base_adherence=dict(probe(base.clip, asked)) if probe and asked and base else {},
        base_landmark_path=motion.landmark_path(base.track) if base else None,
        base_frame_change=motion.frame_change(base.clip) if base else None,
        jitter=motion.jitter(track),
        base_jitter=motion.jitter(base.track) if base else None,
    )


def measure_character(
    name: str,
    takes: Sequence[Take],
    reference: Reference,
    *,
    base_takes: Sequence[Take | None] | None = None,
    truth_takes: Sequence[Take | None] | None = None,
    probe: Probe | None = None,
    expected: Sequence[Mapping[str, str]] | None = None,
) -> CharacterScores:
    """Measure all takes of one character.

    Args:
        name: The character.
        takes: Its takes, any seeds and prompts.
        reference: Its photos.
        base_takes: The base model's take of each, in the same order, same seeds; None where one is
            missing.
        truth_takes: Drawn clips of the character itself in the same shots, where the world is
            known; they give what the figures could be. None where one is missing.
        probe: Reads what a clip shows.
        expected: What each prompt asks for.

    Raises:
        UsageError: There is nothing to measure.
        MediaError: A base clip has another size or length than its shot.
    """
    if not takes:
        raise UsageError(f"{name}: no clips to measure; shoot some first")
    nothing: Sequence[Take | None] = [None] * len(takes)
    bases = base_takes if base_takes is not None else nothing
    asked = expected if expected is not None else [{}] * len(takes)
    shots = tuple(
        measure_take(take, reference, base=base, probe=probe, expected=wanted)
        for take, base, wanted in zip(takes, bases, asked, strict=True)
    )
    ceiling = reference.ceiling
    everything = metrics.cross_shot([shot.centroid_D for shot in shots])
    figures = _figures(shots, ceiling, everything)
    figures |= _against_truth(shots, truth_takes or nothing, reference)
    right = [shot.adherence for shot in shots]
    base_right = [shot.base_adherence for shot in shots]
    adherence, base_adherence = share_right(right), share_right(base_right)
    figures["prompt_adherence"] = _all_right(right)
    figures["base_prompt_adherence"] = _all_right(base_right)
    paired = [own for own, base in zip(right, base_right, strict=True) if base]
    figures["prompt_delta"] = _minus(_all_right(paired), figures["base_prompt_adherence"])
    figures["prompt_drop"] = _minus(figures["base_prompt_adherence"], _all_right(paired))
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


def _against_truth(
    shots: Sequence[ShotScores], truth: Sequence[Take | None], reference: Reference
) -> dict[str, float | None]:
    """Compare with drawn clips of the same shots: what the truth gets, no model is blamed for.

    XMin is compared over all shots that have a face on both sides, whatever their likeness: were
    strangers left out, losing the person would raise the ratio.
    """
    seen = [take.track.embeddings_FD[take.track.is_scored] if take else None for take in truth]
    centroids = [None if rows is None else metrics.centroid(rows) for rows in seen]
    both = [
        (shot.centroid_D, centroid)
        for shot, centroid in zip(shots, centroids, strict=True)
        if shot.centroid_D is not None and centroid is not None
    ]
    own_xmin = metrics.cross_shot([own for own, _ in both]).xmin
    xmin = metrics.cross_shot([drawn for _, drawn in both]).xmin
    copied = [
        None
        if rows is None
        else metrics.copy_paste(rows, reference.enrolled_ED, reference.held_out_HD)
        for rows in seen
    ]
    beyond = [_minus(shot.m_cp, drawn) for shot, drawn in zip(shots, copied, strict=True)]
    return {
        "xmin_truth": xmin,
        "xmin_ratio": own_xmin / xmin if own_xmin is not None and xmin and xmin > 0 else None,
        "m_cp_truth": metrics.mean_or_none(copied),
        "m_cp_over_truth": metrics.mean_or_none(beyond),
        "jitter_truth": metrics.mean_or_none(
            [motion.jitter(take.track) for take in truth if take is not None]
        ),
    }


def share_right(rows: Sequence[Mapping[str, bool]]) -> dict[str, float]:
    """Return for each attribute the share of rows that name it and got it right."""
    names = dict.fromkeys(name for row in rows for name in row)
    return {name: float(np.mean([row[name] for row in rows if name in row])) for name in names}


def _all_right(rows: Sequence[Mapping[str, bool]]) -> float | None:
    """Return the share of everything asked for that is right."""
    return metrics.mean_or_none([float(value) for row in rows for value in row.values()])


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
        "drift": metrics.mean_or_none([d.loss for d in drifts]),
        "drift_slope_per_s": metrics.mean_or_none([d.slope_per_s for d in drifts]),
        "identity_deviation": metrics.mean_or_none([d.deviation for d in drifts]),
        "same_face_rate": metrics.mean_or_none([d.kept for d in drifts]),
        "landmark_path_ratio": path,
        "frame_change_ratio": change,
        "motion_ratio": motion.weaker(path, change),
        "jitter": metrics.mean_or_none([shot.jitter for shot in shots]),
        "base_jitter": metrics.mean_or_none([shot.base_jitter for shot in shots]),
        "off_face_change": metrics.mean_or_none([shot.off_face_change for shot in shots]),
        "on_face_change": metrics.mean_or_none([shot.on_face_change for shot in shots]),
    }
