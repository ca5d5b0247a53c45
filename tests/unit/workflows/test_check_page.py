import html.parser
import re
from pathlib import Path

import numpy as np
import pytest

from facekit.curation.findings import Code, Finding
from facekit.curation.stored import read_manifest
from facekit.recipe import load_recipe
from facekit.workflows.check import plan_check, run_check
from facekit.workflows.check_page import build_check_page
from tests.tiny.faces import DiscFaces
from tests.tiny.photos import bad_photos, good_photos

RECIPE = load_recipe("toon/train", ["photos.min_sharpness=0.2"])
VOID = {"meta", "input", "img"}


class Strict(html.parser.HTMLParser):
    """Fails where a tag is not closed in order; collects the text."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.text = ""

    def handle_starttag(self, tag, attrs):
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        pass

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data


def page_of(photos: Path, out: Path, name: str | None = "mira") -> str:
    run_check(plan_check([photos], recipe=RECIPE, name=name, out=out), faces=DiscFaces())
    return (out / "report.html").read_text()


@pytest.fixture
def page(tmp_path: Path) -> str:
    good_photos(tmp_path / "photos")
    bad_photos(tmp_path / "photos")
    (tmp_path / "photos" / "good_0.png").rename(tmp_path / "photos" / "<b>&.png")
    return page_of(tmp_path / "photos", tmp_path / "out", '<i>"mira"')


def test_every_photo_has_its_verdict_and_its_numbers(page: str, tmp_path: Path):
    parser = Strict()
    parser.feed(page)
    assert not parser.open
    manifest = read_manifest(tmp_path / "out")
    assert len(re.findall("<article", page)) == len(manifest.photos)
    for photo in manifest.photos:
        assert photo.name in parser.text
        for finding in photo.findings:
            assert finding.sentence in parser.text
    for advice in manifest.advice:
        assert advice.sentence in parser.text
    assert "0.05, threshold 0.2" in parser.text or "threshold 0.2" in parser.text
    found = sum(len(p.people) or p.face is not None for p in manifest.photos)
    assert page.count("<rect") == found
    assert page.count("<circle") == 5 * found
    assert page.count("data:image/webp") == sum(p.thumbnail is not None for p in manifest.photos)
    assert DiscFaces.digest in parser.text
    assert "Apache-2.0" in parser.text
    assert "masks are a geometric estimate" in parser.text


def test_names_are_escaped_and_nothing_is_loaded_from_elsewhere(page: str):
    assert "<b>&.png" not in page
    assert '<i>"mira"' not in page
    assert not re.findall(r"""(?:src|href)=["'](?!data:)""", page)
    assert "url(" not in page
    assert "<script" not in page


def test_one_photo_is_a_page_too(tmp_path: Path):
    good_photos(tmp_path / "photos", 1)
    page = page_of(tmp_path / "photos", tmp_path / "out")
    assert "too few photos can be used: 1, at least 4 are needed" in page
    assert "1 of 1 photo can be used" in page
    assert "How alike" not in page


def test_what_refuses_the_set_or_was_overruled_stands_on_top(tmp_path: Path):
    good_photos(tmp_path / "photos")
    page_of(tmp_path / "photos", tmp_path / "out")
    manifest = read_manifest(tmp_path / "out")
    finding = Finding(code=Code.WRONG_KIND, sentence="these are <drawings>", value=0.9, limit=0.45)
    refused = manifest.model_copy(update={"findings": (finding,), "accepted": False})
    (header,) = re.findall("<header>.*</header>", build_check_page(tmp_path / "out", refused, "m"))
    assert '<li class="bad">these are &lt;drawings&gt; <span>0.9, threshold 0.45' in header
    assert ">refused<" in header
    assert "too few" not in header
    overruled = manifest.model_copy(update={"allowed": (finding,)})
    page = build_check_page(tmp_path / "out", overruled, "m")
    (header,) = re.findall("<header>.*</header>", page)
    assert '<li class="overruled"><b>overruled:</b> these are' in header
    assert ">they will do<" in header


def test_only_refused_photos_are_a_page_too(tmp_path: Path):
    bad_photos(tmp_path / "photos")
    for usable in ("copy.png", "stranger.png"):
        (tmp_path / "photos" / usable).unlink()
    page = page_of(tmp_path / "photos", tmp_path / "out")
    parser = Strict()
    parser.feed(page)
    assert not parser.open
    assert "too few photos can be used" in page
    assert "best view" not in page


def test_no_face_at_all_is_a_page_too(tmp_path: Path):
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "zero.jpg").touch()
    page = page_of(tmp_path / "photos", tmp_path / "out", None)
    assert "Will these photos do?" in page
    assert "no picture" in page
    assert "What they cover" not in page
    assert "All numbers" not in page


def test_five_hundred_photos_fit_into_twenty_megabytes(tmp_path: Path):
    """Each thumbnail as large as those of detailed photographs."""
    good_photos(tmp_path / "photos")
    page_of(tmp_path / "photos", tmp_path / "out")
    manifest = read_manifest(tmp_path / "out")
    first = next(photo for photo in manifest.photos if photo.thumbnail)
    vectors = np.tile(np.eye(4, dtype=np.float32), (125, 1))
    from safetensors.numpy import save_file

    digests = [f"{index:064x}" for index in range(500)]
    save_file(dict(zip(digests, vectors, strict=True)), tmp_path / "out" / manifest.embeddings)
    photos = tuple(first.model_copy(update={"pixels_sha256": digest}) for digest in digests)
    many = manifest.model_copy(update={"photos": photos})
    (tmp_path / "out" / str(first.thumbnail)).write_bytes(bytes(28_000))
    page = build_check_page(tmp_path / "out", many, "mira")
    assert len(page) < 20 * 1024**2
    assert "similarity of 500 faces, 4 people" in page
