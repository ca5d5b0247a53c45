import numpy as np
import pytest

from facekit.evaluation.film import FilmShot, film_trend, worst_pairs


def shot(start_s: float, *values: float, seconds: float = 2.0) -> FilmShot:
    return FilmShot(name="a", start_s=start_s, seconds=seconds, similarities_F=np.array(values))


def test_a_face_that_is_lost_over_the_film_has_a_falling_line() -> None:
    shots = [shot(20.0 * place, 0.8 - 0.1 * place) for place in range(4)]
    trend = film_trend(shots)
    assert trend is not None
    assert trend.slope_per_min == pytest.approx(-0.3)
    assert trend.begin == pytest.approx(0.805)
    assert trend.end == pytest.approx(0.495)


def test_what_happens_within_shots_is_no_trend() -> None:
    trend = film_trend([shot(10.0 * place, 0.9, 0.5, 0.1) for place in range(4)])
    assert trend is not None
    assert trend.slope_per_min == pytest.approx(0.0, abs=1e-9)


def test_a_shot_weighs_as_many_frames_as_can_be_judged() -> None:
    even = [shot(0, 0.8), shot(10, 0.8), shot(20, 0.2)]
    long = [shot(0, *[0.8] * 30), shot(10, *[0.8] * 30), shot(20, 0.2, *[np.nan] * 29)]
    assert film_trend(long).slope_per_min > film_trend(even).slope_per_min


def test_too_little_gives_no_line() -> None:
    nothing = shot(5, np.nan)
    assert nothing.mean is None
    assert film_trend([shot(0, 0.5), shot(9, 0.5), nothing]) is None
    assert film_trend([shot(0, 0.5)] * 3) is None


def test_frames_stand_in_the_middle_of_their_time() -> None:
    assert shot(10, 0.1, 0.2, 0.3, 0.4).frame_times_s() == pytest.approx(
        [10.25, 10.75, 11.25, 11.75]
    )


def test_the_worst_pairs_come_first_and_what_is_not_known_never() -> None:
    matrix = np.array([[1, 0.9, 0.2, np.nan], [0.9, 1, 0.5, np.nan], [0.2, 0.5, 1, np.nan]])
    matrix = np.vstack([matrix, [[np.nan] * 4]])
    assert worst_pairs(matrix, 2) == ((0, 2), (1, 2))
    assert worst_pairs(matrix, 9) == ((0, 2), (1, 2), (0, 1))
    assert worst_pairs(np.ones((1, 1)), 3) == ()
