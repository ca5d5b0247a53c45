"""Pictures of a packed character, and the seeded shot that shows whether it looks the same here.

Shapes: F frames, H height, W width, D embedding.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from hashlib import sha256
from io import BytesIO
from typing import Any, Final, Literal

import numpy as np
import torch
from PIL import Image as PillowImage

from facekit.adapters.character import Character
from facekit.backbones.spec import BackboneSpec
from facekit.errors import BundleDamaged
from facekit.evaluation.tracks import track_frames
from facekit.faces.protocols import FaceVendor
from facekit.generation.sample import SampleSettings
from facekit.recipe import Recipe
from facekit.types import Clip, Image, Progress, Shot
from facekit.workflows.backbone import backbone_spec, load_backbone
from facekit.workflows.cast_sampling import sample_cast
from facekit.workflows.casting import whole_picture
from facekit.workflows.device import device_text

__all__ = [
    "MAX_PIXEL_ERROR",
    "MIN_LIKENESS",
    "Drawn",
    "Parity",
    "compare_parity",
    "contact_sheet",
    "draw_shots",
    "parity_record",
    "portrait",
    "preset_shots",
    "read_parity",
    "stack_here",
    "webp",
]

MIN_LIKENESS: Final = 0.95
"""Cosine of the same frame drawn here and there, by the encoder of the character, at least.

