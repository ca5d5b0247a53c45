import numpy as np
import pytest

from benchmarks.planted import CLEAN, TUNING_SEED, plant
from facekit.curation.covered import ALIKE_COVERED, find_covered, judge_covering
from facekit.faces.align import align
from facekit.faces.toon import load_toon_faces
from facekit.types import FaceCrop

SEED = TUNING_SEED + 3


@pytest.fixture(scope="module")
def faces():
    return load_toon_faces("toon-a")


def crop_of(image: np.ndarray, faces) -> FaceCrop:
    face = faces.detect([image])[0][0]
    return align(image, face, size_px=faces.crop_size_px, margin=faces.crop_margin)


def cover_eyes(crop: FaceCrop) -> FaceCrop:
    pixels, side = crop.pixels.copy(), crop.pixels.shape[0]
    pixels[round(0.33 * side) : round(0.52 * side), round(0.2 * side) : round(0.8 * side)] = 200
    return FaceCrop(pixels=pixels, face=crop.face, source="")


def looked(crops: list[FaceCrop], faces, same: list[bool] | None = None):
    return find_covered(crops, faces.encode(crops), same or [True] * len(crops), faces)


def test_a_hidden_face_is_like_the_others_once_all_are_covered(faces):
    clean = [crop_of(plant(CLEAN, SEED, index), faces) for index in range(6)]
    hidden = cover_eyes(clean[5])
    found = looked([*clean[:5], hidden], faces, [True] * 5 + [False])
    assert found[5].gain > 0.3
    assert found[5].covered > ALIKE_COVERED
    assert all(one.gain < 0.1 for index, one in found.items() if index < 5)
    finding = judge_covering(found[5], 0.1)
    assert finding.value == pytest.approx(found[5].gain)
    assert "hides" in finding.sentence


def test_most_strangers_stay_strangers_however_covered(faces):
    clean = [crop_of(plant(CLEAN, SEED, index), faces) for index in range(6)]
    others = [crop_of(plant(CLEAN, SEED + 10 + index), faces) for index in range(8)]
    found = looked([*clean, *others], faces, [True] * 6 + [False] * 8)
    covered = np.array([found[index].covered for index in range(6, 14)])
    assert (covered < ALIKE_COVERED).sum() >= 5, covered


def test_too_few_others_decide_nothing(faces):
    clean = [crop_of(plant(CLEAN, SEED, index), faces) for index in range(2)]
    assert looked([*clean, cover_eyes(clean[0])], faces, [True, True, False]) == {}
