import numpy as np
import pytest

from facekit.identity.similarity import leave_one_out, similarity_matrix, weighted_mean

X, Y = np.array([1.0, 0.0, 0.0]), np.array([0.0, 2.0, 0.0])


def test_length_does_not_count():
    np.testing.assert_allclose(similarity_matrix(np.stack([X, Y * 5, -X]))[0], [1, 0, -1])


def test_rows_meet_columns():
    matrix = similarity_matrix(np.stack([X, Y]), np.stack([X, Y, X + Y / 2]))
    np.testing.assert_allclose(matrix, [[1, 0, 0.5**0.5], [0, 1, 0.5**0.5]], atol=1e-6)


def test_each_is_compared_with_the_mean_of_the_others():
    assert leave_one_out(X[None]).tolist() == [1.0]
    np.testing.assert_allclose(
        leave_one_out(np.stack([X, X, Y])), [0.5**0.5] * 2 + [0.0], atol=1e-6
    )


def test_weights_pull_the_mean():
    both = np.stack([X, Y])
    np.testing.assert_allclose(weighted_mean(both), [0.5**0.5, 0.5**0.5, 0], atol=1e-6)
    np.testing.assert_allclose(weighted_mean(both, np.array([1.0, 0.0])), X, atol=1e-6)


def test_what_makes_no_sense_is_refused():
    for make in (
        lambda: similarity_matrix(X),
        lambda: similarity_matrix(X[None], X[None, :2]),
        lambda: similarity_matrix(np.zeros((1, 3))),
        lambda: weighted_mean(np.zeros((0, 3))),
        lambda: weighted_mean(np.stack([X, Y]), np.array([0.0, 0.0])),
        lambda: weighted_mean(np.stack([X, -X])),
    ):
        with pytest.raises(ValueError, match=r"expected|fit|lengths"):
            make()


def test_many_vectors_are_compared_in_blocks_as_few_are():
    rows = np.random.default_rng(5).normal(size=(2100, 16)).astype(np.float32)
    whole = similarity_matrix(rows)
    assert np.array_equal(whole, whole.T)
    few = [0, 1, 1023, 1024, 2047, 2048, 2099]
    assert np.allclose(whole[np.ix_(few, few)], similarity_matrix(rows[few]), atol=1e-6)
    assert np.allclose(similarity_matrix(rows, rows[few]), whole[:, few], atol=1e-6)
