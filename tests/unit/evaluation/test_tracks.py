import dataclasses

import cv2
import numpy as np
import pytest

from facekit.evaluation import tracks
from facekit.evaluation.tracks import ScoringRules, track_clips, track_frames
from facekit.recipe import LEAST_DETECTION_SCORE
from facekit.toon import Figure, Pose, Scene, ToonCharacter, draw
from facekit.types import Clip
from tests.tiny.drawn_faces import DrawnFaces

MIRA = ToonCharacter.from_seed(1_000_001)


def drawing(yaw: float = 0.0, height: float = 0.5, center: tuple[float, float] = (0.5, 0.45)):
    figure = Figure(character=MIRA, pose=Pose(yaw_deg=yaw), face_height=height, center_xy=center)
    return draw(Scene(figures=(figure,)), with_masks=False)


def status(**kwargs) -> str:
    picture = drawing(**kwargs)
    return track_frames([picture.image], DrawnFaces([picture])).statuses[0]


def test_a_plain_face_is_scored_and_its_embedding_has_unit_norm():
    picture = drawing()

    track = track_frames([picture.image], DrawnFaces([picture]))

    assert track.statuses == ("scored",)
    assert np.linalg.norm(track.embeddings_FD[0]) == pytest.approx(1.0, abs=1e-5)


def test_a_picture_without_a_face_has_no_numbers():
    track = track_frames([np.zeros((96, 96, 3), np.uint8)], DrawnFaces())

    assert track.statuses == ("no face",)
    assert track.is_missing.tolist() == [True]
    assert np.isnan(track.embeddings_FD).all()
    assert np.isnan(track.landmarks_px).all()


def test_reasons_why_a_face_is_not_scorable():
    assert status(height=0.1) == tracks.SMALL
    assert status(center=(0.0, 0.45)) == tracks.UNSURE


@pytest.mark.parametrize("height", [0.2, 0.35, 0.6])
def test_a_blurred_face_is_not_scorable_and_a_drawn_one_is(height: float):
    """Out of focus by 2.5 px of a 64 px crop, which a crop of a small face cannot show."""
    picture = drawing(height=height)
    (face,) = picture.faces
    sigma_px = 2.5 / 64 * 1.5 * float(face.box_xyxy_px[3] - face.box_xyxy_px[1])
    blurred = cv2.GaussianBlur(picture.image, (0, 0), sigma_px)
    faces = DrawnFaces([picture, dataclasses.replace(picture, image=blurred)])

    statuses = track_frames([picture.image, blurred], faces).statuses

    assert statuses == (tracks.SCORED, tracks.BLURRED if height > 0.3 else tracks.SCORED)


def test_how_sure_the_detector_is_does_not_decide():
    """It is as sure of a face with its lower half covered; what it is not sure of it keeps back."""
    picture = drawing()
    faces = DrawnFaces([picture])
    (key, (face,)) = next(iter(faces.known.items()))
    faces.known[key] = (dataclasses.replace(face, score=LEAST_DETECTION_SCORE),)

    assert track_frames([picture.image], faces).statuses == (tracks.SCORED,)


def test_the_rules_decide_what_a_profile_is():
    picture = drawing(yaw=45.0)
    faces = DrawnFaces([picture])

    strict = track_frames([picture.image], faces, ScoringRules(max_yaw_deg=15.0))

    assert strict.statuses == (tracks.PROFILE,)
    assert np.isfinite(strict.embeddings_FD).all(), "profiles stay in the pose strata"
    assert abs(strict.yaw_deg[0]) > 15.0
    assert track_frames([picture.image], faces).statuses == (tracks.SCORED,)


def test_landmarks_that_are_no_face_are_not_scorable_and_stop_nothing():
    picture = drawing()
    faces = DrawnFaces([picture])
    (key, (face,)) = next(iter(faces.known.items()))
    faces.known[key] = (dataclasses.replace(face, landmarks_px=np.ones((5, 2), np.float32)),)

    track = track_frames([picture.image], faces)

    assert track.statuses == (tracks.UNSURE,)
    assert np.isnan(track.embeddings_FD).all()


def test_the_largest_face_is_taken():
    small = Figure(
        character=ToonCharacter.from_seed(1_000_002), face_height=0.2, center_xy=(0.2, 0.4)
    )
    large = Figure(character=MIRA, face_height=0.4, center_xy=(0.65, 0.45))
    picture = draw(Scene(figures=(small, large), width=176), with_masks=False)

    track = track_frames([picture.image], DrawnFaces([picture]))

    assert track.boxes_xyxy_px[0, 0] > 80


def test_clips_are_tracked_one_by_one():
    picture = drawing()
    clip = Clip(frames=np.stack([picture.image, np.zeros_like(picture.image)]), fps=8.0)

    (track,) = track_clips([clip], DrawnFaces([picture]))

    assert track.statuses == ("scored", "no face")
