"""What a board asks that its backbone or its characters cannot do."""

from collections.abc import Iterator, Mapping

from facekit.errors import UsageError
from facekit.generation.storyboard import ShotEntry, Storyboard, full_name
from facekit.generation.storyboard_facts import BackboneFacts, CastFacts
from facekit.generation.storyboard_loading import LocatedBoard
from facekit.generation.storyboard_people import people_in
from facekit.generation.storyboard_timing import BoardTiming, pinned_frame
from facekit.generation.storyboard_yaml import KeyPath, Mistake
from facekit.media.timecode import clock_frames, exact_rate, has_timecode

__all__ = ["check_feasible"]


def check_feasible(
    located: LocatedBoard, backbone: BackboneFacts, cast: Mapping[str, CastFacts]
) -> tuple[Mistake, ...]:
    """List what cannot be done.

    Args:
        located: Where it is written.
        backbone: Of the board.
        cast: Those of the cast that were found.
    """
    board = located.board
    if board is None:
        return ()
    timing = BoardTiming(board, backbone)
    found = [*_deliver(board, backbone), *_engine(board, backbone)]
    last: str | None = None
    for path, sequence, shot in located.shots():
        name = full_name(sequence.id, shot.id)
        whole = timing.whole[name]
        found += _guidance(board, backbone, path, whole)
        found += _people(board, backbone, path, shot, whole, cast)
        if (shot.seconds is None) == (shot.frames is None):
            continue  # told already
        found += _pins(path, name, whole, timing, backbone)
        found += _moments(path, name, shot, timing)
        found += _dissolve(path, name, last, timing)
        last = name
    return tuple(found)


def _deliver(board: Storyboard, backbone: BackboneFacts) -> Iterator[Mistake]:
    deliver = board.deliver
    for aspect in deliver.aspects:
        if aspect not in backbone.sizes:
            text = f"{aspect}: {backbone.name} has no size for it, expected one of"
            known = ", ".join(backbone.sizes)
            yield Mistake(path=("deliver", "aspects"), text=f"{text} {known}")
    rate = exact_rate(backbone.fps if deliver.fps is None else deliver.fps)
    meant = exact_rate(round(float(rate) * 1.001) / 1.001)
    if not has_timecode(rate) and has_timecode(meant) and abs(rate - meant) < 0.02:
        text = f"got {float(rate):g}, expected {float(meant):.5g}, which means {meant}"
        yield Mistake(path=("deliver", "fps"), text=text)
        return
    try:
        clock_frames(deliver.timecode, rate)
    except UsageError:
        text = f"got {deliver.timecode}, expected a time of day at {float(rate):g} fps"
        yield Mistake(path=("deliver", "timecode"), text=text)
    if deliver.review == deliver.mezzanine == "none":
        text = "none beside review: none, expected one of them, for the timeline names a movie"
        yield Mistake(path=("deliver", "mezzanine"), text=text)
    if deliver.size is not None and any(side % 2 for side in deliver.size):
        text = f"got {deliver.size[0]}x{deliver.size[1]}, expected even sides"
        yield Mistake(path=("deliver", "size"), text=text)


def _engine(board: Storyboard, backbone: BackboneFacts) -> Iterator[Mistake]:
    said = board.engine.defaults
    if said.identity_guidance is not None and not backbone.guides_in_two_passes:
        text = f"got {said.identity_guidance:g}, expected none for {backbone.name}, which has no"
        path = ("engine", "defaults", "identity_guidance")
        yield Mistake(path=path, text=f"{text} pass without the prompt")


def _guidance(
    board: Storyboard, backbone: BackboneFacts, path: KeyPath, shot: ShotEntry
) -> Iterator[Mistake]:
    show, own = board.engine.defaults, shot.override.engine
    where = (*path, "override", "engine")
    for said, at in ((show, ("engine", "defaults")), (own, where)):
        steps = said.num_inference_steps
        if steps is not None and steps < backbone.min_inference_steps:
            text = f"got {steps}, expected {backbone.min_inference_steps} or more for"
            yield Mistake(path=(*at, "num_inference_steps"), text=f"{text} {backbone.name}")
    identity = show.identity_guidance if own.identity_guidance is None else own.identity_guidance
    scale = show.guidance_scale if own.guidance_scale is None else own.guidance_scale
    scale = backbone.guidance_scale if scale is None else scale
    if identity is not None and scale <= 1:
        at = where if own.model_fields_set else ("engine", "defaults")
        text = f"identity_guidance with guidance_scale {scale:g}, expected a guidance_scale above 1"
        yield Mistake(path=at, text=text)


