"""Where characters are: boxes, drawn masks and faces that were found, as masks on latent tokens.

A region belongs to one character. Fractions count from the left and from the top, 0 to 1.

Shapes: F latent frames, H and W cells of a mask, `CELLS` to a latent token each way.
"""

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from facekit.backbones.spec import BackboneSpec
from facekit.errors import UsageError
from facekit.generation.named_regions import MAX_OVERLAP, NAMED_REGIONS, Box
from facekit.media.images import pixel_digest, read_image
from facekit.types import FloatArray, Shot

__all__ = [
    "AUTO",
    "CELLS",
    "Region",
    "box_region",
    "make_masks",
    "parse_region",
    "region_between",
]

AUTO = "auto"
"""The region is looked for in a first pass; see `facekit.generation.finding`."""

CELLS = 4
"""Cells of a mask to a latent token, each way: finer than a token, so that borders are shares."""
_MOVES_TO = ".."


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Region:
    """Where one character is, in every frame."""

    text: str
    """How it was asked for, for messages and records."""
    boxes: tuple[Box, ...] = ()
    """Spread evenly over the clip from its first frame to its last; one box stays."""
    mask: FloatArray | None = None
    """Drawn instead of boxes: (height, width), 0..1, at any size."""
    digest: str = ""
    """Sha256 of the pixels of a drawn mask."""
    softness: float = 0.0
    """How far its border fades, as a fraction of the picture's short side."""

    @property
    def key(self) -> str:
        """What tells two regions apart, for fingerprints of takes."""
        return f"{self.text}@{self.digest[:12]}" if self.digest else self.text


def parse_region(text: str) -> Region:
    """Read a region as the command line says it.

    Args:
        text: A key of `NAMED_REGIONS`; a box `left,top,right,bottom` in fractions of the picture;
            boxes joined by `..` that it moves through; or the path of a grey picture, white where
            the character is.

    Raises:
        UsageError: None of these, or a box without area.
        MediaError: The picture cannot be read.
    """
    if text in NAMED_REGIONS:
        return Region(text=text, boxes=(NAMED_REGIONS[text],))
    path = Path(text)
    if path.suffix and _is_file(path):
        drawn = read_image(path)
        mask = (drawn.mean(axis=-1) / 255.0).astype(np.float32)
        if not mask.any():
            raise UsageError(
                f"{path}: black everywhere, expected white where the character is; draw the region"
            )
        return Region(text=text, mask=mask, digest=pixel_digest(drawn))
    return Region(text=text, boxes=tuple(_parse_box(part, text) for part in text.split(_MOVES_TO)))


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:  # the boxes of many frames are longer than a name may be
        return False


def _parse_box(part: str, text: str) -> Box:
    try:
        left, top, right, bottom = (float(number) for number in part.split(","))
    except ValueError:
        if Path(text).suffix and "," not in text:
            raise UsageError(
                f"region {text!r}: unknown, for there is no such file, expected a picture that is"
                " white where the character is; check the spelling of the path"
            ) from None
        near = get_close_matches(text, NAMED_REGIONS, n=1, cutoff=0.7)
        meant = f" (did you mean {near[0]!r}?)" if near else ""
        known = ", ".join(NAMED_REGIONS)
        raise UsageError(
            f"region {text!r}: unknown{meant}, expected {AUTO}, one of {known}, a box such as"
            " 0,0,0.5,1, or the path of a picture that is white where the character is; choose one"
            " of these"
        ) from None
    if not (0 <= left < right <= 1 and 0 <= top < bottom <= 1):
        raise UsageError(
            f"region {text!r}: the box {part} is empty or leaves the picture, expected"
            " left,top,right,bottom in fractions from 0 to 1, left below right and top below"
            " bottom; correct the numbers"
        )
    return left, top, right, bottom


def box_region(boxes: Sequence[Box], *, softness: float = 0.0) -> Region:
    """Make a region of one box, or of boxes spread evenly over the clip."""
    told = _MOVES_TO.join(",".join(f"{number:.3g}" for number in box) for box in boxes)
    return Region(text=told, boxes=tuple(boxes), softness=softness)


