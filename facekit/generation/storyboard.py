"""A storyboard: the whole sequence as closed data, one shot after the other."""

from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import Field

from facekit.generation.storyboard_parts import (
    CastMember,
    Deliver,
    Engine,
    EngineDefaults,
    FileName,
    Gates,
    Labels,
    Project,
    Rights,
    ShowGates,
    World,
)
from facekit.recipe.values import Aspect, Section

__all__ = [
    "CAST_NAME_PATTERN",
    "REGION_WORDS",
    "SCHEMA",
    "Camera",
    "CharacterInShot",
    "Continuity",
    "FramePin",
    "Line",
    "Override",
    "Sequence",
    "ShotEntry",
    "Storyboard",
    "Transition",
    "full_name",
    "storyboard_schema",
]

SCHEMA = "facekit.storyboard/1"
CAST_NAME_PATTERN = r"^[A-Za-z][A-Za-z0-9_-]*$"

_CastName: TypeAlias = Annotated[str, Field(pattern=CAST_NAME_PATTERN)]
_Fraction: TypeAlias = Annotated[float, Field(ge=0, le=1)]
_Box: TypeAlias = tuple[_Fraction, _Fraction, _Fraction, _Fraction]

REGION_WORDS: dict[str, str] = {
    "left": "on the left",
    "right": "on the right",
    "left-third": "on the left",
    "middle-third": "on the middle",
    "right-third": "on the right",
}
"""What a prompt says of somebody there; as the captions of the toon world have it."""

_RegionName: TypeAlias = Literal[
    "auto", "left", "right", "top", "bottom", "left-third", "middle-third", "right-third"
]


class Camera(Section):
    """What the camera does."""

    move: str = ""
    """Such as `slow push in`."""
    lens: int | None = Field(default=None, ge=1, le=2000)
    """Focal length in mm."""
    angle: Literal["", "eye", "low", "high", "overhead", "dutch"] = ""
    """Where it looks from."""


class CharacterInShot(Section):
    """One of the cast in one shot."""

    id: str = Field(min_length=1)
    """Of the cast."""
    region: _RegionName | _Box | None = None
    """Where in the picture: a name, left, top, right and bottom in parts of the picture, or auto,
    found from a first pass. Absent means everywhere for somebody alone, auto for several."""
    mask: str | None = None
    """A picture that is white where the character is; it takes the place of a region."""
    strength: (
        Annotated[float, Field(ge=0, le=3)]
        | tuple[tuple[Annotated[int, Field(ge=0)], Annotated[float, Field(ge=0, le=3)]], ...]
        | None
    ) = None
    """How much of the character: a number, or keyframes [frame, strength]. Frames count from 0 at
    the start of the cut."""
    expression: str = ""
    """Such as `happy`."""
    face: Literal["required", "optional"] | None = None
    """Whether a face must be seen; absent means that close-ups and medium shots demand one."""


class Line(Section):
    """One line of dialogue; it becomes a marker on the timeline."""

    who: str = Field(min_length=1)
    """Of the cast."""
    line: str = Field(min_length=1)
    """What is said."""
    at_s: float = Field(default=0.0, ge=0)
    """Seconds after the start of the cut."""


class FramePin(Section):
    """The picture that a shot begins or ends with: a file, or a frame of another shot."""

    image: str | None = None
    """A picture file; a relative path begins at the board."""
    shot: str | None = None
    """Another shot."""
    frame: Literal["first", "last"] | Annotated[int, Field(ge=0)] = "last"
    """Which of its frames, counted from 0 at the start of its cut."""


class Continuity(Section):
    """What stays as in other shots."""

    same_as: str | None = None
    """A shot whose place, light and style are taken where this one says none."""
    props: tuple[str, ...] = ()
    """Things that must be seen."""


class Transition(Section):
    """How the cut goes over from the shot before."""

    type: Literal["cut", "dissolve"] = "cut"
    """At once, or one picture through the other."""
    frames: int = Field(default=0, ge=0)
    """Length of a dissolve, half of it on each side of the cut; it uses up handles."""


class Override(Section):
    """What this shot alone does otherwise."""

    engine: EngineDefaults = EngineDefaults()


