"""A head in 2.5 dimensions: character and pose become outlines, and then polygons on a canvas."""

import cv2
import numpy as np

from facekit.toon.hair import ARC, UNIT_CIRCLE, back_hair, front_hair
from facekit.toon.head_shape import HeadShape, iris_rgb, skin_rgb
from facekit.toon.scene import Figure

__all__ = ["SHIFT_BITS", "HeadPainter"]

SHIFT_BITS = 4
"""Sub-pixel bits of the polygon coordinates that are handed to OpenCV."""

_MEAN_BOX_HEIGHT = 1.54
_FULL_FIGURE_BELOW = 0.3
"""Legs and arms are drawn when the face is smaller than this part of the picture."""

_CONTOUR = np.linspace(0.0, 2.0 * np.pi, 40, endpoint=False)

_HAIR_RGB = {
    "black": (34, 30, 34),
    "brown": (104, 64, 34),
    "blond": (232, 196, 92),
    "red": (190, 70, 30),
    "grey": (168, 168, 174),
    "blue": (54, 92, 200),
}
_CLOTHES_RGB = {
    "red": (206, 50, 50),
    "green": (50, 150, 80),
    "blue": (50, 86, 190),
    "yellow": (236, 200, 60),
    "white": (240, 240, 240),
    "black": (44, 44, 50),
}
_MOODS = {  # corner lift, mouth opening, brow lift, inner brow lift, eye opening
    "neutral": (0.0, 0.0, 0.0, 0.0, 1.0),
    "happy": (0.13, 0.07, 0.03, 0.0, 0.86),
    "sad": (-0.11, 0.0, 0.0, 0.11, 0.82),
    "angry": (-0.06, 0.02, -0.05, -0.13, 0.84),
    "surprised": (0.0, 0.2, 0.12, 0.03, 1.3),
}


