import numpy as np
import pytest

from facekit.evaluation.bootstrap import bootstrap_mean, paired_difference


def test_the_interval_holds_the_mean_and_is_repeatable():
    values = list(np.random.default_rng(1).normal(0.6, 0.1, 12))

    first, second = bootstrap_mean(values), bootstrap_mean(values)

    assert first == second
    assert first.low < first.mean < first.high
    assert first.mean == pytest.approx(np.mean(values))


def test_the_interval_covers_the_true_mean_about_as_often_as_it_says():
    rng = np.random.default_rng(0)
    hits = 0
    for _ in range(60):
        interval = bootstrap_mean(list(rng.normal(0.0, 1.0, 30)))
        hits += interval.low <= 0.0 <= interval.high

    assert hits >= 51


def test_values_that_are_not_scorable_are_left_out_and_not_zero():
    assert bootstrap_mean([0.5, None, 0.7]).mean == pytest.approx(0.6)
    assert bootstrap_mean([0.5, None, 0.7]).count == 2
    assert bootstrap_mean([None, None]) is None


def test_a_value_counts_by_its_weight_in_the_mean_and_in_every_resample():
    values, weights = [0.0, 1.0, None], [1.0, 3.0, 5.0]

    found = bootstrap_mean(values, weights=weights)

    assert found.mean == 0.75
    assert found.count == 2
    repeated = bootstrap_mean([0.0] * 50 + [1.0] * 50, weights=[1.0] * 50 + [3.0] * 50)
    assert repeated.mean == 0.75
    assert repeated.low < 0.75 < repeated.high
    assert repeated.low > 0.6


def test_one_value_has_no_interval():
    interval = bootstrap_mean([0.5])

    assert (interval.low, interval.high) == (None, None)
    assert interval.to_json() == {"mean": 0.5, "ci95": None, "count": 1}
    assert str(interval) == "0.500"


def test_pairing_removes_what_both_methods_share():
    """Characters differ by far more than methods do; unpaired intervals would overlap."""
    rng = np.random.default_rng(3)
    easy = rng.uniform(0.2, 0.9, 10)
    better = list(easy + 0.03 + rng.normal(0, 0.005, 10))

    difference = paired_difference(better, list(easy))

    assert difference.low > 0
    assert bootstrap_mean(better).low < bootstrap_mean(list(easy)).high


def test_pairs_need_equal_lengths_and_both_sides():
    with pytest.raises(ValueError, match="2 values cannot be paired with 1"):
        paired_difference([0.1, 0.2], [0.1])
    assert paired_difference([0.4, None], [0.1, 0.2]).count == 1