class ShotEntry(Section):
    """One shot, as it is written."""

    id: FileName
    """Once in its sequence. Others refer to it by it, or by `SEQ010/SH0010`."""
    seconds: float | None = Field(default=None, gt=0, le=3600)
    """Length of the cut; either this or frames."""
    frames: int | None = Field(default=None, gt=0, le=100_000)
    """Length of the cut, in frames of the delivery."""
    size: Literal["ECU", "CU", "MCU", "MS", "FS", "WS", "EST", "OTS", "POV", "INSERT", ""] = ""
    """Shot size."""
    camera: Camera = Camera()
    action: str = ""
    """What happens; `@mira` is one of the cast."""
    place: str | None = None
    """Absent means that of the world, as for light and style."""
    light: str | None = None
    """Such as `soft light`."""
    style: str | None = None
    """Such as `35 mm, overcast`."""
    negative: str | None = None
    """What the pictures should not show."""
    prompt: str | None = Field(default=None, min_length=1)
    """The whole prompt; nothing is joined to it, and action, camera, place, light, style and props
    must not be said."""
    characters: tuple[CharacterInShot, ...] = ()
    dialogue: tuple[Line, ...] = ()
    first_frame: FramePin | None = None
    """The shot begins with this picture; who is in it stays with the characters."""
    last_frame: FramePin | None = None
    """The shot ends with this picture."""
    extend_of: str | None = None
    """Goes on where this shot ends; what is not said here is as there."""
    continuity: Continuity = Continuity()
    seed: int | None = Field(default=None, ge=0, lt=2**31)
    """Of the first take, each next take has the next; absent means one made of the shot's name."""
    takes: int = Field(default=1, ge=1, le=100)
    """Takes that are shot in any case."""
    aspects: tuple[Aspect, ...] | None = Field(default=None, min_length=1)
    """Only these of deliver.aspects."""
    handles: int | None = Field(default=None, ge=0, le=240)
    """Absent means deliver.handles."""
    transition: Transition = Transition()
    gates: Gates = Gates()
    """What is said here goes before the show's gates."""
    override: Override = Override()
    note: str = ""
    """For people; it becomes a marker on the timeline."""


class Sequence(Section):
    """Shots that belong together."""

    id: FileName
    """Once on the board."""
    title: str = ""
    """For people."""
    shots: tuple[ShotEntry, ...] = Field(min_length=1)


class Storyboard(Section):
    """The whole show."""

    schema_: Literal["facekit.storyboard/1"] = Field(alias="schema")
    """What this file is, and by which rules."""
    project: Project
    deliver: Deliver = Deliver()
    engine: Engine = Engine()
    world: World = World()
    cast: dict[Annotated[str, Field(pattern=CAST_NAME_PATTERN)], CastMember] = Field(
        default_factory=dict
    )
    """Names, as `@name` in prompts, to characters."""
    gates: ShowGates = ShowGates()
    rights: Rights = Rights()
    labels: Labels = Labels()
    sequences: tuple[Sequence, ...] = Field(min_length=1)

    def entries(self) -> Iterator[tuple[int, int, Sequence, ShotEntry]]:
        """Every shot in order of the cut: place of its sequence, its own place, and both."""
        for outer, sequence in enumerate(self.sequences):
            for inner, shot in enumerate(sequence.shots):
                yield outer, inner, sequence, shot

    def find(self, reference: str, sequence: str) -> str | None:
        """Find what a shot is called in full, as `SEQ010/SH0010`.

        Args:
            reference: The shot's id, or its full name.
            sequence: Where it is spoken of: its own shots come first.

        Returns:
            None when there is no such shot, or several of other sequences.
        """
        names = [full_name(group.id, shot.id) for _, _, group, shot in self.entries()]
        if reference in names:
            return reference
        if full_name(sequence, reference) in names:
            return full_name(sequence, reference)
        others = [name for name in names if PurePosixPath(name).name == reference]
        return others[0] if len(others) == 1 else None


def full_name(sequence: str, shot: str) -> str:
    """What a shot is called on the whole board."""
    return f"{sequence}/{shot}"


def storyboard_schema() -> dict[str, Any]:
    """The JSON Schema of a storyboard, for editors."""
    return Storyboard.model_json_schema()
