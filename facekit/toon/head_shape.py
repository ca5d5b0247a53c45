"""The measures and colours of a head, as the face parameters of its character give them."""

import dataclasses

import cv2
import numpy as np

from facekit.toon.character import ToonCharacter

__all__ = ["HeadShape", "iris_rgb", "skin_rgb"]

_SKIN_RGB = np.array(
    [[255, 226, 200], [240, 194, 152], [204, 148, 104], [146, 96, 64], [108, 72, 54]], np.float64
)


@dataclasses.dataclass(frozen=True, slots=True)
class HeadShape:
    """Distances of one face in head units: 1 is half the height of an average head."""

    width: float
    height: float
    jaw: float
    chin: float
    cheek: float
    eye_x: float
    eye_y: float
    eye_rx: float
    eye_ry: float
    iris: float
    brow_y: float
    nose_y: float
    nose_rx: float
    mouth_y: float
    mouth_rx: float

    @classmethod
    def of(cls, character: ToonCharacter) -> "HeadShape":
        """Derive the distances from the face parameters."""
        value = character.parameter
        eye_rx = 0.175 + 0.055 * value("eye_size")
        eye_y = -0.10 + 0.07 * value("eye_height")
        nose_y = eye_y + 0.40 + 0.10 * value("nose_length")
        return cls(
            width=0.78 + 0.10 * value("face_width"),
            height=1.0 + 0.08 * value("face_height"),
            jaw=0.74 + 0.16 * value("jaw_width"),
            chin=0.92 + 0.10 * value("chin_length"),
            cheek=0.06 * value("cheek_fullness"),
            eye_x=0.345 + 0.065 * value("eye_spacing"),
            eye_y=eye_y,
            eye_rx=eye_rx,
            eye_ry=eye_rx * (0.66 + 0.22 * value("eye_aspect")),
            iris=0.60 + 0.16 * value("iris_size"),
            brow_y=eye_y - 0.27 - 0.07 * value("brow_height"),
            nose_y=nose_y,
            nose_rx=0.115 + 0.05 * value("nose_width"),
            mouth_y=nose_y + 0.235 + 0.06 * value("mouth_height"),
            mouth_rx=0.27 + 0.085 * value("mouth_width"),
        )


def skin_rgb(character: ToonCharacter) -> np.ndarray:
    """Return the colour of the skin, float64 (3,)."""
    position = (character.parameter("skin_tone") + 1.0) / 2.0 * (len(_SKIN_RGB) - 1)
    low = min(int(position), len(_SKIN_RGB) - 2)
    color = _SKIN_RGB[low] + (position - low) * (_SKIN_RGB[low + 1] - _SKIN_RGB[low])
    hue = character.parameter("skin_hue")
    shifted: np.ndarray = color + np.array([8.0, -6.0, -14.0]) * hue
    return shifted.clip(0, 255)


def iris_rgb(character: ToonCharacter) -> np.ndarray:
    """Return the colour of the irises, float64 (3,)."""
    hue = round(85 + 85 * character.parameter("iris_hue")) % 180
    value = round(140 + 60 * character.parameter("iris_lightness"))
    pixel = cv2.cvtColor(np.array([[[hue, 190, value]]], np.uint8), cv2.COLOR_HSV2RGB)
    return np.array(pixel[0, 0], np.float64)
