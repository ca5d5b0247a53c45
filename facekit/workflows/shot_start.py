"""What a shot begins with, if not with nothing: a picture, or a clip to go on from."""

import dataclasses
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from PIL import Image as PillowImage

from facekit.backbones.spec import BackboneSpec
from facekit.errors import UsageError
from facekit.generation.sample import SampleSettings
from facekit.generation.shots import UNKNOWN_KIND
from facekit.media.images import pixel_digest, read_image
from facekit.types import Image, Shot
from facekit.workflows.render_files import shot_of_take
from facekit.workflows.takes import StoredTake, read_take

__all__ = [
    "ShotStart",
    "check_continues",
    "plan_start",
]

_MOST_CUT = 0.1
"""Share of a picture's longer side, relative to the shot, that is cut away without asking."""
_LONGER = re.compile(r"-x(\d+)(?:-s\d+)?$")


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ShotStart:
    """What the first chunk goes on from; nothing by default."""

    size: tuple[int, int] = (0, 0)
    """Height and width of the shots, in pixels."""
    picture: Image | None = None
    """The first frame, in the size of the shots."""
    last: Image | None = None
    """The last frame, in the size of the shots."""
    take: StoredTake | None = None
    """The clip that is made longer."""
    source: str = ""
    """The path of either."""

    @property
    def is_given(self) -> bool:
        """Whether there is a picture or a clip."""
        return bool(self.source)

    @property
    def num_frames(self) -> int:
        """Frames that are there already."""
        return 0 if self.take is None else self.take.clip.num_frames

    @property
    def folder(self) -> Path | None:
        """Where the clip lies that is made longer; None where that is no place for other clips."""
        if self.take is None or shot_of_take(self.take.path) is not None:
            return None
        return self.take.path.parent

    @property
    def first_index(self) -> int:
        """Number of the first chunk that is drawn: those before have had their seeds."""
        if self.take is None:
            return 0
        told = self.take.record.get("chain")
        return int(told.get("next_index", 1)) if isinstance(told, Mapping) else 1

    @property
    def digest(self) -> str | None:
        """Tells starts apart; None for none."""
        given = [image for image in (self.picture, self.last) if image is not None]
        if given:
            return pixel_digest(np.concatenate(given))
        if self.take is not None:
            frames = self.take.clip.frames
            return pixel_digest(frames.reshape(-1, *frames.shape[2:]))
        return None

    def seed(self, given: int | None) -> int:
        """The seed that was asked for, or that of the clip, or 0."""
        own = 0 if self.take is None else self.take.shot.seed
        return own if given is None else given

    def prompts(self, given: Sequence[str]) -> Sequence[str]:
        """The prompts that were given, or that of the clip.

        Raises:
            UsageError: A clip is made longer by several prompts, or nobody says what it shows.
        """
        if self.take is None or len(given) == 1:
            return given
        if given:
            raise UsageError(
                f"{len(given)} prompts for one clip that is made longer, expected one or none;"
                " give one, and make the result longer by the next"
            )
        if not self.take.shot.prompt:
            raise UsageError(
                f"{self.source}: nobody has written down what it shows, expected a prompt; give one"
            )
        return (self.take.shot.prompt,)

    def name_shots(self, shots: Sequence[Shot]) -> tuple[Shot, ...]:
        """Name the shots after the clip that they make longer: ``clip-x2``, then ``clip-x3``."""
        if self.take is None:
            return tuple(shots)
        rendered = shot_of_take(self.take.path)
        stem = self.take.path.stem if rendered is None else f"{rendered}-{self.take.path.stem}"
        found = _LONGER.search(stem)
        base, count = (stem[: found.start()], int(found[1])) if found else (stem, 1)
        own = self.take.shot
        return tuple(
            dataclasses.replace(
                shot,
                name=f"{base}-x{count + 1}" + ("" if shot.seed == own.seed else f"-s{shot.seed}"),
                kind=own.kind if shot.kind == UNKNOWN_KIND else shot.kind,
            )
            for shot in shots
        )

    def describe(self) -> list[str]:
        """Write what is given, for a plan."""
        if self.take is not None:
            return [f"makes longer: {self.source} ({self.num_frames} frames)"]
        return [f"first frame: {self.source}"] if self.is_given else []


