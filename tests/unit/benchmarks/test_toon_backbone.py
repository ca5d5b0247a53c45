import numpy as np
import pytest

from benchmarks.toon_backbone import scenes, to_shots
from facekit.toon import HELD_OUT_SEED, draw, draw_clip
from facekit.toon.scene import ACTIONS, ASPECTS

COUNT = 3


@pytest.fixture(scope="module")
def moving():
    return [scene for action in ACTIONS for scene in scenes(COUNT, action=action, aspect="1:1")]


def test_every_action_and_clip_has_a_scene_of_its_own(moving):
    """The same few scenes stood for all actions, so six clips told as much as one."""
    assert len({scene.figures[0].character.seed for scene in moving}) == len(moving)
    assert len({scene.place_seed for scene in moving}) == len(moving)
    assert len({scene.figures[0].pose for scene in moving}) == len(moving)
    first_frames = {draw_clip(scene, 2)[0].image.tobytes() for scene in moving}
    assert len(first_frames) == len(moving)
    assert [scene.action for scene in moving] == [a for a in ACTIONS for _ in range(COUNT)]
    assert {(scene.height, scene.width) for scene in moving} == {ASPECTS["1:1"]}


def test_more_clips_begin_with_the_same_ones(moving):
    again = scenes(COUNT + 2, action=ACTIONS[1], aspect="1:1")
    assert list(map(repr, again[:COUNT])) == list(map(repr, moving[COUNT : 2 * COUNT]))


def test_characters_are_held_out(moving):
    assert min(scene.figures[0].character.seed for scene in moving) >= HELD_OUT_SEED


def test_pictures_take_turns_at_the_aspects():
    pictures = scenes(6, action=None)
    assert [(s.height, s.width) for s in pictures] == [*ASPECTS.values()] * 2
    assert np.array_equal(draw(pictures[0]).image, draw(scenes(1, action=None)[0]).image)


def test_shots_ask_by_caption_with_a_seed_each(moving):
    shots = to_shots(moving, 5)
    assert len({shot.seed for shot in shots}) == len({shot.name for shot in shots}) == len(moving)
    assert all(scene.action in shot.prompt for scene, shot in zip(moving, shots, strict=True))
