"""What a storyboard says of the whole show: delivery, engine, world, cast, gates, rights, labels.

A default stands here or in `storyboard.py` and nowhere else.
"""

from typing import Annotated, Literal, TypeAlias

from pydantic import Field

from facekit.recipe.values import Aspect, Probability, Section
from facekit.terms import MaybePlace, MaybeWord, Place

__all__ = [
    "FILE_NAME_PATTERN",
    "TIMECODE_PATTERN",
    "Budget",
    "CastMember",
    "Deliver",
    "Engine",
    "EngineDefaults",
    "FileName",
    "Gates",
    "IdentityGate",
    "Labels",
    "Off",
    "Project",
    "Rights",
    "ShowGates",
    "World",
]

FILE_NAME_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9_-]*$"
TIMECODE_PATTERN = r"^\d\d:\d\d:\d\d:\d\d$"

FileName: TypeAlias = Annotated[str, Field(pattern=FILE_NAME_PATTERN, max_length=64)]
"""Letters, digits, hyphens and underscores, for it becomes part of names of files."""

_Fps: TypeAlias = Annotated[float, Field(gt=0, le=240)]


class Project(Section):
    """What the show is called."""

    id: FileName
    """Short name; the folder of its renders."""
    title: str = ""
    """For people."""
    template: str = "{seq}_{shot}"
    """How a shot's files are called: `{project}`, `{seq}` and `{shot}` are replaced."""


class Deliver(Section):
    """What the editor gets."""

    fps: _Fps | None = None
    """Frames per second of the cut; 23.976 means 24000/1001, 29.97 and 59.94 likewise. Absent means
    that of the backbone."""
    retime: Literal["repeat", "conform"] = "repeat"
    """Where fps is not the backbone's: repeat frames (or leave some out), so that motion keeps its
    speed, or conform: each drawn frame is one delivered frame and motion plays faster or slower."""
    size: tuple[int, int] | None = None
    """Width and height in pixels of the first aspect; other aspects get the same shorter side.
    Absent means as drawn."""
    fit: Literal["pad", "crop"] = "pad"
    """Where size has another aspect than what is drawn: black bars, or what hangs over is cut."""
    aspects: tuple[Aspect, ...] = Field(default=("1:1",), min_length=1)
    """Every shot is made in each of them, from the same characters."""
    start_frame: int = Field(default=1001, ge=0)
    """Number of the first frame of every cut; handles come before it."""
    handles: int = Field(default=8, ge=0, le=240)
    """Frames kept before and after every cut. They are drawn, so they cost time."""
    timecode: str = Field(default="01:00:00:00", pattern=TIMECODE_PATTERN)
    """Where the timeline begins."""
    review: Literal["h264", "none"] = "h264"
    """The copy to look at."""
    burn_in: bool = False
    """Whether the review copy shows the name of the shot and the number of each frame."""
    mezzanine: Literal["prores422hq", "none"] = "prores422hq"
    """The file to edit with."""
    frames: Literal["none", "png", "exr"] = "none"
    """Whether single frames are written as well."""
    color: Literal["rec709"] = "rec709"
    """Tags of the files."""


class EngineDefaults(Section):
    """How is sampled; absent means the backbone's own."""

    num_inference_steps: int | None = Field(default=None, ge=1)
    """Denoising steps."""
    guidance_scale: float | None = Field(default=None, ge=0)
    """Classifier-free guidance of the text; 1 switches it off."""
    identity_guidance: float | None = Field(default=None, ge=0)
    """Own guidance of the identity, at the cost of a third pass."""


class Engine(Section):
    """The backbone."""

    base: str = Field(default="toon", min_length=1)
    """A registered backbone, or `tiny`."""
    source: str | None = None
    """A folder that replaces the backbone's own weights, as base.source of a recipe; a relative
    one begins at the board."""
    revision: str | None = None
    """The pinned commit that this board was made for; another one is refused."""
    defaults: EngineDefaults = EngineDefaults()


class World(Section):
    """Said once, joined to the prompt of every shot that does not say its own."""

    place: str = ""
    """Such as `kitchen` or `Lisbon, 1974`."""
    light: str = ""
    """Such as `soft light`."""
    style: str = ""
    """Such as `35 mm, overcast`; a shot's own style takes its place."""
    negative: str = ""
    """What the pictures should not show."""


class CastMember(Section):
    """One character of the show."""

    preset: str = Field(min_length=1)
    """A character's name, its folder or its file; a relative path begins at the board."""
    strength: float = Field(default=1.0, ge=0, le=3)
    """How much of the character where a shot does not say; 1 is as trained."""


Off: TypeAlias = Literal["off"]
"""A gate that does not count."""


class IdentityGate(Section):
    """When the likeness of a shot will do."""

    p05: float | Literal["auto", "off"] = "auto"
    """Least likeness of all but the worst twentieth of the frames; auto means the calibrated one
    of the show's own material, and off, here and below, that this gate does not count."""
    coverage: Probability | Off = 0.6
    """Least part of the frames with a face that can be scored, where one is demanded."""
    on_na: Literal["review", "fail", "pass"] = "review"
    """What becomes of a shot whose faces cannot be scored."""


class Gates(Section):
    """What a take must reach."""

    identity: IdentityGate = IdentityGate()
    wrong_person: Annotated[int, Field(ge=0)] | Off = 0
    """Most frames in which a face is nearer to somebody else."""
    swap: Annotated[int, Field(ge=0)] | Off = 0
    """Most frames in which two of the cast have changed places."""
    drift_slope: Annotated[float, Field(le=0)] | Off = -0.02
    """Least change of likeness per second."""
    max_takes: int = Field(default=4, ge=1, le=100)
    """Takes of a shot in all, those of `takes` among them; a take that fails is shot again."""
    on_fail: Literal["keep_best", "stop"] = "keep_best"
    """What happens when none of them passes."""


class Budget(Section):
    """What the show may cost."""

    minutes: float | None = Field(default=None, gt=0)
    """Of work on the device; no take is shot again above it."""


class ShowGates(Gates):
    """The gates of all shots; a shot's own `gates` changes some of them."""

    budget: Budget = Budget()


class Rights(Section):
    """What the show is for; compared with what the characters allow."""

    use: MaybeWord = ""
    """Such as `narrative-fiction`."""
    territory: MaybePlace = ""
    """Such as `world`."""
    territory_exclude: tuple[Place, ...] = ()
    """Where it is not shown."""


class Labels(Section):
    """How the files say that they were generated."""

    c2pa: Literal["required", "off"] = "off"
    """Signed statement of origin."""
    watermark: Literal["videoseal", "off"] = "off"
    """Invisible mark."""
    visible: str = ""
    """Text in the picture."""
    profile: tuple[Literal["eu", "cn"], ...] = ()
    """Rules to follow."""
