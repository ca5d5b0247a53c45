import numpy as np
import pytest

from facekit.evaluation import metrics
from facekit.types import SHOT_SIZES


def unit(*values: float) -> np.ndarray:
    vector = np.asarray(values, dtype=np.float32)
    return vector / np.linalg.norm(vector)


def at(degrees: float) -> np.ndarray:
    return unit(np.cos(np.deg2rad(degrees)), np.sin(np.deg2rad(degrees)), 0.0)


PHOTOS = np.stack([at(0.0), at(10.0)])


def counted(embeddings, scored, missing, *, demanded):
    return metrics.counted_similarities(
        np.stack(embeddings),
        PHOTOS,
        is_scored=np.asarray(scored),
        is_missing=np.asarray(missing),
        demanded=demanded,
    )


NOBODY = np.full(3, np.nan, dtype=np.float32)


def test_a_missing_face_counts_zero_only_where_one_is_demanded():
    args = ([at(5.0), NOBODY], [True, False], [False, True])

    demanded, free = counted(*args, demanded=True), counted(*args, demanded=False)

    assert demanded[1] == 0.0
    assert np.isnan(free[1])
    assert demanded[0] == free[0] == pytest.approx(np.cos(np.deg2rad(5.0)), abs=1e-3)


def test_a_profile_is_not_scorable_even_where_a_face_is_demanded():
    values = counted([at(5.0), at(80.0)], [True, False], [False, False], demanded=True)

    assert np.isnan(values[1])
    assert metrics.mean_or_none(values) == pytest.approx(values[0])


def test_nothing_scorable_is_none_and_never_zero():
    assert metrics.mean_or_none(np.array([np.nan, np.nan])) is None
    assert metrics.mean_or_none([]) is None
    assert metrics.likeness_ratio(None, 0.7) is None
    assert metrics.likeness_ratio(0.5, 0.0) is None


def test_the_ceiling_is_the_mean_over_all_pairs_of_photos():
    ceiling = metrics.photo_ceiling(PHOTOS, np.stack([at(20.0)]))

    expected = np.mean(np.cos(np.deg2rad([20.0, 10.0])))
    assert ceiling == pytest.approx(expected, abs=1e-6)
    assert metrics.likeness_ratio(0.5 * ceiling, ceiling) == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("frame_deg", "expected"),
    [(0.0, 1.0), (20.0, -1.0), (10.0, 0.0)],
    ids=["copy of the photo", "the held-out photo itself", "between both"],
)
def test_copy_paste_is_one_for_a_copy_and_zero_between(frame_deg, expected):
    frames = np.stack([at(frame_deg)])

    value = metrics.copy_paste(frames, np.stack([at(0.0)]), np.stack([at(20.0)]))

    assert value == pytest.approx(expected, abs=1e-3)


def test_copy_paste_looks_at_the_nearest_conditioning_photo():
    enrolled = np.stack([at(-60.0), at(0.0)])

    assert metrics.copy_paste(np.stack([at(0.0)]), enrolled, np.stack([at(20.0)])) == pytest.approx(
        1.0, abs=1e-3
    )
    assert metrics.copy_paste(np.zeros((0, 3)), enrolled, PHOTOS) is None


def test_equal_photos_do_not_blow_copy_paste_up():
    value = metrics.copy_paste(np.stack([at(1.0)]), np.stack([at(0.0)]), np.stack([at(0.0)]))

    assert abs(value) < 1e-3


def test_cross_shot_finds_the_odd_one_out():
    shots = [at(0.0), at(5.0), None, at(70.0)]

    found = metrics.cross_shot(shots)

    assert found.pair == (0, 3)
    assert found.xmin == pytest.approx(np.cos(np.deg2rad(70.0)), abs=1e-6)
    assert found.xsim == pytest.approx(np.mean(np.cos(np.deg2rad([5.0, 70.0, 65.0]))), abs=1e-6)
    assert np.isnan(found.matrix_SS[2]).all()
    assert found.matrix_SS[0, 3] == found.matrix_SS[3, 0]


def test_one_shot_cannot_be_compared_with_itself():
    assert metrics.cross_shot([at(0.0), None]).xsim is None


def test_a_centroid_has_unit_norm_or_is_none():
    assert np.linalg.norm(metrics.centroid(PHOTOS)) == pytest.approx(1.0)
    assert metrics.centroid(np.zeros((0, 3))) is None
    assert metrics.centroid(np.stack([at(0.0), at(180.0)])) is None


def test_drift_is_positive_when_the_face_is_lost():
    degrees = np.linspace(0.0, 70.0, 9)
    embeddings = np.stack([at(angle) for angle in degrees])
    values = np.cos(np.deg2rad(degrees))

    found = metrics.drift(values, embeddings, fps=8.0)

    assert found.drop > 0.3
    assert found.slope_per_s < 0
    assert found.kept == pytest.approx(np.mean(values >= 0.4))


def test_a_still_clip_does_not_drift():
    embeddings = np.stack([at(3.0)] * 8)

    found = metrics.drift(np.full(8, 0.9), embeddings, fps=8.0)

    assert (found.drop, found.deviation, found.kept) == (0.0, 0.0, 1.0)
    assert found.slope_per_s == pytest.approx(0.0, abs=1e-9)
    assert metrics.drift(np.array([0.9, np.nan, 0.9]), embeddings[:3], fps=8.0) is None


def test_a_face_that_disappears_has_drifted_and_is_not_kept():
    embeddings = np.stack([at(3.0)] * 4 + [np.full(at(3.0).shape, np.nan)] * 4)
    values = np.array([0.9] * 4 + [0.0] * 4)

    found = metrics.drift(values, embeddings, fps=8.0)

    assert found.drop == pytest.approx(0.9)
    assert found.kept == 0.5


def test_quarters_are_those_of_the_clip_and_not_of_its_scorable_frames():
    embeddings = np.stack([at(3.0)] * 12)
    values = np.array([0.9] * 4 + [0.5] * 4 + [np.nan] * 4)

    assert metrics.drift(values, embeddings, fps=8.0) is None


def test_a_clip_that_gains_likeness_has_lost_none():
    embeddings = np.stack([at(3.0)] * 8)

    found = metrics.drift(np.linspace(0.2, 0.9, 8), embeddings, fps=8.0)

    assert found.drop < 0
    assert found.loss == 0.0


def test_pose_strata_divide_by_the_absolute_turn():
    strata = metrics.pose_strata(
        np.array([0.9, 0.5, 0.1, np.nan]), np.array([-10.0, 45.0, -75.0, np.nan])
    )

    assert strata == {"0-30": 0.9, "30-60": 0.5, "60-90": 0.1}


def test_the_kinds_that_demand_a_face():
    assert metrics.demands_face("close-up")
    assert metrics.demands_face("medium shot")
    assert not metrics.demands_face("wide shot")
    assert not metrics.demands_face("unknown")
    assert not metrics.demands_face("validation")
    assert [metrics.demands_face(size) for size in SHOT_SIZES] == [True, True, False]
