"""The renderer: determinism, exact truth, and that identity changes the face and nothing else."""

import dataclasses
import itertools
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from facekit.toon import FACE_PARAMETERS, ToonCharacter, caption, draw, sample_scene
from facekit.toon.scene import ASPECTS, LIGHTS, PLACES, Scene

seeds = st.integers(0, 2**31 - 1)


def _scene(seed: int, **fixed: Any) -> Scene:
    return sample_scene((ToonCharacter.from_seed(seed),), np.random.default_rng(seed), **fixed)


@settings(max_examples=20, deadline=None)
@given(seeds, st.sampled_from(sorted(ASPECTS)))
def test_same_seed_gives_same_pixels(seed: int, aspect: str) -> None:
    one, two = draw(_scene(seed, aspect=aspect)), draw(_scene(seed, aspect=aspect))
    assert np.array_equal(one.image, two.image)
    assert one.image.shape == (*ASPECTS[aspect], 3)
    assert np.array_equal(one.faces[0].landmarks_px, two.faces[0].landmarks_px)


@settings(max_examples=25, deadline=None)
@given(seeds)
def test_truth_agrees_with_the_drawing(seed: int) -> None:
    scene = _scene(seed, shot_size="close-up", light="soft light")
    bald = dataclasses.replace(
        scene.figures[0].character, hair_style="bald", glasses="none", beard="none"
    )
    figure = dataclasses.replace(scene.figures[0], character=bald, mood="neutral")
    drawing = draw(dataclasses.replace(scene, figures=(figure,)))
    face = drawing.faces[0]
    left, top, right, bottom = face.box_xyxy_px
    rows, columns = np.nonzero(face.mask > 0.5)
    # The mask starts at the skull; the box at the hairline.
    assert abs(columns.min() - max(0.0, left)) < 2.0
    assert abs(columns.max() - min(scene.width - 1.0, right)) < 2.0
    assert abs(rows.max() - min(scene.height - 1.0, bottom)) < 2.0
    assert rows.min() < top + 1.0
    # Far to the side the nose stands out from the outline, so only the eyes must lie on the mask.
    for x, y in np.round(face.landmarks_px[:2]).astype(int):
        assert face.mask[max(0, y - 1) : y + 2, max(0, x - 2) : x + 3].max() > 0.5
    margin = 0.15 * (bottom - top)
    assert (face.landmarks_px > face.box_xyxy_px[:2] - margin).all()
    assert (face.landmarks_px < face.box_xyxy_px[2:] + margin).all()
    # Eyes are drawn where the truth says: white or iris, unlike the skin below them.
    skin_below = face.landmarks_px[0] + np.array([0.0, 0.17 * (bottom - top)])
    x, y = np.round(skin_below).astype(int)
    ex, ey = np.round(face.landmarks_px[0]).astype(int)
    difference = np.abs(drawing.image[ey, ex].astype(int) - drawing.image[y, x].astype(int)).sum()
    assert difference > 20


@pytest.mark.parametrize("name", FACE_PARAMETERS)
def test_identity_parameters_change_the_face_and_nothing_else(name: str) -> None:
    scene = _scene(41, shot_size="medium shot", light="soft light")
    figure = dataclasses.replace(scene.figures[0], center_xy=(0.5, 0.42))
    index = FACE_PARAMETERS.index(name)
    images, captions = [], []
    for value in (-1.0, 1.0):
        face = figure.character.face.copy()
        face[index] = value
        character = dataclasses.replace(
            figure.character, face=face, hair_style="short", glasses="none", beard="none"
        )
        changed = dataclasses.replace(
            scene, figures=(dataclasses.replace(figure, character=character),)
        )
        drawing = draw(changed)
        images.append(drawing.image.astype(int))
        captions.append(caption(changed))
    difference = np.abs(images[0] - images[1]).sum(-1)
    assert difference.max() > 12, "the parameter must be seen"
    assert captions[0] == captions[1]
    face_px = figure.face_height * 96
    center = np.array([0.5, 0.42]) * 96
    ys, xs = np.nonzero(difference)
    assert (np.abs(xs - center[0]) <= 0.85 * face_px).all()
    assert (ys >= center[1] - 1.05 * face_px).all()
    assert (ys <= center[1] + 0.95 * face_px).all(), "below the neck nothing changes"


def test_light_and_place_leave_face_and_truth_alone() -> None:
    scene = _scene(7)
    reference = draw(scene).faces[0]
    for light in LIGHTS:
        for place in PLACES:
            face = draw(dataclasses.replace(scene, light=light, place=place)).faces[0]
            assert np.array_equal(face.landmarks_px, reference.landmarks_px)
            assert np.array_equal(face.mask, reference.mask)
            assert face.character_seed == reference.character_seed


def test_pose_moves_landmarks_but_not_the_shape() -> None:
    from facekit.toon.head_shape import HeadShape

    scene = _scene(9)
    figure = scene.figures[0]
    turned = dataclasses.replace(
        figure, pose=dataclasses.replace(figure.pose, yaw_deg=40.0, pitch_deg=5.0)
    )
    assert HeadShape.of(figure.character) == HeadShape.of(turned.character)
    straight = dataclasses.replace(
        figure, pose=dataclasses.replace(figure.pose, yaw_deg=0.0, pitch_deg=5.0)
    )
    one = draw(dataclasses.replace(scene, figures=(straight,))).faces[0].landmarks_px
    two = draw(dataclasses.replace(scene, figures=(turned,))).faces[0].landmarks_px
    assert two[2, 0] > one[2, 0], "the nose goes to the side that the head turns to"


@pytest.mark.parametrize("count", [0, 1, 2, 3])
def test_up_to_three_people_in_order_without_overlap(count: int) -> None:
    rng = np.random.default_rng(count)
    for _ in range(10):
        people = tuple(ToonCharacter.from_seed(int(s)) for s in rng.integers(0, 1000, count))
        scene = sample_scene(people, rng, aspect="16:9")
        faces = draw(scene).faces
        assert [face.character_seed for face in faces] == [person.seed for person in people]
        for left, right in itertools.pairwise(faces):
            assert left.box_xyxy_px[2] < right.box_xyxy_px[0] + 6
