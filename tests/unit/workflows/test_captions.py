from pathlib import Path

import pytest

from facekit.curation import captioning
from facekit.recipe import load_recipe
from facekit.workflows.check import CheckReport, plan_check, run_check
from facekit.workflows.datasets import open_dataset
from tests.tiny.captioners import write_tiny_blip
from tests.tiny.faces import DiscFaces
from tests.tiny.photos import good_photos


def check(photos: Path, *overrides: str, out: Path | None = None) -> CheckReport:
    recipe = load_recipe("toon/train", ["photos.min_sharpness=0.2", *overrides])
    return run_check(plan_check([photos], recipe=recipe, out=out), faces=DiscFaces())


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    good_photos(tmp_path / "photos")
    (tmp_path / "photos" / "good_0.txt").write_text("in the park, with a small nose")
    return tmp_path / "photos"


def test_without_texts_there_is_nothing_to_tell(photos: Path):
    (photos / "good_0.txt").unlink()
    report = check(photos)
    assert "caption" not in report.describe()
    assert report.to_json()["captions"]["num_template"] == 6


def test_face_words_of_a_text_are_shown(photos: Path):
    text = check(photos).describe()
    assert "captions: 1 by their own text, 5 by shot size alone" in text
    assert f"caption: {photos}/good_0.txt speaks of the face (nose)" in text


def test_a_model_captions_what_has_no_text(photos: Path, tmp_path: Path):
    blip = write_tiny_blip(tmp_path / "tiny blip")
    given, out = f"captions.model={blip}", tmp_path / "checked"
    report = check(photos, given, out=out)
    assert report.captions.num_model == 5
    assert f"5 by {blip}" in report.describe()
    taken = {Path(photo.source).name: photo for photo in report.require().photos}
    assert taken["good_0.png"].sidecar == "in the park, with a small nose"
    assert all(photo.sidecar for photo in taken.values())
    assert taken["good_1.png"].sidecar_name == f"tiny blip of {photos}/good_1.png"
    recipe = load_recipe("toon/train", ["photos.min_sharpness=0.2", given])
    dataset = open_dataset([out], recipe)
    assert dataset is not None
    assert dataset.photos(DiscFaces()).digest == report.require().digest
    origins = [p.caption.origin for p in dataset.manifest.photos if p.caption is not None]
    assert origins == ["sidecar"] + ["model"] * 5


def test_each_picture_is_asked_about_once(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    given = f"captions.model={write_tiny_blip(tmp_path / 'blip')}"
    first = check(photos, given).require().digest

    def asked(*_: object) -> str:
        raise AssertionError("asked again")

    monkeypatch.setattr(captioning.Captioner, "_ask", asked)
    assert check(photos, given).require().digest == first
