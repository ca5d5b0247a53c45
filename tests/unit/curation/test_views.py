import numpy as np

from facekit.curation.views import choose_views
from facekit.types import FloatArray
from tests.unit.curation.test_coverage import quality


def alike(count: int) -> FloatArray:
    return np.repeat(np.eye(1, 4, dtype=np.float32), count, axis=0)


def test_the_best_comes_first_and_then_what_adds_a_view():
    photos = [
        quality(yaw_deg=0.0),
        quality(yaw_deg=2.0, sharpness=0.4),
        quality(yaw_deg=-35.0, sharpness=0.4),
        quality(yaw_deg=35.0, sharpness=0.3),
    ]
    assert choose_views(photos, alike(4), 3) == (0, 2, 3)


def test_light_and_the_embedding_count_too():
    photos = [quality(), quality(), quality(brightness=0.3), quality()]
    vectors = alike(4)
    vectors[3] = np.array([0.8, 0.6, 0.0, 0.0])
    assert set(choose_views(photos, vectors, 3)) == {0, 2, 3}


def test_few_photos_are_all_taken_and_none_is_none():
    assert sorted(choose_views([quality()] * 2, alike(2), 5)) == [0, 1]
    assert choose_views([], alike(0), 5) == ()
