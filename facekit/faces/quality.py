"""How good a picture of a face is: size, sharpness, light, pose, and a weight from all of them."""

import math
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from facekit.faces.align import ARCFACE_SIDE_PX, TEMPLATE_MARGIN, align, similarity_transform
from facekit.types import Face, FaceCrop, FloatArray, Image

__all__ = ["SHARPNESS_SIDE_PX", "FaceQuality", "head_pose_deg", "measure_quality", "sharpness"]

SHARPNESS_SIDE_PX = 64
"""Faces are judged at this crop size, smaller ones at their own."""
_LEAST_SIDE_PX = 16
_LEAST_CONTRAST = 0.02
_BURNT, _BLACK = 250.5 / 255.0, 8.5 / 255.0

# Eyes, nose tip and mouth corners of an average face, x right, y down, z towards the viewer, in
# eye distances; x and y are those of the ArcFace template, the depths lie between a photographed
# face and a drawn one.
_FACE_XYZ = np.array(
    [
        [-0.50, -0.58, 0.0],
        [0.50, -0.58, 0.0],
        [0.0, 0.0, 0.3],
        [-0.415, 0.58, 0.02],
        [0.415, 0.58, 0.02],
    ]
)
_FACE_XYZ_INVERSE = np.linalg.pinv(_FACE_XYZ - _FACE_XYZ.mean(axis=0))

_FULL_FACE_PX = 48.0
_FULL_SHARPNESS = 0.5
_FULL_BRIGHTNESS = 0.25
_LEAST_WEIGHT = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class FaceQuality:
    """Measurements of one face in one picture."""

    face_px: float
    """Shorter side of the box."""
    face_fraction: float
    """Height of the box over the height of the picture: how near the camera is."""
    visible: float
    """Part of the box that lies inside the picture, 0..1."""
    sharpness: float
    """Variance of the Laplacian over the variance of the brightness, on the aligned face."""
    brightness: float
    """Mean brightness (luma) of the face, 0..1."""
    contrast: float
    """Standard deviation of the brightness of the face, 0..0.5."""
    yaw_deg: float
    """Turn of the head towards the picture's right, estimated from the landmarks."""
    pitch_deg: float
    """Nod of the head, down, estimated from the landmarks. Long and short faces differ by some 30
    degrees, so that only photos of one person can be compared."""
    roll_deg: float
    """Tilt, clockwise as seen."""
    burnt: float
    """Part of the face that is burnt out, 0..1."""
    black: float
    """Part of the face that is black, 0..1."""
    mouth: float
    """Width of the mouth over the distance of the eyes: a smile widens it."""
    score: float
    """How sure the detector was, 0..1."""

    @property
    def weight(self) -> float:
        """How much this picture should count in a mean, above 0 and at most 1."""
        parts = (
            min(1.0, self.face_px / _FULL_FACE_PX),
            min(1.0, self.sharpness / _FULL_SHARPNESS),
            min(1.0, self.brightness / _FULL_BRIGHTNESS, (1.0 - self.brightness) / 0.1),
            max(0.0, float(np.cos(np.deg2rad(self.yaw_deg)))),
            self.visible,
            self.score,
        )
        product = math.prod(max(part, 0.0) for part in parts)
        return max(_LEAST_WEIGHT, math.pow(product, 1.0 / 3.0))


def measure_quality(image: Image, face: Face) -> FaceQuality:
    """Measure one face of a picture.

    Args:
        image: The whole picture, RGB.
        face: A face found in it.

    Raises:
        AlignmentError: No similarity transform fits the landmarks.
    """
    height, width = image.shape[:2]
    x0, y0, x1, y1 = (float(value) for value in face.box_xyxy_px)
    inside = max(0.0, min(x1, width) - max(x0, 0.0)) * max(0.0, min(y1, height) - max(y0, 0.0))
    area = max((x1 - x0) * (y1 - y0), 1e-6)
    side = _native_side_px(face)
    crop = align(image, face, size_px=side, margin=TEMPLATE_MARGIN)
    skin = _gray(crop.pixels)[_middle(side)]
    yaw, pitch, roll = _pose(face.landmarks_px)
    eyes, mouth = (
        float(np.linalg.norm(face.landmarks_px[i + 1] - face.landmarks_px[i])) for i in (0, 3)
    )
    return FaceQuality(
        face_px=min(x1 - x0, y1 - y0),
        face_fraction=(y1 - y0) / height,
        visible=min(1.0, inside / area),
        sharpness=sharpness(crop),
        brightness=float(skin.mean()),
        contrast=float(skin.std()),
        yaw_deg=yaw,
        pitch_deg=pitch,
        roll_deg=roll,
        burnt=float((skin >= _BURNT).mean()),
        black=float((skin <= _BLACK).mean()),
        mouth=mouth / max(eyes, 1e-6),
        score=float(face.score),
    )


