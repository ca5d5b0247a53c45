import numpy as np
import pytest

from facekit.curation.checks import (
    check_kind,
    check_picture,
    check_pitch,
    check_quality,
    compare_people,
    group_people,
)
from facekit.faces.quality import FaceQuality
from facekit.media.traits import PictureTraits
from facekit.recipe import PhotosSection
from tests.tiny.faces import DiscFaces

GOOD = {
    "face_px": 40.0,
    "face_fraction": 0.4,
    "visible": 1.0,
    "sharpness": 0.8,
    "brightness": 0.5,
    "contrast": 0.2,
    "yaw_deg": 0.0,
    "pitch_deg": 20.0,
    "roll_deg": 0.0,
    "burnt": 0.0,
    "black": 0.0,
    "mouth": 1.0,
    "score": 0.9,
}
RULES = PhotosSection(min_sharpness=0.2)


@pytest.mark.parametrize(
    ("field", "value", "code"),
    [
        ("visible", 0.6, "cut_off"),
        ("face_px", 15.0, "too_small"),
        ("sharpness", 0.1, "blurred"),
        ("brightness", 0.05, "too_dark"),
        ("brightness", 0.99, "too_bright"),
        ("burnt", 0.4, "too_bright"),
        ("black", 0.6, "too_dark"),
        ("yaw_deg", -80.0, "turned_away"),
        ("yaw_deg", 80.0, "turned_away"),
    ],
)
def test_each_measure_has_its_threshold(field: str, value: float, code: str):
    assert check_quality(FaceQuality(**GOOD), RULES) == ()
    (finding,) = check_quality(FaceQuality(**(GOOD | {field: value})), RULES)
    assert finding.code.value == code
    assert finding.value == pytest.approx(abs(value))
    assert finding.limit is not None
    assert ";" in finding.sentence


def test_all_reasons_are_listed():
    bad = FaceQuality(**(GOOD | {"face_px": 5.0, "sharpness": 0.0, "brightness": 0.0}))
    assert len(check_quality(bad, RULES)) == 3


def test_a_minority_of_somebody_else_is_found():
    rng = np.random.default_rng(0)
    ours, theirs = np.eye(16)[0], np.eye(16)[1]
    vectors = np.stack([ours] * 5 + [theirs] * 4) + rng.normal(0, 0.05, (9, 16))
    similarity, findings = compare_people(vectors.astype(np.float32), 0.35)
    assert [finding is not None for finding in findings] == [False] * 5 + [True] * 4
    assert similarity[:5].min() > 0.8 > 0.35 > similarity[5:].max()


def test_photos_of_all_different_people_are_all_somebody_else():
    _, findings = compare_people(np.eye(4, dtype=np.float32), 0.35)
    assert all(finding is not None for finding in findings)


def test_one_photo_and_none_are_compared_with_nobody():
    assert compare_people(np.eye(1, 4, dtype=np.float32), 0.35)[1] == (None,)
    assert compare_people(np.zeros((0, 4), np.float32), 0.35)[1] == ()


def test_photos_of_one_person_are_put_together():
    angles = np.radians([0, 5, 10, 120, 125, 240])
    vectors = np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)
    assert group_people(vectors, 0.9) == ((0, 1, 2), (3, 4), (5,))
    assert group_people(vectors[:0], 0.9) == ()
    assert group_people(vectors[5:], 2.0) == ((0,),), "alike to nobody is a person too"


@pytest.mark.parametrize(
    ("ours", "intruders"),
    [(8, (1,)), (7, (1, 1)), (7, (2,)), (6, (1, 1, 1)), (6, (3,)), (6, (2, 1)), (5, (2, 2))],
)
def test_intruders_are_found_alone_and_as_one_person(ours: int, intruders: tuple[int, ...]):
    """Also where intruders agree with each other better than we do, and are half like us."""
    rng = np.random.default_rng(sum(intruders))
    people = np.eye(32)
    rows = [people[0] + rng.normal(0, 0.12, 32) for _ in range(ours)]
    for number, count in enumerate(intruders, start=1):
        other = people[number] + 0.2 * people[0]
        rows += [other + rng.normal(0, 0.02, 32) for _ in range(count)]
    order = rng.permutation(len(rows))
    vectors = np.stack(rows)[order].astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    _, findings = compare_people(vectors, 0.35)
    assert [finding is not None for finding in findings] == (order >= ours).tolist()


def test_a_nod_is_told_beside_the_set_however_long_the_face_is():
    for offset in (0.0, 30.0):
        found = check_pitch([offset + pitch for pitch in (0, 5, -5, 60, -50)], RULES)
        assert [f is not None for f in found] == [False, False, False, True, True]
        assert found[3] is not None
        assert found[3].code == "tilted"
        assert "looks down by 60 degrees" in found[3].sentence
    assert check_pitch([0.0, 90.0], RULES) == (None, None)


def test_bars_and_filters_have_thresholds():
    plain = PictureTraits(flatness=0.2, border=0.0, posterised=0.1)
    assert check_picture(plain, RULES) == ()
    bad = PictureTraits(flatness=0.2, border=0.2, posterised=1.0)
    assert [finding.code.value for finding in check_picture(bad, RULES)] == ["borders", "filtered"]


class Drawn(DiscFaces):
    made_for = "drawing"


class Photographed(DiscFaces):
    made_for = "photograph"


def test_the_kind_of_the_set_is_what_most_are():
    flat, rough = (PictureTraits(flatness=f, border=0.0, posterised=0.1) for f in (0.8, 0.1))
    assert check_kind([rough, rough, flat], Photographed()) is None
    assert check_kind([flat, flat, rough], Drawn()) is None
    found = check_kind([rough, rough, flat], Drawn())
    assert found is not None
    assert "--set encoder.train=opencv" in found.sentence
    assert check_kind([flat], DiscFaces()) is check_kind([], Photographed()) is None