def region_between(region: Region, num_frames: int, first: int, count: int) -> Region:
    """Cut the way of a region that moves to some of the frames of a shot.

    Args:
        region: One that moves over the shot; any other stays as it is.
        num_frames: Of the shot.
        first: Frame that the part begins with.
        count: Frames of the part; beyond the shot's end the region stays where it came to.
    """
    if len(region.boxes) < 2 or (first, count) == (0, num_frames):
        return region
    keys = np.asarray(region.boxes, np.float64)
    places = np.linspace(0, max(num_frames - 1, 1), len(keys))
    frames = np.arange(first, first + count)
    sides = [np.interp(frames, places, keys[:, side]).tolist() for side in range(4)]
    boxes = list(zip(*sides, strict=True))
    return box_region(boxes[:1] if len(set(boxes)) == 1 else boxes, softness=region.softness)


def make_masks(
    regions: Mapping[str, Region], shot: Shot, spec: BackboneSpec, *, check: bool = True
) -> dict[str, Tensor]:
    """Lay regions on the latent tokens of a shot.

    Where two regions share a place, each has its part of it, so that all together are nowhere more
    than 1.

    Args:
        regions: Name of a character -> where it is.
        shot: Gives size and length.
        spec: Gives pixels to a token and frames to a latent frame.
        check: Refuse regions that cover one another.

    Returns:
        Name -> (F, H, W), 0..1, float32, as `attach_characters` takes it.

    Raises:
        UsageError: A region without a place on the tokens, or two that cover one another by more
            than `MAX_OVERLAP` of the smaller.
    """
    num_frames = 1 + (shot.num_frames - 1) // spec.frame_multiple
    height, width = (side // spec.spatial_multiple * CELLS for side in (shot.height, shot.width))
    laid = {name: _lay(region, num_frames, height, width) for name, region in regions.items()}
    for name, mask_FHW in laid.items():
        if not mask_FHW.max() > 0:
            raise UsageError(
                f"{shot.name}: the region of {name} ({regions[name].text}) holds no part of the"
                " picture, expected a region larger than nothing; make it larger"
            )
    if check:
        _check_overlap(laid, regions, shot)
    total_FHW = np.maximum(sum(laid.values()), 1.0)
    return {name: torch.from_numpy(mask_FHW / total_FHW) for name, mask_FHW in laid.items()}


def _lay(region: Region, num_frames: int, height: int, width: int) -> FloatArray:
    """Draw a region, (F, H, W)."""
    if region.mask is not None:
        drawn = torch.from_numpy(region.mask)[None, None]
        pooled = functional.adaptive_avg_pool2d(drawn, (height, width))[0, 0].numpy()
        return np.repeat(pooled[None], num_frames, axis=0)
    keys = np.asarray(region.boxes, np.float64)
    times = np.linspace(0, len(keys) - 1, num_frames) if num_frames > 1 else np.zeros(1)
    boxes_F4 = np.stack([np.interp(times, np.arange(len(keys)), keys[:, i]) for i in range(4)], 1)
    sigma = region.softness * min(height, width)
    masks = [
        np.outer(
            _faded(_covered(top, bottom, height), sigma),
            _faded(_covered(left, right, width), sigma),
        )
        for left, top, right, bottom in boxes_F4
    ]
    return np.stack(masks).astype(np.float32)


def _faded(row: np.ndarray, sigma: float) -> np.ndarray:
    """Blur a row of cells by a Gaussian; beyond its ends it goes on as it ends."""
    reach = math.ceil(3 * sigma)
    if reach == 0:
        return row
    kernel = np.exp(-0.5 * (np.arange(-reach, reach + 1) / sigma) ** 2)
    return np.convolve(np.pad(row, reach, mode="edge"), kernel / kernel.sum(), mode="valid")


def _covered(low: float, high: float, count: int) -> np.ndarray:
    """Which part of each cell of a row lies between two fractions, (count,)."""
    edges = np.linspace(0.0, 1.0, count + 1)
    inside = np.minimum(high, edges[1:]) - np.maximum(low, edges[:-1])
    return np.asarray(np.clip(inside * count, 0.0, 1.0))


def _check_overlap(
    laid: Mapping[str, FloatArray], regions: Mapping[str, Region], shot: Shot
) -> None:
    for one, other in itertools.combinations(laid, 2):
        shared_F = np.minimum(laid[one], laid[other]).sum((1, 2))
        smaller_F = np.minimum(laid[one].sum((1, 2)), laid[other].sum((1, 2)))
        overlap = float((shared_F / np.maximum(smaller_F, 1e-6)).max())
        if overlap > MAX_OVERLAP:
            raise UsageError(
                f"{shot.name}: the regions of {one} ({regions[one].text}) and {other}"
                f" ({regions[other].text}) share {overlap:.0%} of the smaller one, expected at most"
                f" {MAX_OVERLAP:.0%}, for there both would be drawn at once; move them apart"
            )
