import json

import numpy as np
import pytest

from benchmarks import toon_encoders
from benchmarks.toon_encoders import FAR, Resampled, _interval, _pairs
from facekit.identity.calibration import tar_at_far


@pytest.fixture(scope="module")
def scored():
    """40 characters with 6 vectors each, noisy enough that some pairs are refused."""
    rng = np.random.default_rng(3)
    labels = np.repeat(np.arange(40), 6)
    vectors = rng.normal(size=(40, 16))[labels] + 0.8 * rng.normal(size=(240, 16))
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True), labels


def test_when_all_count_once_the_rate_is_the_plain_one(scored):
    resampled = Resampled(*scored)

    plain = tar_at_far(*_pairs(*scored), FAR)
    assert 0.2 < plain < 0.98
    assert resampled.rate(np.ones(resampled.count, int)) == plain


def test_a_character_counts_as_often_as_it_is_drawn(scored):
    vectors, labels = scored
    times = np.random.default_rng(5).integers(0, 3, 40)
    drawn = np.repeat(np.arange(40), times)
    rows = [np.flatnonzero(labels == person) for person in drawn]
    copies = np.concatenate([np.full(len(row), copy) for copy, row in enumerate(rows)])
    picked = np.concatenate(rows)
    first, second = np.triu_indices(len(picked), 1)
    scores = np.sum(vectors[picked[first]] * vectors[picked[second]], axis=1)
    of_one = labels[picked[first]] == labels[picked[second]]
    same = of_one & (copies[first] == copies[second])

    expected = tar_at_far(scores[same], scores[~of_one], FAR)
    assert Resampled(vectors, labels).rate(times) == pytest.approx(expected, abs=1e-3)


def test_the_interval_is_about_as_wide_as_characters_differ(scored):
    """120 of 300 characters without replacement gave the spread of another experiment."""
    low, high = _interval(*scored)

    halves = [tar_at_far(*_pairs(scored[0][part], scored[1][part]), FAR) for part in _halves()]
    assert low < tar_at_far(*_pairs(*scored), FAR) < high
    assert 0.5 * np.std(halves) < (high - low) / 4 < 2.0 * np.std(halves)


def _halves():
    """Disjoint halves of 40 characters differ as much from each other as resamples of all do."""
    rng = np.random.default_rng(0)
    labels = np.repeat(np.arange(40), 6)
    for _ in range(40):
        yield np.isin(labels, rng.permutation(40)[:20])


def test_a_tiny_run_publishes_both_encoders(tmp_path, capsys):
    toon_encoders.main(["--characters", "3", "--empty", "2", "--out", str(tmp_path)])

    written = json.loads((tmp_path / "toon_encoders.json").read_text())
    assert list(written) == ["command", "machine", "manifest_digest", "encoders"]
    for values in written["encoders"].values():
        low, high = values["tar_at_far_1e-3_ci95"]
        assert 0.0 <= low <= high <= 1.0
        assert values["landmark_error_of_eye_distance"] < 0.2
    assert (tmp_path / "toon_encoders.png").is_file()