Source: docs/results/parity.json; weights in half the bits give 0.9999, half the strength 0.80.
"""
MAX_PIXEL_ERROR: Final = 0.05
"""Mean difference of pixels, 0..1, at most; another seed gives 0.11 in the same result."""

_PARITY: Final = "facekit.parity/1"
_PORTRAIT_PX: Final = 256
_CELL_PX: Final = 192
_MOST_SHOTS: Final = 4


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Drawn:
    """A shot and what came of it."""

    shot: Shot
    """With the prompt as the backbone reads it."""
    clip: Clip


@dataclass(frozen=True, slots=True, kw_only=True)
class Parity:
    """Whether a preset looks the same here as where it was packed."""

    verdict: Literal["exact", "alike", "different"]
    likeness: float | None
    """Least cosine over frames; None where no face was found there."""
    pixel_error: float
    """Mean over all frames, 0..1."""
    same_stack: bool
    """Whether libraries and device are those that packed it."""

    def describe(self) -> str:
        """One line."""
        if self.verdict == "exact":
            return "parity: exact, every pixel of the seeded shot is the same"
        stack = "the same" if self.same_stack else "another"
        likeness = "no face to compare" if self.likeness is None else f"{self.likeness:.3f} alike"
        return (
            f"parity: {self.verdict}, {likeness} (at least {MIN_LIKENESS}), pixels off by"
            f" {self.pixel_error:.4f}, on {stack} stack"
        )


def preset_shots(spec: BackboneSpec, recipe: Recipe, trigger: str) -> tuple[Shot, ...]:
    """List the shots that stand for a character: short ones, by the prompts that validated it.

    The first one, with a few frames, is the one that shows whether it looks the same elsewhere.

    Args:
        spec: The backbone.
        recipe: Its prompts and seeds to validate with.
        trigger: The words that call the character.
    """
    height, width = spec.sizes.get("1:1") or next(iter(spec.sizes.values()))
    judged = recipe.validate
    pairs = [(prompt, seed) for seed in judged.seeds for prompt in judged.prompts]
    frames = min(spec.frame_multiple + 1, spec.max_frames)
    return tuple(
        Shot(
            name=f"{number:02d}",
            prompt=prompt.replace("{character}", trigger),
            seed=seed,
            num_frames=frames if number == 0 else judged.num_frames,
            height=height,
            width=width,
            kind="validation",
        )
        for number, (prompt, seed) in enumerate(pairs[:_MOST_SHOTS])
    )


def draw_shots(
    character: Character,
    shots: Sequence[Shot],
    recipe: Recipe,
    device: torch.device,
    progress: Progress,
    *,
    pipe: Any = None,
) -> tuple[Drawn, ...]:
    """Draw shots of a character, each by itself.

    A CPU does it in one thread, so that the order of sums does not depend on how many it has.

    Args:
        character: Who.
        shots: With resolved prompts.
        recipe: The backbone and how it samples.
        device: Where.
        progress: Told of every step.
        pipe: The backbone's pipeline, when it is loaded already.

    Raises:
        WeightsError: The backbone is not here.
        AdapterMismatch: The character was made for another one.
    """
    spec = backbone_spec(recipe)
    settings = SampleSettings.of(spec, recipe.sample)
    loaded = pipe if pipe is not None else load_backbone(recipe, device).pipe
    drawn = []
    with _one_thread(device):
        for shot in shots:
            ((clip, _),) = sample_cast(
                loaded,
                [shot],
                [shot.prompt],
                whole_picture(character),
                spec,
                settings,
                progress=progress,
                label="pictures",
            )
            drawn.append(Drawn(shot=shot, clip=clip))
    return tuple(drawn)


def stack_here(device: torch.device) -> dict[str, str]:
    """What decides the last bit of a picture, beside the seed: libraries and device."""
    import diffusers
    import transformers

    return {
        "torch": torch.__version__,
        "diffusers": diffusers.__version__,
        "transformers": transformers.__version__,
        "device": device_text(device).partition(" ")[2] or device.type,
        "instructions": torch.backends.cpu.get_cpu_capability() if device.type == "cpu" else "",
    }


def parity_record(drawn: Drawn, recipe: Recipe, device: torch.device) -> bytes:
    """Make `eval/parity.json`: the shot, where it was drawn, and the sha256 of its frames."""
    settings = SampleSettings.of(backbone_spec(recipe), recipe.sample)
    record = {
        "schema": _PARITY,
        "shot": asdict(drawn.shot),
        "sampling": asdict(settings),
        "frames_sha256": _digest(drawn.clip.frames),
        "stack": stack_here(device),
        "min_likeness": MIN_LIKENESS,
        "max_pixel_error": MAX_PIXEL_ERROR,
    }
    return json.dumps(record, indent=1, sort_keys=True).encode() + b"\n"


def read_parity(content: bytes, pictures: bytes, name: str) -> tuple[Shot, Mapping[str, Any], Any]:
    """Read a parity record and the frames that go with it.

    Args:
        content: Of `eval/parity.json`.
        pictures: Of `eval/parity.webp`.
        name: What messages call it.

    Returns:
        The shot, the record, and frames (F, H, W, 3) uint8.

    Raises:
        BundleDamaged: They do not go together.
    """
    try:
        record = json.loads(content)
        if record["schema"] != _PARITY:
            raise ValueError(f"schema {record['schema']!r}")
        shot = Shot(**record["shot"])
        with PillowImage.open(BytesIO(pictures), formats=("WEBP",)) as picture:
            stacked = np.asarray(picture.convert("RGB"))
        frames = stacked.reshape(shot.num_frames, shot.height, shot.width, 3)
        if _digest(frames) != record["frames_sha256"]:
            raise ValueError("other frames than it tells of")
    except (ValueError, KeyError, TypeError, OSError) as error:
        raise BundleDamaged(
            f"{name}: parity cannot be read ({error}), expected a seeded shot; pack it again"
        ) from error
    return shot, record, frames


def compare_parity(
    there: Any, record: Mapping[str, Any], here: Clip, faces: FaceVendor, device: torch.device
) -> Parity:
    """Compare a shot drawn here with the one that was packed.

    Args:
        there: Frames of the packed one, (F, H, W, 3) uint8.
        record: Of the packed one.
        here: The same shot, drawn here.
        faces: Tells how alike faces are.
        device: Where it was drawn here.
    """
    is_same_stack = dict(record["stack"]) == stack_here(device)
    if here.frames.shape == there.shape and _digest(here.frames) == record["frames_sha256"]:
        return Parity(verdict="exact", likeness=1.0, pixel_error=0.0, same_stack=is_same_stack)
    error = float(np.abs(here.frames.astype(np.float64) - there).mean() / 255)
    one, two = (track_frames(tuple(frames), faces) for frames in (there, here.frames))
    cosines_F = (one.embeddings_FD.astype(np.float64) * two.embeddings_FD).sum(axis=1)
    scored_F = one.is_scored
    likeness = None
    if scored_F.any():  # a face that is there and not here counts as nobody's
        likeness = float(np.where(two.is_scored, np.nan_to_num(cosines_F), 0.0)[scored_F].min())
    is_alike = error <= MAX_PIXEL_ERROR and (likeness is None or likeness >= MIN_LIKENESS)
    return Parity(
        verdict="alike" if is_alike else "different",
        likeness=likeness,
        pixel_error=error,
        same_stack=is_same_stack,
    )


def portrait(clip: Clip) -> Image:
    """A square picture of the middle of a clip, 256 pixels wide."""
    frame = clip.frames[clip.num_frames // 2]
    height, width = frame.shape[:2]
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    square = PillowImage.fromarray(frame[top : top + side, left : left + side])
    resized = square.resize((_PORTRAIT_PX, _PORTRAIT_PX), PillowImage.Resampling.LANCZOS)
    return np.asarray(resized)


def contact_sheet(drawn: Sequence[Drawn]) -> Image:
    """The middle frame of every shot, side by side."""
    cells = []
    for one in drawn:
        frame = PillowImage.fromarray(one.clip.frames[one.clip.num_frames // 2])
        wide = max(1, round(_CELL_PX * frame.width / frame.height))
        cells.append(np.asarray(frame.resize((wide, _CELL_PX), PillowImage.Resampling.LANCZOS)))
    return np.concatenate(cells, axis=1)


def webp(image: Any) -> bytes:
    """Write a picture without loss, as the content of a WebP file; no times, no names in it."""
    stream = BytesIO()
    PillowImage.fromarray(image).save(stream, "WEBP", lossless=True, quality=80, method=4)
    return stream.getvalue()


@contextmanager
def _one_thread(device: torch.device) -> Iterator[None]:
    before = torch.get_num_threads()
    if device.type == "cpu":
        torch.set_num_threads(1)
    try:
        yield
    finally:
        if torch.get_num_threads() != before:
            torch.set_num_threads(before)


def _digest(frames_FHW3: Any) -> str:
    return sha256(np.ascontiguousarray(frames_FHW3).tobytes()).hexdigest()
