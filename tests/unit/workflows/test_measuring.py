import shutil

import cv2
import numpy as np
import pytest

from facekit.backbones.wan import TOON
from facekit.errors import FaceError, WeightsMissing
from facekit.evaluation.scores import Reference
from facekit.media.images import pixel_digest, read_image, write_image
from facekit.workflows import measuring
from facekit.workflows.measuring import (
    Photos,
    load_probe,
    read_photos,
    refuse_copies,
    refuse_strangers,
)
from tests.tiny.drawn_faces import DrawnFaces
from tests.tiny.photos import good_photos


@pytest.fixture
def photos(tmp_path):
    return good_photos(tmp_path / "photos")


def test_a_copy_under_another_name_is_the_same_photo(photos, tmp_path):
    """Only paths were compared, so a renamed training photo judged what it had trained."""
    copy = tmp_path / "holiday.png"
    shutil.copy(photos[0], copy)
    again = tmp_path / "again.tif"
    cv2.imwrite(str(again), read_image(photos[1])[..., ::-1])

    with pytest.raises(FaceError, match=r"holiday\.png, .*again\.tif: used in training, so it"):
        read_photos(photos[:2], [photos[5], copy, again])
    assert len(read_photos(photos[:2], photos[2:]).held_out) == 4


def test_training_photos_are_known_by_their_pixels_when_they_are_gone(photos):
    trained_on = [pixel_digest(read_image(photos[0]))]

    with pytest.raises(FaceError, match=r"good_0\.png: used in training"):
        read_photos((), photos, trained_on=trained_on)
    assert len(read_photos((), photos[1:], trained_on=trained_on).held_out) == 5


def seen(enrolled, held_out, *, alike):
    near = np.array([1.0, 0.0], np.float32)
    other = near if alike else np.array([0.0, 1.0], np.float32)
    photos = Photos(
        enrolled=tuple(enrolled),
        held_out=tuple(held_out),
        enrolled_sources=tuple(f"trained-{index}" for index in range(len(enrolled))),
        held_out_sources=tuple(f"new-{index}" for index in range(len(held_out))),
    )
    rows = Reference(
        enrolled_ED=np.stack([near] * len(enrolled)), held_out_HD=np.stack([other] * len(held_out))
    )
    return photos, rows


def test_a_recompressed_copy_is_refused_and_another_picture_is_not(photos, tmp_path):
    pictures = [read_image(path) for path in photos]
    write_image(tmp_path / "small.jpg", cv2.resize(pictures[0], (80, 80)))
    copy = read_image(tmp_path / "small.jpg")

    with pytest.raises(
        FaceError, match=r"new-1 is trained-0 \(\d of 64 bits of their hashes differ\): used in"
    ):
        refuse_copies(*seen(pictures[:1], [pictures[3], copy], alike=True), 4)
    refuse_copies(*seen(pictures[:1], [pictures[3]], alike=True), 4)
    refuse_copies(*seen(pictures[:1], [copy], alike=False), 4)


def test_photos_of_somebody_else_cannot_judge(photos):
    """Their low ceiling made half a likeness pass the gate."""
    pictures = [read_image(path) for path in photos]

    with pytest.raises(FaceError, match=r"new-0 \(0\.00\), new-1 \(0\.00\): shows somebody else"):
        refuse_strangers(*seen(pictures[:2], pictures[2:4], alike=False), 0.35)
    refuse_strangers(*seen(pictures[:2], pictures[2:4], alike=True), 0.35)


def test_without_what_reads_prompts_back_the_toon_world_is_not_measured(monkeypatch):
    """Its missing file was passed over, and every prompt gate went by unmeasured."""

    def missing(faces):
        raise WeightsMissing("probe.safetensors: no such weights file; restore it")

    monkeypatch.setattr(measuring, "load_toon_probe", missing)

    with pytest.raises(WeightsMissing, match=r"probe\.safetensors"):
        load_probe(TOON.name, DrawnFaces())
    assert load_probe("wan2.1-t2v-1.3b", DrawnFaces()) is None
