"""Find the regions of a shot: a short first pass without anybody, and the faces that it shows.

The first pass shares prompt, seed and size with the shot, and so does the noise; so figures stand
where they will stand.
"""

import dataclasses
import re
from collections.abc import Sequence
from typing import Any

import numpy as np

from facekit.backbones.spec import BackboneSpec
from facekit.errors import NoFaceFound
from facekit.faces.linking import FaceChain, link_faces
from facekit.faces.protocols import FaceDetector
from facekit.generation.named_regions import Box
from facekit.generation.regions import Region, box_region
from facekit.generation.sample import SampleSettings, sample
from facekit.types import Clip, Progress, Shot

__all__ = ["FIRST_PASS_STEPS", "find_regions", "left_to_right", "regions_of_faces"]

FIRST_PASS_STEPS = 8
"""Of the first pass, or those of the shot where they are fewer."""

_SIDE = re.compile(r"\b(left|middle|centre|center|right)\b")
_SIDES = {"left": 0, "middle": 1, "centre": 1, "center": 1, "right": 2}
_MIN_SEEN = 0.5
"""Part of the frames that a figure must be seen in."""
_SPREAD = 0.45
"""How far a region goes beyond a face to each side, for the hair, in widths of the face."""
_ABOVE = 0.6
"""How far it goes above, in heights of the face; below it holds the body, down to the border."""
_SOFTNESS = 0.02


def left_to_right(prompt: str, names: Sequence[str]) -> tuple[str, ...]:
    """Sort characters as a prompt places them.

    Args:
        prompt: With `@name` for each.
        names: Those in the shot.

    Returns:
        By "left", "middle" or "right" between a name and the next one; where one of them has no
        such word, in the order in which they are named.
    """
    found = [(match.start(), match.end(), match[1]) for match in re.finditer(r"@([\w-]+)", prompt)]
    found = [entry for entry in found if entry[2] in names]
    order: dict[str, tuple[int, int]] = {}
    sides: dict[str, int | None] = {}
    for index, (start, end, name) in enumerate(found):
        stop = found[index + 1][0] if index + 1 < len(found) else len(prompt)
        side = _SIDE.search(prompt[end:stop])
        order.setdefault(name, (0, start))
        sides.setdefault(name, _SIDES[side[1]] if side else None)
    if sides and all(side is not None for side in sides.values()):
        order = {name: (sides[name] or 0, start) for name, (_, start) in order.items()}
    unnamed = [name for name in names if name not in order]
    return (*sorted(order, key=lambda name: order[name]), *unnamed)


def find_regions(
    pipe: Any,
    shot: Shot,
    prompt: str,
    names: Sequence[str],
    spec: BackboneSpec,
    settings: SampleSettings,
    faces: FaceDetector,
    *,
    progress: Progress | None = None,
) -> dict[str, Region]:
    """Look for the figures of a shot.

    Args:
        pipe: With nobody attached.
        shot: Its prompt names the characters as `@name`.
        prompt: What the backbone reads.
        names: Of the characters in it.
        spec: The backbone.
        settings: Of the shot; the first pass takes `FIRST_PASS_STEPS` of its steps.
        faces: Finds the faces.
        progress: Told of every step.

    Returns:
        Name -> where that character stands, frame by frame.

    Raises:
        NoFaceFound: Fewer figures than characters.
    """
    steps = max(spec.min_inference_steps, min(FIRST_PASS_STEPS, settings.num_inference_steps))
    short = dataclasses.replace(settings, num_inference_steps=steps, identity_guidance=None)
    asked = dataclasses.replace(shot, prompt=prompt)
    (clip,) = sample(pipe, [asked], spec, short, progress=progress, label=f"regions of {shot.name}")
    return regions_of_faces(clip, left_to_right(shot.prompt, names), faces, shot.name)


def regions_of_faces(
    clip: Clip, names: Sequence[str], faces: FaceDetector, source: str
) -> dict[str, Region]:
    """Give every character a figure of a clip, from left to right.

    The largest figures are taken; what is left over belongs to nobody.

    Args:
        clip: Where they stand.
        names: Of the characters, from left to right.
        faces: Finds the faces.
        source: What the clip is called, for messages.

    Raises:
        NoFaceFound: Fewer figures than characters.
    """
    chains = link_faces(faces.detect(list(clip.frames)))
    seen = [chain for chain in chains if len(chain.frames) >= _MIN_SEEN * clip.num_frames]
    if len(seen) < len(names):
        raise NoFaceFound(
            f"{source}: {len(seen)} faces found in the first pass, expected {len(names)}, one for"
            f" each of {', '.join(names)}; take another seed, say in the prompt where everybody"
            " is, or name the regions, such as left and right"
        )
    paths = sorted((_path(chain, clip) for chain in seen), key=lambda path: path[:, [0, 2]].mean())
    by_size = sorted(range(len(paths)), key=lambda place: -_area(paths[place]))
    chosen = sorted(by_size[: len(names)])
    found: dict[str, Region] = {}
    for name, place in zip(names, chosen, strict=True):
        others = [path for index, path in enumerate(paths) if index != place]
        boxes = [_around(frame, paths[place], others) for frame in range(clip.num_frames)]
        found[name] = box_region(boxes, softness=_SOFTNESS)
    return found


def _path(chain: FaceChain, clip: Clip) -> np.ndarray:
    """The box of a face in every frame as fractions, (frames, 4); gaps are bridged."""
    height, width = clip.frames.shape[1:3]
    every = np.arange(clip.num_frames)
    boxes = chain.boxes_xyxy_px / np.array([width, height, width, height])
    return np.stack([np.interp(every, chain.frames, boxes[:, side]) for side in range(4)], axis=1)


def _area(path: np.ndarray) -> float:
    return float(((path[:, 2] - path[:, 0]) * (path[:, 3] - path[:, 1])).mean())


def _around(frame: int, path: np.ndarray, others: Sequence[np.ndarray]) -> Box:
    """Head and body of a figure, up to the middle between it and its neighbours."""
    left, top, right, bottom = path[frame]
    middle = (left + right) / 2
    low, high = left - _SPREAD * (right - left), right + _SPREAD * (right - left)
    for other in others:
        its_middle = (other[frame, 0] + other[frame, 2]) / 2
        if its_middle > middle:
            high = min(high, max(middle, (right + other[frame, 0]) / 2))
        else:
            low = max(low, min(middle, (left + other[frame, 2]) / 2))
    above = max(0.0, top - _ABOVE * (bottom - top))
    return max(0.0, float(low)), float(above), min(1.0, float(high)), 1.0
