from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from facekit.curation import people
from facekit.curation.findings import Code, Finding
from facekit.curation.inspecting import build_photo_set, inspect_photos
from facekit.curation.people import cut_window
from facekit.media.images import read_image
from facekit.media.scan import scan_sources
from facekit.recipe import PhotosSection
from facekit.types import Face
from tests.tiny.faces import BLUE, GREEN, RED, DiscFaces, draw_photo
from tests.tiny.photos import good_photos, write

RULES = PhotosSection(min_sharpness=0.2)


def beside(*colours: tuple[int, int, int]) -> np.ndarray:
    image = draw_photo(None, seed=31, size=(96, 240))
    for place, colour in enumerate(colours):
        image = draw_photo(
            colour,
            size=(96, 240),
            centre=(0.5 + 0.3 * (place - (len(colours) - 1) / 2), 0.5),
            diameter_px=40,
            canvas=image,
        )
    return image


def verdict_on(folder: Path, image: np.ndarray, rules: PhotosSection = RULES, good: int = 5):
    paths = [*good_photos(folder, good), write(folder / "party.png", image)]
    return inspect_photos(scan_sources(paths), rules, DiscFaces()).verdicts[-1]


def test_the_one_like_the_other_photos_is_taken_and_told(tmp_path: Path):
    for place, shown in enumerate(((BLUE, RED), (RED, BLUE), (BLUE, RED, GREEN))):
        verdict = verdict_on(tmp_path / str(place), beside(*shown))
        assert verdict.usable, verdict.reasons
        (note,) = verdict.notes
        assert note.code == "chosen_face"
        assert note.value is not None
        assert note.limit is not None
        assert note.value > 0.8 > note.limit
        assert f"of {len(shown)} people" in note.sentence


def test_the_picture_is_cut_to_the_one_and_training_sees_nobody_else(tmp_path: Path):
    paths = [*good_photos(tmp_path, 5), write(tmp_path / "party.png", beside(BLUE, RED))]
    photos = build_photo_set(scan_sources(paths), RULES, DiscFaces())
    (photo,) = [p for p in photos.photos if p.source.endswith("party.png")]
    assert photo.cut_xyxy_px is not None
    left, top, right, bottom = photo.cut_xyxy_px
    assert np.array_equal(photo.image, read_image(paths[-1])[top:bottom, left:right])
    (found,) = DiscFaces().detect([photo.image])[0]
    assert np.allclose(found.box_xyxy_px, photo.face.box_xyxy_px, atol=1.5)


@pytest.mark.parametrize(
    ("shown", "reason"),
    [
        ((BLUE, GREEN), "none of them is like the other photos"),
        ((RED, RED), "two are alike the other photos"),
    ],
)
def test_who_cannot_be_told_apart_is_refused(
    tmp_path: Path,
    shown: tuple[tuple[int, int, int], ...],
    reason: str,
):
    verdict = verdict_on(tmp_path, beside(*shown))
    (finding,) = verdict.findings
    assert finding.code == "several_faces"
    assert reason in finding.sentence


def test_people_who_touch_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(people, "cut_window", lambda size, chosen, others: None)
    verdict = verdict_on(tmp_path, beside(BLUE, RED))
    assert [finding.code for finding in verdict.findings] == ["several_faces"]
    assert "too near each other to cut" in verdict.reasons


def test_without_others_and_where_the_recipe_says_so_nobody_is_chosen(tmp_path: Path):
    refusing = RULES.model_copy(update={"people": "refuse"})
    for place, verdict in enumerate(
        (
            verdict_on(tmp_path / "few", beside(BLUE, RED), good=1),
            verdict_on(tmp_path / "many", beside(BLUE, RED), refusing),
        )
    ):
        assert [f.code for f in verdict.findings] == ["several_faces"], place
        assert "2 people, expected 1" in verdict.findings[0].sentence


def face(left: float, top: float, side: float = 20.0) -> Face:
    box = np.array([left, top, left + side, top + side], np.float32)
    return Face(box_xyxy_px=box, landmarks_px=np.zeros((5, 2), np.float32), score=1.0)


def test_the_window_is_the_largest_that_shows_one_head_alone():
    assert cut_window((100, 200), face(40, 40), [face(120, 40)]) == (0, 0, 120, 100)
    assert cut_window((100, 200), face(40, 40), [face(10, 40), face(120, 40)]) == (30, 0, 120, 100)
    assert cut_window((200, 100), face(40, 120), [face(45, 20)]) == (0, 40, 100, 200)
    assert cut_window((100, 200), face(40, 40), [face(55, 45)]) is None
    assert cut_window((100, 200), face(40, 40), []) == (0, 0, 200, 100)


def test_one_that_was_taken_and_is_refused_by_the_others_is_told_as_several_people(tmp_path: Path):
    paths = [*good_photos(tmp_path, 5), write(tmp_path / "party.png", beside(BLUE, RED))]
    taken = inspect_photos(scan_sources(paths), RULES, DiscFaces()).looked_at[-1]
    assert people.doubt_chosen(taken) is taken
    hidden = Finding(code=Code.OCCLUDED, value=0.5, limit=0.1, sentence="something hides an eye")
    refused = replace(taken, candidate=replace(taken.candidate, findings=(hidden,)))
    first, second = people.doubt_chosen(refused).candidate.findings
    assert (first.code, second) == (Code.SEVERAL_FACES, hidden)
    assert first.value == taken.candidate.notes[0].value
