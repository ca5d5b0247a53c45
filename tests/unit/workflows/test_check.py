import json
import shlex
from pathlib import Path

import pytest

from facekit.errors import MediaError, PhotosRefused
from facekit.media.images import write_image
from facekit.recipe import load_recipe
from facekit.types import Plan
from facekit.workflows.check import plan_check, run_check
from tests.tiny.faces import BLUE, RED, DiscFaces, draw_photo
from tests.tiny.photos import bad_photos, good_photos

RECIPE = load_recipe("toon/train", ["photos.min_sharpness=0.2"])


def test_good_photos_are_accepted_with_a_row_each(tmp_path: Path):
    good = good_photos(tmp_path / "my photos")
    plan = plan_check([tmp_path / "my photos"], recipe=RECIPE, name="mira")
    assert isinstance(plan, Plan)
    assert "photos: 6" in plan.describe()
    json.dumps(plan.to_json())
    report = run_check(plan, faces=DiscFaces())
    assert isinstance(report, Plan)
    assert report.accepted
    assert report.exit_code == 0
    text = report.describe()
    for path in good:
        assert any(line.startswith(path.name) for line in text.splitlines())
    assert "usable: 6 of 6 photos, 2 of them held out" in text
    assert f"next: facekit train '{tmp_path}/my photos' --as mira" in text
    assert len(report.require().train) == 4


def test_refused_photos_are_reported_not_raised(tmp_path: Path):
    good_photos(tmp_path, 2)
    bad = bad_photos(tmp_path)
    report = run_check(plan_check([tmp_path], recipe=RECIPE), faces=DiscFaces())
    assert not report.accepted
    assert report.exit_code == 3
    text = report.describe()
    assert "refused: at least 4 usable photos are needed" in text
    assert "blurred.png" in text
    assert "sharpness 0.0" in text
    content = json.loads(json.dumps(report.to_json(), allow_nan=False))
    assert content["accepted"] is False
    assert content["num_usable"] == 2
    found = {
        Path(photo["source"]).name: [finding["code"] for finding in photo["findings"]]
        for photo in content["photos"]
    }
    assert found["two.png"] == ["several_faces"]
    assert set(found) == {*bad, "good_0.png", "good_1.png"}
    with pytest.raises(PhotosRefused, match="2 usable of 17"):
        report.require()


def test_what_cannot_be_read_is_set_aside_with_a_reason(tmp_path: Path):
    """Three .heic and one .png once gave one photo, and no word of the others."""
    good_photos(tmp_path, 1)
    for name in ("a.HEIC", "b.heif", "c.dng", "d.mov"):
        (tmp_path / name).write_bytes(b"something")
    for name in ("notes.txt", "Thumbs.db"):
        (tmp_path / name).touch()
    report = run_check(plan_check([tmp_path], recipe=RECIPE), faces=DiscFaces())
    said = {Path(v.source).name: v.reasons for v in report.verdicts}
    heic = "HEIC, which is not read; convert it to JPEG or PNG"
    assert said == {
        "a.HEIC": heic,
        "b.heif": heic,
        "c.dng": "a camera's raw file, which is not read; convert it to JPEG or PNG",
        "d.mov": "a video, which is not read yet; save single frames of it as PNG",
        "good_0.png": "",
    }
    assert "usable: 1 of 5 photos" in report.describe()


def test_a_video_named_by_itself_has_its_own_reason(tmp_path: Path):
    bad_photos(tmp_path)
    report = run_check(plan_check([tmp_path / "film.mp4"], recipe=RECIPE), faces=DiscFaces())
    assert report.verdicts[0].findings[0].code == "video"


def test_an_empty_folder_and_a_wrong_path_are_refused_before_anything(tmp_path: Path):
    with pytest.raises(MediaError, match="no photos found"):
        plan_check([tmp_path], recipe=RECIPE)
    with pytest.raises(MediaError, match="no such file or folder"):
        plan_check([tmp_path / "nowhere"], recipe=RECIPE)


def test_the_next_step_repeats_what_chose_the_recipe(tmp_path: Path):
    """Photos accepted under other thresholds were refused by the command that was advised."""
    good_photos(tmp_path)
    options = ("--base", "toon", "--set", "validate.prompts=['a b']")
    plan = plan_check([tmp_path], recipe=RECIPE, name="mira", options=options)
    text = run_check(plan, faces=DiscFaces()).describe()
    assert shlex.split(text.partition("next: facekit train ")[2]) == [
        str(tmp_path),
        "--as",
        "mira",
        *options,
    ]


def test_photos_of_two_people_are_told_apart(tmp_path: Path):
    """With as many photos of each, one of the two was taken without a word."""
    for person, color in (("ines", RED), ("tomas", BLUE)):
        for index in range(5):
            write_image(tmp_path / person / f"{person}_{index}.png", draw_photo(color, seed=index))
    recipe = load_recipe(overrides=["photos.duplicate_distance=0"])
    report = run_check(
        plan_check([tmp_path / "ines", tmp_path / "tomas"], recipe=recipe), faces=DiscFaces()
    )
    (said,) = [
        advice.sentence for advice in report.inspection.advice if "people" in advice.sentence
    ]
    assert f"advice: {said}" in report.describe()
    assert "seem to show 2 people: the one in ines_0.png was taken (5 photos)" in said
    assert "not the one in tomas_0.png (5);" in said
