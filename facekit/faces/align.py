"""Warp faces onto the ArcFace template, as pixels (`align`) and with gradients (`align_tensor`).

Pixel coordinates count centres: (0, 0) is the middle of the top left pixel, as in OpenCV. Where a
face is much larger than its crop, both functions take several samples per crop pixel and average
them, so that nothing aliases.

Shapes: B pictures, C channels, H height, W width, S side of a crop.
"""

from typing import TYPE_CHECKING

import cv2
import numpy as np
from numpy.typing import NDArray

from facekit.errors import AlignmentError
from facekit.types import Face, FaceCrop, Image

if TYPE_CHECKING:
    from torch import Tensor

__all__ = [
    "ARCFACE_SIDE_PX",
    "ARCFACE_TEMPLATE_PX",
    "TEMPLATE_MARGIN",
    "align",
    "align_tensor",
    "align_with",
    "invert_transform",
    "similarity_transform",
    "template",
    "transform_points",
]

ARCFACE_SIDE_PX = 112
# Source: insightface@00595a7 utils/face_align.py (MIT), arcface_dst; tests/parity/test_align.py.
ARCFACE_TEMPLATE_PX: NDArray[np.float32] = np.array(
    [
        [38.2946, 51.6963],
        [73.5318, 51.5014],
        [56.0252, 71.7366],
        [41.5493, 92.3655],
        [70.7299, 92.2041],
    ],
    dtype=np.float32,
)
ARCFACE_TEMPLATE_PX.setflags(write=False)

# The margin that shows hair and jaw too; the toon encoders are trained with it.
TEMPLATE_MARGIN = 0.05

_MAX_SAMPLES_PER_SIDE = 32
# Below this correlation with the template the points are in the wrong order or not a face: swapped
# left and right points reach 0.22, a full profile 0.78.
_MIN_CORRELATION = 0.3
_MIN_FLATNESS = 1e-3

_templates: dict[tuple[int, float], tuple[NDArray[np.complex128], complex, float]] = {}


def template(size_px: int, margin: float = 0.0) -> NDArray[np.float32]:
    """Return where the five landmarks lie in a crop.

    Args:
        size_px: Side of the crop, at least 8.
        margin: What is added on every side of the ArcFace square, as a part of the square's side,
            0..0.5; 0.25 shows 1.5 times the square.
    """
    if size_px < 8:
        raise ValueError(f"size_px is {size_px}; a crop needs at least 8 px")
    if not 0.0 <= margin <= 0.5:
        raise ValueError(f"margin is {margin}; it must be in 0..0.5")
    points = ARCFACE_TEMPLATE_PX.astype(np.float64) / ARCFACE_SIDE_PX
    return np.asarray((points + margin) / (1.0 + 2.0 * margin) * size_px, dtype=np.float32)


def similarity_transform(
    landmarks_px: NDArray[np.floating], size_px: int, margin: float = 0.0
) -> NDArray[np.float32]:
    """Fit the rotation, scale and shift that carry five landmarks onto the template.

    Args:
        landmarks_px: Five points (x, y) in the picture, in the order of `Face.landmarks_px`.
        size_px: Side of the crop.
        margin: As in `template`.

    Returns:
        A 2x3 matrix from picture to crop coordinates.

    Raises:
        AlignmentError: The landmarks are not finite, in one place, on one line, or in the wrong
            order.

    Source: Umeyama 1991 (least squares over similarities); in the plane it has this closed form
        over complex numbers; tests/parity/test_align.py.
    """
    key = (size_px, margin)
    target = _templates.get(key)
    if target is None:
        points = template(size_px, margin).astype(np.float64)
        z = points[:, 0] + 1j * points[:, 1]
        centre = complex(z.mean())
        z = z - centre
        target = _templates[key] = (z, centre, float(np.vdot(z, z).real))
    goal, goal_mean, goal_power = target

    marks = np.asarray(landmarks_px, dtype=np.float64)
    if marks.shape != (5, 2):
        raise AlignmentError(
            f"cannot align: landmarks have shape {marks.shape}, expected (5, 2); give x and y of"
            " five points"
        )
    here = marks[:, 0] + 1j * marks[:, 1]
    here_mean = complex(here.mean())
    here = here - here_mean
    power = float(np.vdot(here, here).real)
    # The eigenvalues of the scatter are (power +- |sum z^2|) / 2; their ratio says how near to one
    # line the points are.
    spread = abs(complex((here * here).sum()))
    if (
        not np.isfinite(power)
        or power < 1e-6
        or (power - spread) < _MIN_FLATNESS**2 * (power + spread)
    ):
        raise AlignmentError(
            f"cannot align: the landmarks {marks.round(1).tolist()} are not finite, or lie in one"
            " place or on one line, expected two eyes, a nose and two mouth corners; use another"
            " picture"
        )
    cross = complex(np.vdot(here, goal))
    if abs(cross) < _MIN_CORRELATION * float(np.sqrt(power * goal_power)):
        raise AlignmentError(
            f"cannot align: the landmarks {marks.round(1).tolist()} do not look like a face,"
            " expected left eye, right eye, nose tip, left and right mouth corner as seen in the"
            " picture; use another picture"
        )
    turn = cross / power
    shift = goal_mean - turn * here_mean
    return np.array(
        [[turn.real, -turn.imag, shift.real], [turn.imag, turn.real, shift.imag]],
        dtype=np.float32,
    )


