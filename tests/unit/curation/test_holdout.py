import numpy as np
import pytest

from facekit.curation.holdout import LEAST_TRAINED, choose_holdout


def test_the_photo_that_differs_most_is_held_out():
    likeness = np.full((5, 5), 0.9, np.float32)
    likeness[2] = likeness[:, 2] = 0.5
    assert choose_holdout(likeness, [0] * 5, 1) == (2,)


def test_two_nearly_equal_pictures_are_not_on_both_sides():
    likeness = np.full((6, 6), 0.8, np.float32)
    hashes = [0, 2**30 - 1, 0b11, (2**30 - 1) << 30, 0b1100 << 58, 2**63]
    held = choose_holdout(likeness, hashes, 2)
    assert (0 in held) == (2 in held)


@pytest.mark.parametrize(("count", "wanted", "expected"), [(4, 2, 1), (3, 2, 0), (8, 2, 2)])
def test_enough_photos_remain(count: int, wanted: int, expected: int):
    held = choose_holdout(np.ones((count, count), np.float32), [0] * count, wanted)
    assert len(held) == expected
    assert count - len(held) >= LEAST_TRAINED


def test_many_photos_are_chosen_greedily():
    rng = np.random.default_rng(0)
    vectors = rng.normal(size=(60, 8))
    vectors[[7, 21, 40, 55]] *= -1
    likeness = (vectors @ vectors.T).astype(np.float32)
    held = choose_holdout(likeness, [0] * 60, 5)
    assert len(set(held)) == 5
    assert held == tuple(sorted(held))


def distinct(count: int, seed: int = 0) -> tuple[np.ndarray, list[int]]:
    rng = np.random.default_rng(seed)
    vectors = rng.normal(size=(count, 8)).astype(np.float32)
    return vectors @ vectors.T, [int(value) for value in rng.integers(0, 2**62, count)]


@pytest.mark.parametrize("seed", range(20))
def test_frames_of_one_clip_are_never_on_both_sides(seed: int):
    groups = ["a"] * 4 + ["b"] * 3 + ["c"] * 2 + ["1", "2"]
    held = choose_holdout(*distinct(11, seed), 2, groups)
    assert len(held) == 2
    sides = {(group, index in held) for index, group in enumerate(groups)}
    assert len(sides) == 5


def test_rather_fewer_are_held_out_and_more_only_where_every_group_is_larger():
    assert choose_holdout(*distinct(9), 2, ["a"] * 8 + ["1"]) == (8,)
    held = choose_holdout(*distinct(15), 2, ["a"] * 6 + ["b"] * 5 + ["c"] * 4)
    assert held == (11, 12, 13, 14)
    assert choose_holdout(*distinct(7), 2, ["a"] * 3 + ["b"] * 4) == (0, 1, 2)
    assert choose_holdout(*distinct(5), 2, ["a"] * 3 + ["b"] * 2) == (3, 4)


def test_enough_remains_whatever_is_held_out():
    assert choose_holdout(*distinct(5), 1, ["a"] * 3 + ["b"] * 2) == (3, 4)
    assert choose_holdout(*distinct(5), 1, ["a"] * 2 + ["b"] * 3) == (0, 1)
    assert choose_holdout(*distinct(8), 2, ["a"] * 7 + ["b"])[0] == 7
    assert choose_holdout(*distinct(4), 2, ["a"] * 2 + ["b"] * 2) == ()


def test_a_single_clip_is_divided_for_there_is_no_other_way():
    likeness, hashes = distinct(8)
    assert choose_holdout(likeness, hashes, 2, ["a"] * 8) == choose_holdout(likeness, hashes, 2)
    assert len(choose_holdout(likeness, hashes, 2, ["a"] * 8)) == 2


def test_many_clips_are_chosen_from_greedily():
    groups = [str(index // 2) for index in range(300)]
    held = choose_holdout(*distinct(300), 6, groups)
    assert len(held) == 6
    assert len({groups[index] for index in held}) == 3
