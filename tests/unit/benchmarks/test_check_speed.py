from pathlib import Path

import numpy as np
import pytest

from benchmarks.check_speed import TimedFaces, measure_speed, write_large
from benchmarks.planted import CLEAN, TUNING_SEED, plant
from facekit.faces.toon import load_toon_faces
from facekit.media.images import read_image, write_image
from facekit.types import FaceCrop


def test_a_timed_vendor_says_the_same_and_counts_its_seconds():
    plain = load_toon_faces("toon-a")
    timed = TimedFaces(plain)
    image = plant(CLEAN, TUNING_SEED + 204)
    (found,) = timed.detect([image])
    (expected,) = plain.detect([image])
    assert [face.score for face in found] == [face.score for face in expected]
    looking = timed.seconds
    assert looking > 0
    side = timed.crop_size_px
    crop = FaceCrop(pixels=np.zeros((side, side, 3), np.uint8), face=found[0], source="")
    assert np.array_equal(timed.encode([crop]), plain.encode([crop]))
    assert timed.seconds > looking


@pytest.mark.slow
def test_the_first_run_looks_and_the_second_recalls_in_new_processes(tmp_path: Path):
    for index in range(3):
        write_image(tmp_path / "set" / f"{index}.png", plant(CLEAN, TUNING_SEED + 205, index))
    speed = measure_speed(tmp_path, ("--encoder", "toon-a"))
    assert speed["photos"] == 3
    assert 0.0 < speed["own_share_cold"] < 1.0
    assert speed["speedup_warm"] > 1.0
    assert speed["photos_per_s_warm"] > speed["photos_per_s_cold"] > 0.0


def test_large_photos_are_those_of_a_camera(tmp_path: Path):
    write_large(tmp_path, [TUNING_SEED + 206], photos_each=1)
    (photo,) = tmp_path.rglob("*.jpg")
    image = read_image(photo)
    assert image.shape[0] * 4 == image.shape[1] * 3
    small = plant(CLEAN, TUNING_SEED + 206, 0)
    assert abs(float(image.mean()) - float(small.mean())) < 2.0