def align(
    image: Image, face: Face, *, size_px: int = 112, source: str = "", margin: float = 0.0
) -> FaceCrop:
    """Warp a face onto the ArcFace template.

    Args:
        image: The whole picture, RGB.
        face: A face found in this picture; its five landmarks decide the similarity transform.
        size_px: Side of the square crop.
        source: Where the picture came from, for messages and reports.
        margin: As in `template`; outside of the picture the crop is black.

    Raises:
        AlignmentError: No similarity transform fits the landmarks.

    Source: insightface@00595a7 utils/face_align.py (MIT), norm_crop; tests/parity/test_align.py.
    """
    transform = similarity_transform(face.landmarks_px, size_px, margin)
    return FaceCrop(pixels=align_with(image, transform, size_px), face=face, source=source)


def align_with(image: Image, transform: NDArray[np.float32], size_px: int) -> Image:
    """Warp a picture with a transform that is already known, as `align` does."""
    samples = _samples_per_side(float(np.hypot(transform[0, 0], transform[1, 0])))
    side = size_px * samples
    matrix = transform
    if samples > 1:
        matrix = transform * np.float32(samples)
        matrix[:, 2] += np.float32((samples - 1) / 2)
    pixels = cv2.warpAffine(
        image, matrix, (side, side), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT
    )
    if samples > 1:
        pixels = cv2.resize(pixels, (size_px, size_px), interpolation=cv2.INTER_AREA)
    return np.asarray(pixels, dtype=np.uint8)


def align_tensor(
    frames_BCHW: "Tensor", transforms_B23: "Tensor", size_px: int, *, fill: float = -1.0
) -> "Tensor":
    """Warp pictures with gradients; the crops lie where `align` puts them.

    Args:
        frames_BCHW: Pictures, any range, any channels.
        transforms_B23: One matrix of `similarity_transform` per picture; no gradient flows to it.
        size_px: Side of the crops.
        fill: Value outside of the picture; -1 is black for pictures in [-1, 1].

    Returns:
        Crops (B, C, size_px, size_px), in the dtype of the pictures.
    """
    import torch

    transforms = transforms_B23.detach().to(device=frames_BCHW.device, dtype=torch.float32)
    counts = [
        _samples_per_side(float(scale))
        for scale in torch.hypot(transforms[:, 0, 0], transforms[:, 1, 0])
    ]
    shifted = frames_BCHW - fill
    if len(set(counts)) <= 1:
        return _warp(shifted, transforms, size_px, counts[0] if counts else 1) + fill
    crops: list[Tensor] = [
        _warp(shifted[i : i + 1], transforms[i : i + 1], size_px, count)
        for i, count in enumerate(counts)
    ]
    return torch.cat(crops) + fill


def invert_transform(transform: NDArray[np.floating]) -> NDArray[np.float32]:
    """Return the 2x3 matrix from crop back to picture coordinates."""
    matrix = np.asarray(transform, dtype=np.float64)
    back = np.linalg.inv(matrix[:, :2])
    return np.asarray(np.hstack([back, -(back @ matrix[:, 2:])]), dtype=np.float32)


def transform_points(
    points_px: NDArray[np.floating], transform: NDArray[np.floating]
) -> NDArray[np.float32]:
    """Carry points (N, 2) through a 2x3 matrix."""
    points = np.asarray(points_px, dtype=np.float64)
    matrix = np.asarray(transform, dtype=np.float64)
    return np.asarray(points @ matrix[:, :2].T + matrix[:, 2], dtype=np.float32)


def _samples_per_side(scale: float) -> int:
    """Picture pixels that one crop pixel spans, for anti-aliasing; 1 from half size up."""
    if scale <= 0.0:
        return 1
    return int(min(max(1.0, 1.0 / scale), _MAX_SAMPLES_PER_SIDE))


def _warp(frames: "Tensor", transforms: "Tensor", size_px: int, samples: int) -> "Tensor":
    import torch
    import torch.nn.functional as F

    height, width = frames.shape[-2:]
    a, b = transforms[:, 0, 0], transforms[:, 1, 0]
    tx, ty = transforms[:, 0, 2], transforms[:, 1, 2]
    norm = a * a + b * b
    side = size_px * samples
    at = (torch.arange(side, device=frames.device, dtype=torch.float32) + 0.5) / samples - 0.5
    u = at[None, None, :] - tx[:, None, None]
    v = at[None, :, None] - ty[:, None, None]
    cos, sin = (a / norm)[:, None, None], (b / norm)[:, None, None]
    x = cos * u + sin * v
    y = cos * v - sin * u
    grid = torch.stack([(x + 0.5) * (2.0 / width) - 1.0, (y + 0.5) * (2.0 / height) - 1.0], dim=-1)
    crops = F.grid_sample(
        frames, grid.to(frames.dtype), mode="bilinear", padding_mode="zeros", align_corners=False
    )
    return F.avg_pool2d(crops, samples) if samples > 1 else crops
