"""What a decided shot and a finished board leave: movies, records, timelines, tables."""

import csv
import io
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from facekit.errors import UsageError
from facekit.generation.timeline import TimelineMarker, build_timeline
from facekit.generation.timeline_files import TIMELINE_SUFFIXES, write_timeline
from facekit.generation.units import take_name, take_seed
from facekit.media.files import write_text
from facekit.media.video import read_clip
from facekit.provenance.facts import Facts
from facekit.types import Clip
from facekit.workflows.board_export import (
    SHOT_RECORD,
    TIMELINE_KEY,
    planned_shot,
    rendered_shot,
)
from facekit.workflows.board_plan import BoardPlan
from facekit.workflows.credentials import sign_output
from facekit.workflows.origin import facts_of
from facekit.workflows.render_files import (
    IDENTITY_SUFFIX,
    link_takes,
    next_version,
    read_json,
    versions,
    write_json,
)
from facekit.workflows.render_jobs import TAKES_DIR
from facekit.workflows.render_log import log_event
from facekit.workflows.render_media import write_contact, write_media
from facekit.workflows.render_state import ShotState, delivery_digest

__all__ = ["SHOT_SCHEMA", "deliver_shot", "write_table", "write_timelines"]

SHOT_SCHEMA = "facekit.shot/1"


def deliver_shot(state: ShotState, plan: BoardPlan) -> Path:
    """Write the files of a decided shot; the record comes last, so that with it all is there.

    A version that has been delivered is never changed: another choice makes a new one.

    Returns:
        The folder of the version.

    Raises:
        OutputError: It cannot be written, or the disk is full.
    """
    begun = time.perf_counter()
    shot, chosen = state.shot, state.decision.chosen
    assert chosen is not None
    version = state.version
    there = versions(plan.out_dir, shot)
    if (version / SHOT_RECORD).is_file() or version != there[-1]:
        version = next_version(plan.out_dir, shot)
        link_takes(state.version, version)
    take = version / TAKES_DIR / f"{take_name(chosen.number)}.mp4"
    clip = read_clip(take)
    files = write_media(version, shot, clip, plan.board.deliver)
    facts = _sign_media(version, files, take, clip)
    media = Path(str(files.get("mezzanine") or files["review"]))
    write_contact(state, plan.out_dir)
    identity = dict(read_json(take.with_suffix("").with_suffix(IDENTITY_SUFFIX)) or {})
    told = {"take": take_name(chosen.number), "verdict": chosen.verdict}
    identity |= {**told, "reasons": list(chosen.reasons)}
    write_json(version / "identity.json", identity)
    markers = [
        TimelineMarker(
            frame=shot.start_frame, name=chosen.verdict, text="; ".join(chosen.reasons), kind="gate"
        )
        for _ in range(chosen.verdict != "pass")
    ]
    metadata = {
        "take": take_name(chosen.number),
        "seed": take_seed(shot, chosen.number),
        "fingerprint": chosen.fingerprint,
        "verdict": chosen.verdict,
        "likeness": chosen.score,
    }
    laid = planned_shot(plan, shot, media=Path(media.name), markers=markers, metadata=metadata)
    content = {
        "schema": SHOT_SCHEMA,
        "name": shot.name,
        "delivery": delivery_digest(plan, shot, chosen.fingerprint),
        **told,
        "reason": state.decision.reason,
        "reasons": list(chosen.reasons),
        "fingerprint": chosen.fingerprint,
        "seed": take_seed(shot, chosen.number),
        "likeness": chosen.score,
        "takes": [
            {
                "take": take_name(one.number),
                "seed": take_seed(shot, one.number),
                "fingerprint": one.fingerprint,
                "verdict": one.verdict,
                "likeness": one.score,
                "reasons": list(one.reasons),
            }
            for one in state.takes
        ],
        "frames": {"requested": shot.frames.asked, **shot.frames.to_json()},
        "render_id": None if facts is None else facts.render_id,
        "media": media.name,
        "files": files,
        "plan": shot.to_json(),
        TIMELINE_KEY: laid.to_json(),
    }
    write_json(version / SHOT_RECORD, content)
    log_event(
        plan.out_dir,
        "delivered",
        shot.name,
        {
            **told,
            "seed": take_seed(shot, chosen.number),
            "version": version.name,
            "took_s": round(time.perf_counter() - begun, 3),
        },
    )
    return version


def _sign_media(version: Path, files: Mapping[str, object], take: Path, clip: Clip) -> Facts | None:
    """Give every file of a delivery its credentials, made of those of the take."""
    facts = facts_of(read_json(take.with_suffix(".json")) or {})
    for kind in ("mezzanine", "review"):
        if kind in files:
            sign_output(version / str(files[kind]), facts, frames=clip.frames, inputs=(take,))
    if "frames" in files:
        sign_output((version / str(files["frames"])).parent, facts, inputs=(take,))
    return facts


def write_timelines(plan: BoardPlan) -> tuple[tuple[Path, ...], tuple[str, ...]]:
    """Write the timeline of every aspect in every format that can say its frame rate.

    Returns:
        The files, and why others are left out.

    Raises:
        OutputError: It cannot be written.
    """
    written: list[Path] = []
    left_out: dict[str, str] = {}
    for aspect in plan.board.deliver.aspects:
        shots = [shot for shot in plan.shots if shot.aspect == aspect]
        if not shots:
            continue
        laid = [rendered_shot(plan.out_dir, shot) or planned_shot(plan, shot) for shot in shots]
        is_first = aspect == plan.board.deliver.aspects[0]
        name = plan.board.project.id + ("" if is_first else f"_{aspect.replace(':', 'x')}")
        for kind, suffix in TIMELINE_SUFFIXES.items():
            file = plan.out_dir / "timeline" / f"{name}{suffix}"
            timeline = build_timeline(
                plan.board.project.title or plan.board.project.id,
                laid,
                shots[0].frames.rate,
                timecode=plan.board.deliver.timecode,
                relative_to=file.parent,
                metadata={"project": plan.board.project.id, "aspect": aspect},
            )
            try:
                write_timeline(timeline, file, kind)
                written.append(file)
            except UsageError as error:  # a frame rate that the format cannot say
                left_out[suffix] = f"{suffix} left out: {str(error).partition(': ')[2]}"
    return tuple(written), tuple(left_out.values())


def write_table(path: Path, rows: Sequence[Mapping[str, object]]) -> None:
    """Write rows as a table that spreadsheets open.

    Raises:
        OutputError: It cannot be written.
    """
    text = io.StringIO()
    writer = csv.DictWriter(text, fieldnames=list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_text(path, text.getvalue())
