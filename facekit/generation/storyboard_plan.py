"""A board and what is known of its files become plans of shots, in the order of their making."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from hashlib import sha256

from facekit.generation.regional_prompts import regional_prompt
from facekit.generation.storyboard import (
    REGION_WORDS,
    CharacterInShot,
    FramePin,
    ShotEntry,
)
from facekit.generation.storyboard_checks import aspect_ratio
from facekit.generation.storyboard_facts import BackboneFacts, CastFacts, PictureFacts
from facekit.generation.storyboard_frames import FramePlan
from facekit.generation.storyboard_loading import LocatedBoard
from facekit.generation.storyboard_parts import Gates
from facekit.generation.storyboard_people import people_in, region_box
from facekit.generation.storyboard_prompt import PromptParts, call_names, join_prompt, size_kind
from facekit.generation.storyboard_shot import BoardMarker, CharacterPlan, PinPlan, ShotPlan
from facekit.generation.storyboard_timing import BoardTiming, pinned_frame

__all__ = ["BoardFacts", "in_making_order", "plan_shots", "shot_name", "shot_seed"]

_UNKNOWN_KIND = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class BoardFacts:
    """Everything that a plan must know beside the board."""

    backbone: BackboneFacts
    cast: Mapping[str, CastFacts]
    pictures: Mapping[str, PictureFacts]
    """Pins and masks, by how the board calls them."""


def shot_seed(project: str, name: str) -> int:
    """The seed of a shot that says none: of its name alone, so that others may come and go."""
    return int.from_bytes(sha256(f"{project}/{name}".encode()).digest()[:4], "big") >> 1


def shot_name(template: str, project: str, sequence: str, shot: str, aspect: str = "") -> str:
    """What the files of a shot are called; aspects but the first are named."""
    name = template
    for key, value in (("project", project), ("seq", sequence), ("shot", shot)):
        name = name.replace("{" + key + "}", value)
    return f"{name}_{aspect.replace(':', 'x')}" if aspect else name


def plan_shots(located: LocatedBoard, facts: BoardFacts) -> tuple[ShotPlan, ...]:
    """Plan every shot in every aspect it is asked in, in the order of the cut.

    Args:
        located: A board without mistakes.
        facts: Of its files; every character and picture that the board names.
    """
    return tuple(_Planner(located, facts).plans())


def in_making_order(shots: tuple[ShotPlan, ...]) -> tuple[ShotPlan, ...]:
    """Put every shot after those that it goes on from; otherwise the order stays."""
    by_name = {shot.name: shot for shot in shots}
    made: dict[str, ShotPlan] = {}
    for shot in shots:
        waiting = [shot]
        while waiting:
            first = [by_name[name] for name in waiting[-1].depends_on if name not in made]
            if first:
                waiting.append(first[0])
            else:
                done = waiting.pop()
                made.setdefault(done.name, done)
    return tuple(made.values())


class _Planner:
    def __init__(self, located: LocatedBoard, facts: BoardFacts) -> None:
        assert located.board is not None
        self._board = located.board
        self._facts = facts
        self._timing = BoardTiming(located.board, facts.backbone)

    def plans(self) -> Iterator[ShotPlan]:
        for name in self._timing.entries:
            for aspect in self._timing.aspects(name):
                yield self._plan(name, aspect)

    def _name(self, name: str, aspect: str) -> str:
        project, deliver = self._board.project, self._board.deliver
        sequence, shot = self._timing.entries[name]
        suffix = "" if aspect == deliver.aspects[0] else aspect
        return shot_name(project.template, project.id, sequence, shot.id, suffix)

    def _plan(self, name: str, aspect: str) -> ShotPlan:
        board, backbone = self._board, self._facts.backbone
        sequence, shot = self._timing.entries[name][0], self._timing.whole[name]
        frames = self._timing.frames(name)
        written = self._prompt(shot)
        engine = {
            key: own if own is not None else show if show is not None else getattr(backbone, key)
            for key in ("num_inference_steps", "guidance_scale", "identity_guidance")
            for own, show in [
                (getattr(shot.override.engine, key), getattr(board.engine.defaults, key))
            ]
        }
        height, width = backbone.sizes[aspect]
        first = shot.seed if shot.seed is not None else shot_seed(board.project.id, name)
        return ShotPlan(
            name=self._name(name, aspect),
            sequence=sequence,
            shot=shot.id,
            aspect=aspect,
            written_prompt=written,
            prompt=call_names(written, {name: x.phrase for name, x in self._facts.cast.items()}),
            negative_prompt=board.world.negative if shot.negative is None else shot.negative,
            kind=size_kind(shot.size) or _UNKNOWN_KIND,
            height=height,
            width=width,
            deliver_size=_delivered_size(board.deliver.size, aspect),
            frames=frames,
            characters=tuple(self._people(shot, frames, written)),
            num_inference_steps=engine["num_inference_steps"],
            guidance_scale=engine["guidance_scale"],
            identity_guidance=engine["identity_guidance"],
            native_fps=backbone.fps,
            backbone=backbone.digest,
            seeds=tuple((first + take) % 2**31 for take in range(shot.takes)),
            extends=self._extended(name, aspect),
            first_frame=self._pin(name, aspect, "first_frame", shot.first_frame),
            last_frame=self._pin(name, aspect, "last_frame", shot.last_frame),
            gates=_merged(board.gates, shot.gates),
            transition=shot.transition,
            start_frame=board.deliver.start_frame,
            markers=tuple(_markers(shot, frames)),
            is_continued=self._timing.is_continued(name),
            passes=_passes(backbone, engine["guidance_scale"], engine["identity_guidance"]),
        )

    def _prompt(self, shot: ShotEntry) -> str:
        if shot.prompt is not None:
            return shot.prompt
        world, people = self._board.world, people_in(shot)
        parts = PromptParts(
            size=shot.size,
            characters=tuple(person.id for person in people),
            expressions=tuple(person.expression for person in people),
            sides=tuple(REGION_WORDS.get(str(person.region), "") for person in people),
            action=shot.action,
            place=world.place if shot.place is None else shot.place,
            light=world.light if shot.light is None else shot.light,
            move=shot.camera.move,
            lens=shot.camera.lens,
            angle=shot.camera.angle,
            props=shot.continuity.props,
            style=world.style if shot.style is None else shot.style,
        )
        return join_prompt(parts, self._facts.backbone.knows)

    def _people(self, shot: ShotEntry, frames: FramePlan, written: str) -> Iterator[CharacterPlan]:
        people = people_in(shot)
        for person in people:
            facts, mask = self._facts.cast[person.id], None
            box, region = region_box(person), "box"
            if person.mask is not None:
                mask, region = self._facts.pictures[person.mask], "mask"
            elif box is None:
                alone = person.region is None and len(people) == 1
                region = "everywhere" if alone else "auto"
            yield CharacterPlan(
                id=person.id,
                file=facts.file,
                digest=facts.digest,
                region=region,
                box=box,
                mask=mask.file if mask else None,
                mask_digest=mask.digest if mask else "",
                strength=self._strength(person, frames),
                regional_prompt=regional_prompt(written, person.id, facts.phrase)
                if len(people) > 1 and self._facts.backbone.tells_regions
                else "",
                face_required=size_kind(shot.size) in _FACES
                if person.face is None
                else person.face == "required",
            )

    def _strength(
        self, person: CharacterInShot, frames: FramePlan
    ) -> tuple[tuple[int, float], ...]:
        said = person.strength
        if said is None:
            return ((0, self._board.cast[person.id].strength),)
        if not isinstance(said, tuple):
            return ((0, said),)
        shown = frames.source_frames()
        keys = {shown[frames.head + frame]: value for frame, value in said}
        return tuple(keys.items())

    def _extended(self, name: str, aspect: str) -> PinPlan | None:
        other = self._timing.others[name].get("extend_of")
        if other is None:
            return None
        return PinPlan(
            shot=self._name(other, aspect), frame=self._timing.frames(other).source_frames()[-1]
        )

    def _pin(self, name: str, aspect: str, key: str, pin: FramePin | None) -> PinPlan | None:
        if pin is None:
            return None
        if pin.image is not None:
            picture = self._facts.pictures[pin.image]
            return PinPlan(image=picture.file, digest=picture.digest)
        other = self._timing.others[name][key]
        frames = self._timing.frames(other)
        at = frames.head + pinned_frame(pin, frames)
        return PinPlan(shot=self._name(other, aspect), frame=frames.source_frames()[at])


_FACES = ("close-up", "medium shot")


def _delivered_size(size: tuple[int, int] | None, aspect: str) -> tuple[int, int] | None:
    """Width and height with the same shorter side, even."""
    if size is None:
        return None
    wide, high = aspect_ratio(aspect)
    short = min(size)
    longer = round(short * max(wide, high) / min(wide, high) / 2) * 2
    return (longer, short) if wide >= high else (short, longer)


def _merged(show: Gates, shot: Gates) -> Gates:
    """The show's gates with what the shot says of its own."""
    update = {key: getattr(shot, key) for key in shot.model_fields_set if key != "identity"}
    said = {key: getattr(shot.identity, key) for key in shot.identity.model_fields_set}
    identity = show.identity.model_copy(update=said)
    own = {key: getattr(show, key) for key in Gates.model_fields}
    return Gates(**{**own, "identity": identity, **update})


def _markers(shot: ShotEntry, frames: FramePlan) -> Iterator[BoardMarker]:
    for line in shot.dialogue:
        frame = min(round(line.at_s * frames.rate), frames.cut - 1)
        yield BoardMarker(frame=frame, name=line.who, text=line.line, kind="dialogue")
    if shot.note:
        yield BoardMarker(frame=0, name="note", text=shot.note, kind="note")


def _passes(backbone: BackboneFacts, scale: float, identity: float | None) -> int:
    if not backbone.guides_in_two_passes or scale <= 1:
        return 1
    return 2 if identity is None else 3