def _people(
    board: Storyboard,
    backbone: BackboneFacts,
    path: KeyPath,
    shot: ShotEntry,
    whole: ShotEntry,
    cast: Mapping[str, CastFacts],
) -> Iterator[Mistake]:
    people = [person for person in people_in(whole) if person.id in cast]
    plain = [person.id for person in people if not cast[person.id].has_identity]
    where = (*path, "characters")
    if people and (shot.characters or not shot.extend_of):
        placed = [
            person.id
            for person in people
            if (len(people_in(whole)) > 1 or person.mask is not None or person.region is not None)
            and not cast[person.id].keeps_to_region
        ]
        if placed:
            text = f"{', '.join(placed)}: in a region, where a LoRA cannot be kept on"
            text += f" {backbone.name}, expected a character without one (level L0 or L1)"
            yield Mistake(path=where, text=text)
        show, own = board.engine.defaults, whole.override.engine
        asked = show.identity_guidance if own.identity_guidance is None else own.identity_guidance
        asked = backbone.identity_guidance if asked is None else asked
        if asked is not None and len(plain) == len(people_in(whole)):
            text = f"{', '.join(plain)}: a plain LoRA has no identity branch, expected no"
            yield Mistake(path=where, text=f"{text} identity_guidance")
    for person in shot.characters:
        if person.id in plain and isinstance(person.strength, tuple):
            text = f"{person.id}: a plain LoRA has one strength, expected no keyframes"
            yield Mistake(path=where, text=text)


def _pins(
    path: KeyPath, name: str, shot: ShotEntry, timing: BoardTiming, backbone: BackboneFacts
) -> Iterator[Mistake]:
    frames = timing.frames(name)
    begins, ends = backbone.begins_with_picture, backbone.ends_with_picture
    cannot = f"{backbone.name} cannot begin with a picture"
    if begins is False:
        for key in ("extend_of", "first_frame"):
            if getattr(shot, key) is not None:
                yield Mistake(path=(*path, key), text=f"{cannot}, expected no {key}")
        if len(frames.chunks) > 1:
            key = "seconds" if shot.frames is None else "frames"
            needed = frames.used + frames.lead
            text = f"{frames.asked} with handles are {needed} drawn frames, expected"
            most = f"at most {backbone.max_frames}, for {cannot} and so cannot go on"
            yield Mistake(path=(*path, key), text=f"{text} {most}")
    elif backbone.needs_picture and shot.first_frame is None and shot.extend_of is None:
        text = f"{backbone.name} begins every clip with a picture, expected first_frame or"
        yield Mistake(path=path, text=f"{text} extend_of")
    if shot.last_frame is not None and ends is False:
        text = f"{backbone.name} cannot end with a given picture, expected no last_frame"
        yield Mistake(path=(*path, "last_frame"), text=text)
    if shot.last_frame is not None and shot.first_frame is not None and frames.skipped:
        text = f"{frames.asked} between two pictures are {frames.used} drawn frames, expected"
        legal = f"as many as can be drawn without a rest: {backbone.legal_frames}"
        yield Mistake(path=(*path, "last_frame"), text=f"{text} {legal}")


def _moments(path: KeyPath, name: str, shot: ShotEntry, timing: BoardTiming) -> Iterator[Mistake]:
    frames = timing.frames(name)
    for person in shot.characters:
        if isinstance(person.strength, tuple) and person.strength:
            at = person.strength[-1][0]
            if shot.frames is None and at >= frames.cut:
                text = f"{person.id}: keyframe {at} of {frames.cut} frames, expected 0 to"
                yield Mistake(path=(*path, "characters"), text=f"{text} {frames.cut - 1}")
    for index, line in enumerate(shot.dialogue):
        if line.at_s >= frames.seconds:
            text = f"got {line.at_s:g}, expected less than the {frames.seconds:g} s of the cut"
            yield Mistake(path=(*path, "dialogue", index, "at_s"), text=text)
    aspects = set(timing.aspects(name))
    for key, other in timing.others[name].items():
        if key == "continuity":
            continue
        missing = sorted(aspects - set(timing.aspects(other)))
        if missing:
            text = f"{other} is not made in {', '.join(missing)}, expected the aspects of this shot"
            yield Mistake(path=(*path, key), text=text)
        pin = getattr(shot, key) if key != "extend_of" else None
        entry = timing.entries[other][1]
        if pin is None or (entry.seconds is None) == (entry.frames is None):
            continue
        cut = timing.frames(other).cut
        if pinned_frame(pin, timing.frames(other)) >= cut:
            text = f"got {pin.frame}, expected 0 to {cut - 1}, the frames of {other}"
            yield Mistake(path=(*path, key, "frame"), text=text)


def _dissolve(path: KeyPath, name: str, last: str | None, timing: BoardTiming) -> Iterator[Mistake]:
    shot = timing.entries[name][1]
    length = shot.transition.frames
    if shot.transition.type != "dissolve" or not length:
        return
    where = (*path, "transition")
    if last is None:
        yield Mistake(path=where, text="a dissolve into the first shot, expected one before it")
        return
    before, here = timing.frames(last), timing.frames(name)
    head, tail = length // 2, length - length // 2
    if here.head < head or before.tail < tail:
        text = f"a dissolve of {length} frames uses {head} of this shot's {here.head} frames of"
        text += f" handle and {tail} of the {before.tail} of {last}, expected longer handles"
        yield Mistake(path=where, text=text)
