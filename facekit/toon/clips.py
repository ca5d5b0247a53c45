"""Clips: a scene moved through time by its action."""

import dataclasses

import numpy as np

from facekit.toon.render import Drawing, draw
from facekit.toon.scene import Figure, Pose, Scene

__all__ = ["CLIP_FPS", "draw_clip"]

CLIP_FPS = 8.0
"""Frames per second of drawn and generated clips."""


def draw_clip(
    scene: Scene, num_frames: int, *, phase: float = 0.0, with_masks: bool = False
) -> tuple[Drawing, ...]:
    """Draw the scene's action as frames; frame 0 of phase 0 begins at the scene's own pose.

    Args:
        scene: The scene; `scene.action` says what moves.
        num_frames: How many frames, at `CLIP_FPS`.
        phase: Where in its cycle the action begins, in [0, 1).
        with_masks: Whether each drawing carries face masks.
    """
    return tuple(
        draw(_at(scene, index, num_frames, phase), with_masks=with_masks)
        for index in range(num_frames)
    )


def _at(scene: Scene, index: int, num_frames: int, phase: float) -> Scene:
    seconds = index / CLIP_FPS
    progress = index / 16.0
    cycle = 2.0 * np.pi * (phase + seconds / 1.6)
    figures = tuple(_move(figure, scene, cycle, progress, seconds) for figure in scene.figures)
    return dataclasses.replace(scene, figures=figures)


def _move(figure: Figure, scene: Scene, cycle: float, progress: float, seconds: float) -> Figure:
    pose, center, height = figure.pose, figure.center_xy, figure.face_height
    start = 0.0
    breath = 0.004 * np.sin(2.0 * np.pi * seconds / 2.0)
    if scene.action == "turning the head":
        side = -1.0 if pose.yaw_deg > 0 else 1.0
        sweep = 30.0 * (1.0 - np.cos(np.pi * min(1.0, progress * 1.2)))
        pose = dataclasses.replace(
            pose, yaw_deg=float(np.clip(pose.yaw_deg + side * sweep, -50.0, 50.0))
        )
    elif scene.action == "nodding":
        pose = dataclasses.replace(
            pose, pitch_deg=float(np.clip(pose.pitch_deg * 0.4 + 15.0 * np.sin(cycle), -20.0, 20.0))
        )
    elif scene.action == "talking":
        opening = float(max(0.0, np.sin(cycle * 1.5)))
        pose = dataclasses.replace(
            pose, mouth_open=opening, pitch_deg=pose.pitch_deg + 2.0 * float(np.sin(cycle))
        )
    elif scene.action == "walking in":
        start = -0.22 if center[0] >= 0.5 else 0.22
        reached = min(1.0, progress * 1.1)
        bob = 0.02 * abs(float(np.sin(cycle * 2.0))) * (1.0 - 0.5 * reached)
        center = (float(np.clip(center[0] + start * (1.0 - reached), 0.08, 0.92)), center[1] - bob)
    elif scene.action == "zoom in":
        height = figure.face_height * (1.0 + 0.28 * min(1.0, progress))
    moved = (center[0], center[1] + (breath if scene.action != "walking in" else 0.0))
    return dataclasses.replace(
        figure, pose=Pose(**_fields(pose)), center_xy=moved, face_height=height
    )


def _fields(pose: Pose) -> dict[str, float]:
    return {field.name: getattr(pose, field.name) for field in dataclasses.fields(pose)}
