import re
from pathlib import Path

import numpy as np
import pytest

from facekit.curation.coverage import AXES, DISTANCE, EXPRESSION, LIGHT, PITCH, YAW
from facekit.curation.findings import Role
from facekit.curation.manifest import AdviceRecord, DatasetManifest
from facekit.curation.stored import read_manifest, read_vectors
from facekit.recipe import load_recipe
from facekit.workflows import check_grids
from facekit.workflows.check import plan_check, run_check
from facekit.workflows.check_grids import MOST_LABELLED, coverage, likeness
from tests.tiny.faces import DiscFaces
from tests.tiny.photos import bad_photos, good_photos


@pytest.fixture
def checked(tmp_path: Path) -> DatasetManifest:
    good_photos(tmp_path / "photos")
    bad_photos(tmp_path / "photos")
    recipe = load_recipe("toon/train", ["photos.min_sharpness=0.2"])
    plan = plan_check([tmp_path / "photos"], recipe=recipe, out=tmp_path / "out")
    run_check(plan, faces=DiscFaces())
    return read_manifest(tmp_path / "out")


def cells(page: str) -> list[tuple[str, str]]:
    """Style and text of each counted cell, row by row."""
    found = re.findall(r'<td class="cell (\w+)">(.*?)</td>', page)
    return [(style, re.sub("<[^>]*>", " ", html).strip()) for style, html in found]


def asking(**missing: tuple[str, ...]) -> AdviceRecord:
    return AdviceRecord(code="x", sentence="x", value=0, limit=1, missing=missing)


def test_the_grids_count_as_everything_else_does(tmp_path: Path, checked: DatasetManifest):
    shown = cells(coverage(checked.photos, ()))
    recipe = load_recipe("toon/train", ["photos.min_sharpness=0.2"])
    report = run_check(plan_check([tmp_path / "photos"], recipe=recipe), faces=DiscFaces())
    expected = [count for row in report.coverage.grid for count in row]
    for axis in (LIGHT, DISTANCE, EXPRESSION):
        expected += report.coverage.counts[axis.name].values()
    assert [int(text.split()[0]) for _, text in shown] == expected
    assert sum(expected) == 4 * 6, "six photos on the grid and on each of three axes"
    held = [int(text.split()[1]) for _, text in shown if "held out" in text]
    assert sum(held) == 4 * sum(photo.role is Role.HELD_OUT for photo in checked.photos)


def test_every_place_has_its_label(checked: DatasetManifest):
    page = coverage(checked.photos, ())
    for place in (place for axis in AXES if axis is not PITCH for place in axis.places):
        assert f'<th class="cell">{place}</th>' in page
    assert "looks up" in page


def test_the_empty_places_that_advice_names_are_marked(checked: DatasetManifest):
    before = cells(coverage(checked.photos, ()))
    assert not [style for style, _ in before if style == "wanted"]
    advice = (
        asking(yaw=("right profile",), pitch=("level",), light=("bright",)),
        asking(distance=("far",)),
    )
    after = cells(coverage(checked.photos, advice))
    wanted = [place for place, (style, _) in enumerate(after) if style == "wanted"]
    columns = len(YAW.places)
    places = {
        1 * columns + 4: advice[0],
        3 * columns + 2: advice[0],
        3 * columns + 3: advice[1],
    }
    assert wanted == [place for place in places if before[place][1] == "0"]
    assert wanted, "something of this is not there"
    assert {after[place][1].split()[1] for place in wanted} == {"add"}


def test_without_a_usable_photo_nothing_is_covered(checked: DatasetManifest):
    refused = [photo for photo in checked.photos if photo.role is Role.REFUSED]
    assert coverage(refused, ()) == ""


def test_every_pair_of_faces_has_its_number(tmp_path: Path, checked: DatasetManifest):
    vectors = read_vectors(tmp_path / "out", checked)
    page = likeness(checked, vectors)
    assert len(vectors) <= MOST_LABELLED
    assert page.count("<span style=") >= len(vectors) ** 2
    assert "person 2" in page
    assert likeness(checked, {}) == ""


def test_the_limit_divides_the_colours():
    red, even, green = check_grids._colours(np.array([[-0.2, 0.35, 1.0]], np.float32), 0.35)[0]
    assert red[0] > red[1] + 50
    assert green[1] > green[0] + 50
    assert even.min() > 245
