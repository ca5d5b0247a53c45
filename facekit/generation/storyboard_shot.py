"""One shot in one aspect with everything decided: what a renderer needs, and nothing else."""

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from facekit.digests import json_digest
from facekit.generation.hand_over import ChainRule
from facekit.generation.storyboard import Transition
from facekit.generation.storyboard_frames import FramePlan
from facekit.generation.storyboard_parts import Gates

__all__ = ["CODE_VERSION", "BoardMarker", "CharacterPlan", "PinPlan", "ShotPlan"]

CODE_VERSION = 1
"""Counted up whenever the same plan would be drawn otherwise; it is part of every fingerprint."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CharacterPlan:
    """One character in a shot."""

    id: str
    file: Path
    digest: str
    """sha256 (hex) of the file."""
    region: str
    """`everywhere`, `auto`, `box` or `mask`."""
    box: tuple[float, float, float, float] | None = None
    """Left, top, right, bottom in parts of the picture."""
    mask: Path | None = None
    mask_digest: str = ""
    strength: tuple[tuple[int, float], ...] = ((0, 1.0),)
    """Keyframes: drawn frame and strength, in rising order; between them it changes evenly."""
    regional_prompt: str = ""
    """What its region reads in place of the shot's prompt; empty for the same."""
    face_required: bool = False
    """Whether a face must be seen in every frame."""

    def strengths(self, first: int, count: int) -> tuple[float, ...]:
        """The strength of each of so many drawn frames, from `first` on."""
        return tuple(_between(self.strength, frame) for frame in range(first, first + count))

    @property
    def is_absent(self) -> bool:
        """Whether its strength is 0 from the first frame to the last."""
        return not any(value for _, value in self.strength)

    def content(self) -> Mapping[str, object]:
        """What of it decides a take."""
        content = {
            "digest": self.digest,
            "region": self.region,
            "box": self.box,
            "mask": self.mask_digest,
            "strength": self.strength,
        }
        told = {"regional_prompt": self.regional_prompt} if self.regional_prompt else {}
        return {**content, **told}

    def to_json(self) -> Mapping[str, object]:
        """All of it as plain data."""
        return {
            "id": self.id,
            "file": str(self.file),
            **self.content(),
            "mask": None if self.mask is None else str(self.mask),
            "face": "required" if self.face_required else "optional",
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class PinPlan:
    """A picture that a shot begins or ends with."""

    image: Path | None = None
    digest: str = ""
    """sha256 (hex) of the image."""
    shot: str | None = None
    """Name of another planned shot."""
    frame: int = 0
    """Drawn frame of that shot, from 0."""

    def content(self, fingerprints: Mapping[str, str]) -> Mapping[str, object]:
        """What of it decides a take; the other shot counts by its first take's fingerprint."""
        if self.shot is None:
            return {"image": self.digest}
        return {"shot": fingerprints.get(self.shot, ""), "frame": self.frame}

    def to_json(self) -> Mapping[str, object]:
        """All of it as plain data."""
        if self.shot is None:
            return {"image": str(self.image), "digest": self.digest}
        return {"shot": self.shot, "frame": self.frame}


@dataclass(frozen=True, slots=True, kw_only=True)
class BoardMarker:
    """Something that the board says of a moment: a line of dialogue, a note."""

    frame: int
    """Frame of the cut, from 0."""
    name: str
    text: str
    kind: str
    """`dialogue` or `note`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ShotPlan:
    """One shot in one aspect, everything decided."""

    name: str
    """What its files are called; once on the board."""
    sequence: str
    shot: str
    aspect: str
    written_prompt: str
    """With `@name`."""
    prompt: str
    """What the backbone reads."""
    negative_prompt: str
    kind: str
    """One of ``SHOT_SIZES``, or ``unknown``, which demands no face."""
    height: int
    """Drawn, in pixels."""
    width: int
    deliver_size: tuple[int, int] | None
    """Width and height of the delivery; None for as drawn."""
    frames: FramePlan
    characters: tuple[CharacterPlan, ...]
    num_inference_steps: int
    guidance_scale: float
    identity_guidance: float | None
    native_fps: float
    """Frames per second that the backbone was made for."""
    backbone: str
    """sha256 (hex) of its weights."""
    seeds: tuple[int, ...]
    """One per take; takes differ by them alone."""
    gates: Gates
    transition: Transition
    """From the shot before to this one."""
    extends: PinPlan | None = None
    """The frame of another shot that this one goes on from; that frame is not delivered again."""
    first_frame: PinPlan | None = None
    """The picture that it begins with, which is delivered."""
    last_frame: PinPlan | None = None
    start_frame: int = 1001
    """Number of the first frame of the cut; the file begins `frames.head` earlier."""
    markers: tuple[BoardMarker, ...] = ()
    passes: int = 2
    """Times that the network is asked per step."""
    rule: ChainRule = field(default_factory=ChainRule)
    """What may be handed on, where frames are."""
    is_continued: bool = False
    """Whether another shot goes on from it."""

    @property
    def hands_on(self) -> bool:
        """Whether frames are handed on: from chunk to chunk, or from another shot to this one."""
        return len(self.frames.chunks) > 1 or self.extends is not None

    @property
    def looks_for_regions(self) -> bool:
        """Whether it must be found out where somebody stands."""
        return any(person.region == "auto" for person in self.characters)

    @property
    def regional_prompts(self) -> tuple[str, ...]:
        """What the region of each character reads; nothing where all read the shot's prompt."""
        words = tuple(person.regional_prompt for person in self.characters)
        return words if all(words) else ()

    @property
    def depends_on(self) -> tuple[str, ...]:
        """Names of the planned shots that must be there first."""
        pins = (self.extends, self.first_frame, self.last_frame)
        found = (pin.shot for pin in pins if pin is not None and pin.shot is not None)
        return tuple(dict.fromkeys(found))

    @property
    def folder(self) -> Path:
        """Where its versions go, below the renders of the project."""
        return Path(self.sequence) / self.name

    def fingerprint(self, seed: int, fingerprints: Mapping[str, str]) -> str:
        """The sha256 (hex) of everything that decides a take but the device.

        Args:
            seed: Of the take.
            fingerprints: Of the takes that other shots are continued from, by the shots' names.
        """
        pins = {
            key: None if pin is None else pin.content(fingerprints)
            for key, pin in (
                ("extends", self.extends),
                ("first_frame", self.first_frame),
                ("last_frame", self.last_frame),
            )
        }
        content = {
            "code": CODE_VERSION,
            "backbone": self.backbone,
            "prompt": self.prompt,
            "negative_prompt": self.negative_prompt,
            "seed": seed,
            "height": self.height,
            "width": self.width,
            "chunks": self.frames.chunks,
            "num_inference_steps": self.num_inference_steps,
            "guidance_scale": self.guidance_scale,
            "identity_guidance": self.identity_guidance,
            "native_fps": self.native_fps,
            "characters": [person.content() for person in self.characters],
            **pins,
        }
        if self.hands_on:
            content["chain"] = {
                "rule": asdict(self.rule),
                "needed": [person.face_required for person in self.characters],
                "is_continued": self.is_continued,
            }
        return json_digest(content)

    def to_json(self) -> Mapping[str, object]:
        """All of it as plain data, but fingerprints and time."""
        pins = {
            "extends": self.extends,
            "first_frame": self.first_frame,
            "last_frame": self.last_frame,
        }
        return {
            "name": self.name,
            "sequence": self.sequence,
            "shot": self.shot,
            "aspect": self.aspect,
            "written_prompt": self.written_prompt,
            "prompt": self.prompt,
            "negative_prompt": self.negative_prompt,
            "kind": self.kind,
            "height": self.height,
            "width": self.width,
            "deliver_size": self.deliver_size,
            "frames": self.frames.to_json(),
            "characters": [person.to_json() for person in self.characters],
            "num_inference_steps": self.num_inference_steps,
            "guidance_scale": self.guidance_scale,
            "identity_guidance": self.identity_guidance,
            "seeds": list(self.seeds),
            **{key: None if pin is None else pin.to_json() for key, pin in pins.items()},
            "gates": self.gates.model_dump(mode="json"),
            "transition": self.transition.model_dump(mode="json"),
            "start_frame": self.start_frame,
            "is_continued": self.is_continued,
            "rule": asdict(self.rule) if self.hands_on else None,
            "markers": [
                {"frame": x.frame, "name": x.name, "text": x.text, "kind": x.kind}
                for x in self.markers
            ],
            "depends_on": list(self.depends_on),
            "folder": self.folder.as_posix(),
        }


def _between(keys: Sequence[tuple[int, float]], frame: int) -> float:
    """The value at a frame: of the nearest keyframe outside, even change inside."""
    after = bisect_right([at for at, _ in keys], frame)
    if after == 0:
        return keys[0][1]
    if after == len(keys):
        return keys[-1][1]
    (first, low), (second, high) = keys[after - 1], keys[after]
    return low + (high - low) * (frame - first) / (second - first)