class HeadPainter:
    """Paints one figure's head and body on a canvas and remembers where its landmarks fell."""

    def __init__(self, canvas: np.ndarray, figure: Figure) -> None:
        """Prepare the projection; nothing is painted yet."""
        self._canvas = canvas
        self._figure = figure
        self._character = figure.character
        self._shape = HeadShape.of(figure.character)
        height, width = canvas.shape[:2]
        # The face box runs from the hairline (-0.62 of the head) to the chin.
        self._box_top, self._box_bottom = (
            -0.62 * self._shape.height,
            self._shape.chin * self._shape.height,
        )
        self._scale = figure.face_height * min(height, width) / (self._box_bottom - self._box_top)
        middle = (self._box_top + self._box_bottom) / 2.0
        self._origin = np.array(
            [figure.center_xy[0] * width, figure.center_xy[1] * height - middle * self._scale]
        )
        yaw, pitch, roll = np.deg2rad(
            [figure.pose.yaw_deg, figure.pose.pitch_deg, figure.pose.roll_deg]
        )
        self._sin_yaw, self._sin_pitch = float(np.sin(yaw)), float(np.sin(pitch))
        turn = np.array([[np.cos(yaw), 0, np.sin(yaw)], [0, 1, 0], [-np.sin(yaw), 0, np.cos(yaw)]])
        nod = np.array(
            [[1, 0, 0], [0, np.cos(pitch), np.sin(pitch)], [0, -np.sin(pitch), np.cos(pitch)]]
        )
        self._rotate = (nod @ turn)[:2].T
        self._roll = np.array([[np.cos(roll), np.sin(roll)], [-np.sin(roll), np.cos(roll)]])
        self._skin = skin_rgb(figure.character)
        self._hair = np.array(_HAIR_RGB[figure.character.hair_color], np.float64)
        self._mood = _MOODS[figure.mood]
        self.landmarks_px = np.zeros((5, 2), np.float32)
        self.contour_px = self._flat(self._contour(1.0))

    def paint(self) -> None:
        """Paint, in this order: back hair, body, head, features, front hair, glasses."""
        self._paint_back_hair()
        self._paint_body()
        self._paint_ears()
        cv2.fillPoly(
            self._canvas, [_fixed(self.contour_px)], self._skin.tolist(), cv2.LINE_AA, SHIFT_BITS
        )
        self._paint_cheeks()
        self._paint_beard()
        self._paint_eyes()
        self._paint_brows()
        self._paint_nose()
        self._paint_mouth()
        self.paint_front_hair(self._canvas, self._hair.tolist())
        self._paint_glasses()

    def box_xyxy(self) -> np.ndarray:
        """Return the face box on the canvas: hairline to chin, cheek to cheek."""
        hairline = self._flat(np.array([[0.0, self._box_top]]))[0, 1]
        x, y = self.contour_px[:, 0], self.contour_px[:, 1]
        return np.array([x.min(), min(hairline, y.max() - 1.0), x.max(), y.max()], np.float32)

    def _flat(self, points: np.ndarray) -> np.ndarray:
        """Place outline points, which only shift a little with the pose, on the canvas."""
        below = np.clip((points[:, 1] + 0.3) / 1.3, 0.0, 1.0)
        shifted = points * np.array([1.0 - 0.07 * abs(self._sin_yaw), 1.0])
        shifted[:, 0] += 0.16 * self._sin_yaw * below
        shifted[:, 1] += 0.10 * self._sin_pitch * below
        placed: np.ndarray = (shifted @ self._roll) * self._scale + self._origin
        return placed

    def _on_face(self, points: np.ndarray, lift: float = 0.0) -> np.ndarray:
        """Project points of the face's surface, raised by `lift`, on the canvas."""
        x, y = points[:, 0], points[:, 1]
        depth = 0.5 * np.sqrt(np.maximum(0.05, 1.0 - (x / 0.9) ** 2 - 0.5 * (y / 1.1) ** 2)) + lift
        turned = np.stack([x, y, depth], axis=1) @ self._rotate
        placed: np.ndarray = (turned @ self._roll) * self._scale + self._origin
        return placed

    def _fill(self, points_px: np.ndarray, color: np.ndarray | tuple[float, ...]) -> None:
        cv2.fillPoly(
            self._canvas, [_fixed(points_px)], [float(c) for c in color], cv2.LINE_AA, SHIFT_BITS
        )

    def _contour(self, grow: float) -> np.ndarray:
        shape = self._shape
        cos, sin = np.cos(_CONTOUR), np.sin(_CONTOUR)
        lower = np.maximum(sin, 0.0)
        narrow = 1.0 - (1.0 - shape.jaw) * lower**1.5 + shape.cheek * np.sin(np.pi * lower)
        power = np.where(sin > 0, np.abs(cos) ** 0.8, np.abs(cos))
        x = np.sign(cos) * power * shape.width * narrow * grow
        y = np.where(sin > 0, sin * shape.chin, sin) * shape.height * grow
        return np.stack([x, y], axis=1)

    def _paint_body(self) -> None:
        color = np.array(_CLOTHES_RGB[self._character.clothes], np.float64)
        # The body hangs from the chin and keeps its size, whatever the face is like.
        canvas_height, canvas_width = self._canvas.shape[:2]
        face_px = self._figure.face_height * min(canvas_height, canvas_width)
        scale = face_px / _MEAN_BOX_HEIGHT
        center_x, center_y = self._figure.center_xy
        chin = np.array([center_x * canvas_width, center_y * canvas_height + face_px / 2.0])

        def fill(outline: np.ndarray, rgb: np.ndarray | tuple[float, ...]) -> None:
            self._fill(outline * scale + chin, rgb)

        fill(
            np.array([[-0.3, -0.42], [0.3, -0.42], [0.34, 0.48], [-0.34, 0.48]]), self._skin * 0.82
        )
        torso = np.array(
            [[-0.34, 0.16], [0.34, 0.16], [1.15, 0.5], [1.3, 2.6], [0.9, 2.6], [0.86, 3.0]]
        )
        fill(np.concatenate([torso, torso[::-1] * np.array([-1.0, 1.0])]), color)
        if self._figure.face_height < _FULL_FIGURE_BELOW:
            legs = np.array(
                [
                    [-0.8, 2.9],
                    [0.8, 2.9],
                    [0.75, 6.5],
                    [0.12, 6.5],
                    [0.0, 3.6],
                    [-0.12, 6.5],
                    [-0.75, 6.5],
                ]
            )
            fill(legs, (52, 58, 84))
            for side in (-1.0, 1.0):
                fill(
                    np.array(
                        [
                            [side * 1.12, 0.55],
                            [side * 1.45, 2.8],
                            [side * 1.15, 2.8],
                            [side * 0.9, 0.9],
                        ]
                    ),
                    color * 0.86,
                )

    def _paint_ears(self) -> None:
        radius = 0.17 + 0.05 * self._character.parameter("ear_size")
        for side in (-1.0, 1.0):
            center = np.array([[side * (self._shape.width * 0.97), 0.06]])
            center[0, 0] -= 0.12 * self._sin_yaw
            self._fill(
                self._flat(center + UNIT_CIRCLE * np.array([radius * 0.7, radius])),
                self._skin * 0.88,
            )

    def _paint_cheeks(self) -> None:
        blush = self._character.parameter("blush")
        if blush > -0.3:
            color = self._skin * (1 - 0.28 * (blush + 0.3)) + np.array([225, 90, 90]) * 0.28 * (
                blush + 0.3
            )
            for side in (-1.0, 1.0):
                center = np.array([side * 0.46, self._shape.nose_y - 0.02])
                self._fill(self._on_face(center + UNIT_CIRCLE * np.array([0.14, 0.09])), color)
        if self._character.has_freckles:
            rng = np.random.default_rng([self._character.seed, 0xF4])
            spots = rng.uniform([-0.16, -0.1], [0.16, 0.1], (5, 2))
            for side in (-1.0, 1.0):
                for spot in spots:
                    center = np.array(
                        [side * 0.42 + side * spot[0], self._shape.nose_y - 0.12 + spot[1]]
                    )
                    self._fill(self._on_face(center + UNIT_CIRCLE[::2] * 0.026), self._skin * 0.68)

    def _paint_beard(self) -> None:
        shape = self._shape
        if self._character.beard == "beard":
            outline = self._contour(1.02)
            low = outline[(outline[:, 1] > shape.nose_y - 0.1)]
            order = low[np.argsort(np.arctan2(low[:, 1] - shape.nose_y + 0.2, low[:, 0]))]
            inner = np.stack([ARC[::-1] * -0.42, np.full(7, shape.nose_y + 0.12)], axis=1)
            self._fill(np.concatenate([self._flat(order), self._on_face(inner)]), self._hair * 0.9)
        elif self._character.beard == "moustache":
            top = np.stack([ARC * 0.3, shape.nose_y + 0.09 + 0.09 * ARC**2], axis=1)
            bottom = np.stack([ARC[::-1] * 0.3, shape.nose_y + 0.19 + 0.05 * ARC**2], axis=1)
            self._fill(self._on_face(np.concatenate([top, bottom])), self._hair * 0.9)

    def _paint_eyes(self) -> None:
        shape, pose = self._shape, self._figure.pose
        tilt = 0.16 * self._character.parameter("eye_tilt")
        iris = iris_rgb(self._character)
        opening = shape.eye_ry * self._mood[4]
        for index, side in enumerate((-1.0, 1.0)):
            center = np.array([side * shape.eye_x, shape.eye_y])
            oval = UNIT_CIRCLE * np.array([shape.eye_rx, opening])
            oval[:, 1] -= tilt * side * oval[:, 0]
            eye = self._on_face(center + oval)
            self.landmarks_px[index] = self._on_face(center[None])[0]
            self._fill(eye, (250, 250, 250))
            radius = min(shape.iris * shape.eye_rx, opening * 1.02)
            look = center + np.array(
                [
                    pose.gaze_x * (shape.eye_rx - radius) * 0.8,
                    pose.gaze_y * max(0.0, opening - radius) * 0.7,
                ]
            )
            self._fill(self._on_face(look + UNIT_CIRCLE * radius), iris)
            self._fill(self._on_face(look + UNIT_CIRCLE[::2] * radius * 0.48), (18, 16, 20))
            lid = eye[np.array([7, 8, 9, 10, 11, 12, 13, 0])]
            width = max(1, round(0.045 * self._scale))
            cv2.polylines(
                self._canvas, [_fixed(lid)], False, (44, 32, 32), width, cv2.LINE_AA, SHIFT_BITS
            )

    def _paint_brows(self) -> None:
        shape, character = self._shape, self._character
        length = shape.eye_rx * (1.22 + 0.3 * character.parameter("brow_length"))
        thickness = 0.062 + 0.036 * character.parameter("brow_thickness")
        slope = 0.20 * character.parameter("brow_tilt")
        color = self._hair * 0.72
        for side in (-1.0, 1.0):
            inner = -ARC * side  # 1 at the nose, -1 at the temple
            lift = (
                self._mood[2]
                + self._mood[3] * (inner + 0.2)
                - slope * 0.3 * inner
                + 0.05 * (1.0 - ARC**2)
            )
            x, y = side * shape.eye_x + ARC * length, shape.brow_y - lift
            half = thickness * (0.55 + 0.45 * (inner + 1.0) / 2.0)
            upper, lower = np.stack([x, y - half], axis=1), np.stack([x, y + half], axis=1)
            self._fill(self._on_face(np.concatenate([upper, lower[::-1]])), color)

    def _paint_nose(self) -> None:
        shape = self._shape
        shade = self._skin * (0.80 - 0.10 * self._character.parameter("nose_shade"))
        rx = shape.nose_rx
        points = np.array(
            [
                [0.0, shape.eye_y + 0.06],
                [rx * 0.35, shape.nose_y - 0.14],
                [rx, shape.nose_y],
                [rx * 0.5, shape.nose_y + 0.05],
            ]
        )
        points = np.concatenate([points, (points * np.array([-1.0, 1.0]))[:0:-1]])
        lift = np.array([0.02, 0.10, 0.14, 0.14, 0.14, 0.14, 0.10])
        raised = np.concatenate(
            [self._on_face(points[i : i + 1], float(lift[i])) for i in range(len(points))]
        )
        self._fill(raised, shade)
        self.landmarks_px[2] = self._on_face(np.array([[0.0, shape.nose_y]]), 0.14)[0]

    def _paint_mouth(self) -> None:
        shape, character = self._shape, self._character
        lift, opening = self._mood[0], self._mood[1] + 0.16 * self._figure.pose.mouth_open
        thick = 0.058 + 0.03 * character.parameter("lip_thickness")
        red = character.parameter("lip_redness")
        lips = self._skin * 0.45 + np.array([176 + 40 * red, 66 - 20 * red, 72 - 10 * red]) * 0.5
        rx = shape.mouth_rx * (1.0 + 0.6 * lift - 0.9 * max(0.0, opening - 0.12))
        bow = 1.0 - ARC**2
        line = shape.mouth_y - lift * (ARC**2 - 0.35)
        top = np.stack([ARC * rx, line - thick * bow**0.6 - opening * 0.35 * bow], axis=1)
        bottom = np.stack([ARC * rx, line + thick * 1.15 * bow**0.6 + opening * 0.75 * bow], axis=1)
        self._fill(self._on_face(np.concatenate([top, bottom[::-1]])), lips)
        inner_top = np.stack([ARC * rx * 0.86, line - opening * 0.30 * bow], axis=1)
        inner_bottom = np.stack([ARC * rx * 0.86, line + opening * 0.62 * bow], axis=1)
        if opening > 0.03:
            self._fill(self._on_face(np.concatenate([inner_top, inner_bottom[::-1]])), (92, 26, 34))
            teeth = np.stack(
                [ARC[1:-1] * rx * 0.7, (line - opening * 0.30 * bow)[1:-1] + opening * 0.25],
                axis=1,
            )
            self._fill(
                self._on_face(np.concatenate([inner_top[1:-1], teeth[::-1]])), (246, 242, 234)
            )
        else:
            width = max(1, round(0.03 * self._scale))
            middle = self._on_face(np.stack([ARC * rx * 0.95, line], axis=1))
            cv2.polylines(
                self._canvas,
                [_fixed(middle)],
                False,
                (lips * 0.5).tolist(),
                width,
                cv2.LINE_AA,
                SHIFT_BITS,
            )
        corners = self._on_face(np.array([[-rx, line[0]], [rx, line[-1]]]))
        self.landmarks_px[3:5] = corners

    def _paint_glasses(self) -> None:
        if self._character.glasses == "none":
            return
        shape = self._shape
        width = max(1, round(0.055 * self._scale))
        color = (30, 30, 36)
        radius = max(0.24, shape.eye_rx * 1.25)
        square = np.array([[-1, -0.8], [1, -0.8], [1, 0.8], [-1, 0.8]], np.float64)
        rim = UNIT_CIRCLE if self._character.glasses == "round" else square
        for side in (-1.0, 1.0):
            center = np.array([side * max(shape.eye_x, radius + 0.05), shape.eye_y + 0.02])
            points = _fixed(self._on_face(center + rim * radius, 0.05))
            cv2.polylines(self._canvas, [points], True, color, width, cv2.LINE_AA, SHIFT_BITS)
        bridge = self._on_face(np.array([[-0.08, shape.eye_y], [0.08, shape.eye_y]]), 0.06)
        cv2.polylines(self._canvas, [_fixed(bridge)], False, color, width, cv2.LINE_AA, SHIFT_BITS)

    def _paint_back_hair(self) -> None:
        for outline, brightness in back_hair(self._character.hair_style, self._shape):
            self._fill(self._flat(outline), self._hair * brightness)

    def paint_front_hair(self, canvas: np.ndarray, color: list[float]) -> None:
        """Paint the hair that covers the forehead; the mask uses it with its own colour."""
        outline = front_hair(self._character.hair_style, self._shape)
        if outline is not None:
            cv2.fillPoly(canvas, [_fixed(self._flat(outline))], color, cv2.LINE_AA, SHIFT_BITS)


def _fixed(points_px: np.ndarray) -> np.ndarray:
    return np.round(points_px * (1 << SHIFT_BITS)).astype(np.int32)
