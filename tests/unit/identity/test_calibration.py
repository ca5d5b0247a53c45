import numpy as np
import pytest

from facekit.identity.calibration import equal_error_rate, roc, tar_at_far, threshold_at_far

SAME, DIFFERENT = np.array([0.9, 0.8, 0.7, 0.3]), np.array([0.4, 0.2, 0.1, 0.0])


def test_the_curve_is_exact():
    curve = roc(SAME, DIFFERENT)
    assert curve.far[0] == curve.tar[0] == 0.0
    assert curve.far[-1] == curve.tar[-1] == 1.0
    assert np.all(np.diff(curve.thresholds) < 0)
    assert np.all(np.diff(curve.far) >= 0)
    for threshold, far, tar in zip(curve.thresholds, curve.far, curve.tar, strict=True):
        assert (far, tar) == ((threshold <= DIFFERENT).mean(), (threshold <= SAME).mean())


@pytest.mark.parametrize(("far", "accepted"), [(0.1, 0), (0.25, 1), (0.5, 2), (1.0, 4)])
def test_the_threshold_accepts_no_more_than_asked(far: float, accepted: int):
    threshold = threshold_at_far(DIFFERENT, far)
    assert (threshold <= DIFFERENT).sum() == accepted


def test_ties_at_the_border_stay_out():
    threshold = threshold_at_far(np.array([0.5, 0.5, 0.1, 0.0]), 0.25)
    assert threshold > 0.5


def test_tar_at_the_threshold():
    assert tar_at_far(SAME, DIFFERENT, 0.1) == 0.75
    assert tar_at_far(SAME, DIFFERENT, 0.25) == 1.0
    assert tar_at_far(SAME.astype(np.float32), DIFFERENT, 0.1) == 0.75


def test_equal_errors():
    assert equal_error_rate(SAME, DIFFERENT) == pytest.approx(0.25)
    assert equal_error_rate(SAME + 1, DIFFERENT) == 0.0


def test_what_makes_no_sense_is_refused():
    for make in (
        lambda: roc(SAME, np.array([])),
        lambda: roc(np.array([np.nan]), DIFFERENT),
        lambda: threshold_at_far(DIFFERENT, 0.0),
    ):
        with pytest.raises(ValueError, match="expected"):
            make()