def head_pose_deg(landmarks_px: npt.NDArray[np.floating]) -> tuple[float, float]:
    """Estimate yaw and roll from five landmarks; yaw is good to some 10 degrees.

    Returns:
        Yaw to the picture's right and roll clockwise, in degrees.

    Raises:
        AlignmentError: The landmarks are no face.

    """
    yaw, _, roll = _pose(landmarks_px)
    return yaw, roll


def _pose(landmarks_px: npt.NDArray[np.floating]) -> tuple[float, float, float]:
    """Yaw, pitch and roll in degrees.

    Source: DeMenthon and Davis 1995, POS: a scaled orthographic camera by least squares.
    """
    marks = np.asarray(landmarks_px, dtype=np.float64)
    upright = similarity_transform(marks, ARCFACE_SIDE_PX).astype(np.float64)
    roll = -np.arctan2(upright[1, 0], upright[0, 0])
    marks = marks @ upright[:, :2].T
    rows = (_FACE_XYZ_INVERSE @ (marks - marks.mean(axis=0))).T
    # The two orthonormal rows nearest to the fitted ones.
    left, _, right = np.linalg.svd(rows, full_matrices=False)
    across, down = left @ right
    yaw = np.arctan2(across[2], np.hypot(across[0], across[1]))
    pitch = np.arctan2(down[2], np.hypot(down[0], down[1]))
    return float(np.rad2deg(yaw)), float(np.rad2deg(pitch)), float(np.rad2deg(roll))


def sharpness(crop: FaceCrop) -> float:
    """Return the variance of the Laplacian over the variance of the brightness, of an aligned face.

    Light and contrast do not change it, and a small face is not taken for a blurred one: the crop
    is judged at the face's own size, at most 64 px. In focus it is 0.5 and more, drawn or
    photographed; out of focus it is below 0.2.

    Args:
        crop: A face cut with `TEMPLATE_MARGIN`, at any size.

    Raises:
        AlignmentError: The landmarks are no face.
    """
    side = min(_native_side_px(crop.face), crop.pixels.shape[0])
    pixels = crop.pixels
    if side < pixels.shape[0]:
        pixels = np.asarray(cv2.resize(pixels, (side, side), interpolation=cv2.INTER_AREA))
    gray = _gray(pixels)
    edges = cv2.Laplacian(gray, cv2.CV_32F)[_middle(side)]
    return float(edges.var()) / max(float(gray[_middle(side)].var()), _LEAST_CONTRAST**2)


def _native_side_px(face: Face) -> int:
    """The side at which an aligned crop has about as many pixels as the face in its picture."""
    unit = similarity_transform(face.landmarks_px, ARCFACE_SIDE_PX, TEMPLATE_MARGIN)
    native = ARCFACE_SIDE_PX / max(float(np.hypot(unit[0, 0], unit[1, 0])), 1e-6)
    return int(np.clip(native, _LEAST_SIDE_PX, SHARPNESS_SIDE_PX))


def _gray(pixels: Image) -> FloatArray:
    return np.asarray(cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY), dtype=np.float32) / np.float32(255)


def _middle(side: int) -> tuple[slice, slice]:
    """The part of the crop that shows skin: a third of it on every side is hair or background."""
    low, high = round(side * 0.28), round(side * 0.78)
    return slice(low, high), slice(low, high)
