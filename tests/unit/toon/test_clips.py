"""Clips: every action moves what it names, deterministically."""

import numpy as np
import pytest

from facekit.toon import ToonCharacter, draw_clip, sample_scene
from facekit.toon.scene import ACTIONS, Scene


def _scene(action: str) -> Scene:
    rng = np.random.default_rng(5)
    return sample_scene((ToonCharacter.from_seed(8),), rng, action=action, shot_size="medium shot")


@pytest.mark.parametrize("action", ACTIONS)
def test_clips_are_deterministic(action: str) -> None:
    one, two = (draw_clip(_scene(action), 5, phase=0.3) for _ in range(2))
    assert all(np.array_equal(a.image, b.image) for a, b in zip(one, two, strict=True))


@pytest.mark.parametrize("action", [a for a in ACTIONS if a != "standing still"])
def test_actions_move_more_than_standing_still(action: str) -> None:
    def path_px(name: str) -> float:
        points = np.stack([d.faces[0].landmarks_px for d in draw_clip(_scene(name), 17)])
        return float(np.abs(np.diff(points, axis=0)).sum())

    def change(name: str) -> float:
        frames = np.stack([d.image.astype(float) for d in draw_clip(_scene(name), 17)])
        return float(np.abs(np.diff(frames, axis=0)).mean())

    if action == "talking":
        assert change(action) > 1.5 * change("standing still")
    else:
        assert path_px(action) > 2.0 * path_px("standing still")


def test_zoom_in_grows_the_face() -> None:
    clip = draw_clip(_scene("zoom in"), 17)
    heights = [d.faces[0].box_xyxy_px[3] - d.faces[0].box_xyxy_px[1] for d in clip]
    assert heights[-1] > 1.2 * heights[0]