def plan_start(
    spec: BackboneSpec,
    settings: SampleSettings,
    size: tuple[int, int],
    *,
    extend: Path | None,
    first_frame: Path | None,
    last_frame: Path | None,
    aspect: str | None,
) -> ShotStart:
    """Read what the shots begin with.

    Args:
        spec: The backbone.
        settings: How it is sampled.
        size: Height and width of the shots, where no clip decides that.
        extend: A clip that is made longer.
        first_frame: A picture to begin with.
        last_frame: A picture to end with.
        aspect: What was asked for by name; None leaves it to the clip.

    Raises:
        MediaError: A file cannot be read.
        UsageError: They contradict each other, or the backbone cannot do it.
    """
    if last_frame is not None and not spec.ends_with_frame:
        raise UsageError(
            f"--last-frame {last_frame}: {spec.name} cannot end with a given picture, for its"
            " pipeline takes clean frames at the beginning alone, and a clip drawn backwards would"
            " move backwards; leave it away, or begin the next shot with the picture"
        )
    if last_frame is not None and first_frame is None:
        raise UsageError(
            f"--last-frame {last_frame}: given without --first-frame, expected both, for"
            f" {spec.name} begins every clip with a picture; add it"
        )
    if extend is not None and first_frame is not None:
        raise UsageError(
            "--extend and --first-frame both given, expected one of them: a clip that is made"
            " longer has its first frame; leave one away"
        )
    if extend is not None:
        take = _check_clip(extend, spec, settings)
        height, width = take.clip.frames.shape[1:3]
        if aspect is not None and (height, width) != size:
            raise UsageError(
                f"{extend}: {width}x{height}, expected {size[1]}x{size[0]}, which --aspect"
                f" {aspect} asks for; leave --aspect away"
            )
        return ShotStart(size=(height, width), take=take, source=str(extend))
    if first_frame is not None:
        picture = _fit_picture(first_frame, *size)
        last = None if last_frame is None else _fit_picture(last_frame, *size)
        return ShotStart(size=size, picture=picture, last=last, source=str(first_frame))
    return ShotStart(size=size)


def check_continues(spec: BackboneSpec, start: ShotStart, num_frames: int) -> None:
    """Refuse chunks and first frames of a backbone that cannot go on from a frame.

    Raises:
        UsageError: It cannot, or the last frame is given of a shot that is not drawn at once.
    """
    if start.last is not None:
        spec.check_frames(num_frames)  # nothing is cut off, or the picture would be
    if spec.starts_from_frame:
        return
    asked = f"to begin with {start.source}" if start.is_given else f"{num_frames} frames"
    raise UsageError(
        f"{asked} asked of {spec.name}, which draws {spec.legal_frames} and was not trained to go"
        " on from a clean first frame; ask for fewer frames and no first one, or choose a backbone"
        " that was, such as toon"
    )


def _fit_picture(path: Path, height: int, width: int) -> Image:
    """Read a picture as the first frame of a shot: scaled, and cut by a tenth at most.

    Raises:
        MediaError: It cannot be read.
        UsageError: Its shape is too far from the shot's.
    """
    image = read_image(path)
    own_height, own_width = image.shape[:2]
    scale = max(height / own_height, width / own_width)
    kept = (height * width) / (own_height * own_width * scale**2)
    if kept < 1 - _MOST_CUT:
        raise UsageError(
            f"{path}: {own_width}x{own_height}, expected the shape of the shot, {width}x{height};"
            " crop the picture, or choose another --aspect"
        )
    box_height, box_width = height / scale, width / scale
    top, left = (own_height - box_height) / 2, (own_width - box_width) / 2
    box = (left, top, left + box_width, top + box_height)
    fitted = PillowImage.fromarray(image).resize(
        (width, height), PillowImage.Resampling.LANCZOS, box=box
    )
    return np.asarray(fitted)


def _check_clip(path: Path, spec: BackboneSpec, settings: SampleSettings) -> StoredTake:
    """Read the clip that is to be longer.

    Raises:
        MediaError: It cannot be read, or its record is damaged.
        UsageError: It has a size or a speed that the backbone does not draw.
    """
    take = read_take(path)
    height, width = take.clip.frames.shape[1:3]
    step = spec.spatial_multiple
    if height % step or width % step:
        raise UsageError(
            f"{path}: {width}x{height}, expected sides that {spec.name} draws, multiples of {step};"
            " scale it, or make another clip longer"
        )
    if abs(take.clip.fps - settings.fps) > 0.01:
        raise UsageError(
            f"{path}: {take.clip.fps:g} frames per second, expected {settings.fps:g}, as"
            f" {spec.name} is sampled; add --set sample.fps={take.clip.fps:g}"
        )
    return take
