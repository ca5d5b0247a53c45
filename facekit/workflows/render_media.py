"""What an editor gets of a shot: review copy, mezzanine, single frames, and a contact sheet."""

from pathlib import Path

from facekit.generation.storyboard_parts import Deliver
from facekit.generation.storyboard_shot import ShotPlan
from facekit.generation.units import take_name
from facekit.media.delivery import Delivery
from facekit.media.movies import write_mezzanine, write_review
from facekit.media.sequences import (
    check_exr,
    frame_file,
    write_exr_sequence,
    write_png_sequence,
)
from facekit.media.sheets import SheetRow, takes_sheet, write_sheet
from facekit.media.timecode import has_timecode, timecode_at
from facekit.media.video import read_clip
from facekit.types import Clip
from facekit.workflows.board_plan import BoardPlan
from facekit.workflows.credentials import signed_output
from facekit.workflows.label import delivery_label
from facekit.workflows.origin import facts_of_takes
from facekit.workflows.render_files import read_json
from facekit.workflows.render_jobs import TAKES_DIR
from facekit.workflows.render_state import ShotState

__all__ = [
    "CONTACT_DIR",
    "check_media",
    "media_warnings",
    "shot_delivery",
    "write_contact",
    "write_media",
]

CONTACT_DIR = "contact"
"""Folder of the contact sheets of all shots, in the folder of a render."""


def shot_delivery(shot: ShotPlan, deliver: Deliver) -> Delivery:
    """How a take of a shot is delivered: with its handles, numbered so that the cut begins right.

    The timecode of a file counts its frame numbers, as the timeline does.
    """
    rate, first = shot.frames.rate, shot.start_frame - shot.frames.head
    return Delivery(
        rate=rate,
        indices=shot.frames.source_frames(),
        size=shot.deliver_size,
        fit=deliver.fit,
        start_frame=first,
        timecode=timecode_at(first, rate) if has_timecode(rate) else None,
    )


def write_media(version: Path, shot: ShotPlan, take: Clip, deliver: Deliver) -> dict[str, object]:
    """Write every file that a board asks for of a shot; what a kill has left is replaced.

    Args:
        version: Folder of the version.
        shot: The shot.
        take: As it was drawn.
        deliver: What is asked for.

    Returns:
        Kind of file -> its name in the folder, and under `described` what became of the take.

    Raises:
        OutputError: It cannot be written, or the disk is full.
        PackageMissing: OpenEXR is not installed.
    """
    delivery, name = shot_delivery(shot, deliver), f"{shot.name}_{version.name}"
    label = delivery_label()
    written: dict[str, object] = {"described": delivery.describe(take)}
    if deliver.mezzanine == "prores422hq":
        written["mezzanine"] = f"{name}.mov"
        write_mezzanine(version / f"{name}.mov", take, delivery, label=label)
    if deliver.review == "h264":
        written["review"] = f"{name}.mp4"
        burnt = name if deliver.burn_in else None
        write_review(version / f"{name}.mp4", take, delivery, burn_in_name=burnt, label=label)
    if deliver.frames != "none":
        write = write_png_sequence if deliver.frames == "png" else write_exr_sequence
        write(version / deliver.frames, take, delivery, name=name, force=True)
        first = frame_file(name, delivery.start_frame, f".{deliver.frames}")
        written["frames"] = f"{deliver.frames}/{first}"
    return written


def write_contact(state: ShotState, out_dir: Path) -> None:
    """Draw all takes of a shot below each other, the delivered one framed; the takes go into it.

    It is not part of a version, for it changes with every take and they do not.

    Args:
        state: Of the shot.
        out_dir: Of the render.

    Raises:
        OutputError: It cannot be written.
        MediaError: A take cannot be read.
        KeyRefused: The certificates that sign it will not do.
    """
    rows, clips = [], []
    for one in state.takes:
        if not one.is_drawn:
            continue
        path = state.version / TAKES_DIR / f"{take_name(one.number)}.mp4"
        clip = read_clip(path)
        clips.append(path)
        score = "" if one.score is None else f"{one.score:.2f}"
        told = [one.verdict, score, *one.reasons[:1]]
        rows.append(
            SheetRow(
                label=take_name(one.number),
                clip=clip,
                note="  ".join(word for word in told if word),
                is_chosen=one == state.decision.chosen,
            )
        )
    if rows:
        sheet = takes_sheet(rows, state.shot.name)
        facts = facts_of_takes([read_json(path.with_suffix(".json")) or {} for path in clips])
        path = out_dir / CONTACT_DIR / f"{state.shot.name}.webp"
        with signed_output(path, facts, inputs=clips) as place:
            write_sheet(place, sheet)


def check_media(deliver: Deliver) -> None:
    """Say before any work whether all that is asked for can be written.

    Raises:
        PackageMissing: OpenEXR is not installed.
        UsageError: The label that facekit.toml asks for cannot be written.
    """
    delivery_label()
    if deliver.frames == "exr":
        check_exr()


def media_warnings(board: BoardPlan) -> tuple[str, ...]:
    """What of a delivery is better known before."""
    rate = board.shots[0].frames.rate  # all have that of the delivery
    if has_timecode(rate):
        return ()
    return (
        f"{float(rate):g} frames per second have no timecode, so the files carry none; set"
        " deliver.fps to a whole number",
    )
