"""What holds for every face: alignment inverts, vectors have unit norm, similarity is symmetric."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from facekit.faces.align import invert_transform, similarity_transform, template, transform_points
from facekit.identity.similarity import leave_one_out, similarity_matrix, weighted_mean

angles = st.floats(-np.pi, np.pi)
sizes = st.floats(4.0, 4000.0)
shifts = st.floats(-5000.0, 5000.0)
seeds = st.integers(0, 2**32 - 1)


def placed(angle: float, size: float, x: float, y: float, seed: int, wobble: float) -> np.ndarray:
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    noise = np.random.default_rng(seed).normal(0.0, wobble, (5, 2))
    return ((template(112) / 112.0 - 0.5 + noise) @ turn.T) * size + np.array([x, y])


@given(angles, sizes, shifts, shifts, st.integers(8, 512), st.floats(0.0, 0.5))
def test_an_exact_face_lands_on_the_template(angle, size, x, y, size_px, margin):
    marks = placed(angle, size, x, y, 0, 0.0)
    transform = similarity_transform(marks, size_px, margin)
    landed = transform_points(marks, transform)
    # float32 holds coordinates of thousands to about a thousandth, magnified by the scale.
    tolerance = 1e-3 * size_px / size * (1.0 + max(abs(x), abs(y)) / 100.0) + 1e-3 * size_px
    np.testing.assert_allclose(landed, template(size_px, margin), atol=tolerance)


@given(angles, sizes, st.floats(-500, 500), st.floats(-500, 500), seeds, st.integers(8, 512))
def test_align_then_invert_gives_the_points_back(angle, size, x, y, seed, size_px):
    marks = placed(angle, size, x, y, seed, 0.03)
    transform = similarity_transform(marks, size_px, 0.25)
    back = transform_points(transform_points(marks, transform), invert_transform(transform))
    np.testing.assert_allclose(back, marks, atol=1e-3 * max(size, abs(x), abs(y), 1.0))


@given(angles, sizes, shifts, shifts, seeds)
def test_a_transform_only_turns_scales_and_shifts(angle, size, x, y, seed):
    transform = similarity_transform(placed(angle, size, x, y, seed, 0.03), 64)
    assert transform[0, 0] == transform[1, 1]
    assert transform[0, 1] == -transform[1, 0]
    assert np.linalg.det(transform[:, :2]) > 0


@settings(max_examples=50)
@given(seeds, st.integers(1, 12), st.integers(2, 64))
def test_means_are_unit_and_similarity_is_symmetric(seed, count, dim):
    vectors = np.random.default_rng(seed).normal(size=(count, dim)) + 0.1
    matrix = similarity_matrix(vectors)
    np.testing.assert_array_equal(matrix, matrix.T)
    np.testing.assert_allclose(np.diag(matrix), 1.0, atol=1e-6)
    assert np.abs(matrix).max() <= 1.0
    weights = np.random.default_rng(seed).uniform(0.1, 1.0, count)
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    if np.linalg.norm(weights @ unit) > 1e-3:
        assert abs(np.linalg.norm(weighted_mean(vectors, weights)) - 1.0) < 1e-5
    assert leave_one_out(vectors).shape == (count,)
