from pathlib import Path

import pytest

from facekit.curation.allowing import OVERRULABLE, read_allowed
from facekit.curation.findings import Code
from facekit.curation.inspecting import inspect_photos
from facekit.errors import PhotosRefused, UsageError
from facekit.media.scan import scan_sources
from facekit.recipe import PhotosSection
from tests.tiny.faces import BLUE, DiscFaces, draw_photo
from tests.tiny.photos import good_photos, write

RULES = PhotosSection(min_sharpness=0.2, min_exposure=0.2)


def test_a_reason_is_read_by_its_code():
    assert read_allowed(["blurred", "wrong_person"]) == {Code.BLURRED, Code.WRONG_PERSON}
    assert Code.NO_FACE not in OVERRULABLE


@pytest.mark.parametrize("reason", ["no_face", "several_faces", "Blurred", ""])
def test_what_cannot_be_overruled_is_told(reason: str):
    with pytest.raises(UsageError, match=f"--allow {reason}: .*expected one of blurred"):
        read_allowed([reason])


def test_an_overruled_photo_is_used_and_what_was_found_stays(tmp_path: Path):
    paths = [
        *good_photos(tmp_path, 4),
        write(tmp_path / "dark.png", draw_photo(seed=24, light=0.25)),
    ]
    paths.append(write(tmp_path / "stranger.png", draw_photo(BLUE, seed=25)))
    plain = inspect_photos(scan_sources(paths), RULES, DiscFaces())
    assert [v.usable for v in plain.verdicts] == [True] * 4 + [False] * 2
    assert plain.overruled == plain.overruled_codes == ()
    allowed = inspect_photos(scan_sources(paths), RULES, DiscFaces(), allow=["too_dark"])
    assert [v.usable for v in allowed.verdicts] == [True] * 5 + [False]
    verdict = allowed.verdicts[4]
    assert [finding.code for finding in verdict.allowed] == ["too_dark"]
    assert verdict.findings == ()
    assert verdict.to_json()["allowed"][0]["value"] < RULES.min_exposure  # type: ignore[index]
    assert allowed.overruled_codes == ("too_dark",)
    assert "the face is dark" in allowed.overruled[0]


class Photographer(DiscFaces):
    name = "opencv"
    made_for = "photograph"


def test_drawings_for_a_face_model_of_photographs_refuse_the_set(tmp_path: Path):
    sources = scan_sources(good_photos(tmp_path, 5))
    inspection = inspect_photos(sources, RULES, Photographer())
    assert not inspection.accepted
    (finding,) = inspection.findings
    assert finding.code == "wrong_kind"
    assert "--set encoder.train=toon-a" in finding.sentence
    with pytest.raises(PhotosRefused, match="these are drawings and opencv knows photographs"):
        inspection.require()
    overruled = inspect_photos(sources, RULES, Photographer(), allow=["wrong_kind"])
    assert overruled.accepted
    assert overruled.overruled_codes == ("wrong_kind",)
    assert len(overruled.require().photos) == 5
