import re
from collections.abc import Sequence
from pathlib import Path

import pytest

from facekit.curation.findings import Code, Finding, Role
from facekit.curation.manifest import DatasetManifest
from facekit.curation.stored import read_manifest
from facekit.recipe import load_recipe
from facekit.workflows.check import plan_check, run_check
from facekit.workflows.check_cards import (
    MOST_OPEN,
    all_numbers,
    finding_item,
    number_text,
    photo_cards,
)
from tests.tiny.faces import BLUE, GREEN, RED, DiscFaces, draw_photo
from tests.tiny.photos import bad_photos, good_photos, write

RECIPE = load_recipe("toon/train", ["photos.min_sharpness=0.2"])


def check(folder: Path, allow: Sequence[str] = ()) -> DatasetManifest:
    plan = plan_check([folder / "photos"], recipe=RECIPE, out=folder / "out", allow=allow)
    run_check(plan, faces=DiscFaces())
    return read_manifest(folder / "out")


def card(page: str, name: str) -> str:
    (found,) = [part for part in page.split("<article")[1:] if f">{name}</h3>" in part]
    return found


def party(*colours: tuple[int, int, int]):
    image = draw_photo(None, seed=31, size=(96, 240))
    for place, colour in enumerate(colours):
        centre = (0.2 + 0.3 * place, 0.5)
        image = draw_photo(colour, size=(96, 240), centre=centre, diameter_px=40, canvas=image)
    return image


def boxes(card: str, style: str) -> list[list[float]]:
    """Left and right edge of each frame of a style."""
    edges = r'<rect x="([-.0-9]+)" y="[^"]*" width="([.0-9]+)"'
    frames = re.findall(f'<g class="{style}">{edges}', card)
    return [[float(x), float(x) + float(width)] for x, width in frames]


def test_the_one_that_was_taken_is_marked_among_the_others(tmp_path: Path):
    good_photos(tmp_path / "photos", 5)
    write(tmp_path / "photos" / "party.png", party(BLUE, RED, GREEN))
    manifest = check(tmp_path)
    photo = manifest.photos[-1]
    assert photo.cut_xyxy_px is not None
    left, top, right, bottom = photo.cut_xyxy_px
    assert photo.whole_size_px == (96, 240)
    shown = card(photo_cards(tmp_path / "out", manifest), "party.png")
    assert f'viewBox="{-left} {-top} 240 96"' in shown
    assert f"M0 0h{right - left}v{bottom - top}" in shown, "what was cut away is dark"
    ((x0, x1),) = boxes(shown, "taken")
    assert 0 <= x0 < x1 <= right - left
    for other in boxes(shown, "other"):
        assert other[1] <= 1 or other[0] >= right - left - 1, "outside of what is used"
    assert len(boxes(shown, "other")) == 2
    whole = [(x + left) / 240 for pair in [*boxes(shown, "other"), (x0, x1)] for x in pair]
    assert sorted(whole)[0] > 0.1
    assert sorted(whole)[-1] < 0.9
    assert "of 3 people the one like the other photos was taken" in shown
    assert "threshold" not in shown.split("numbers")[0], "a note refuses nothing"


def test_everybody_is_framed_where_nobody_was_taken(tmp_path: Path):
    good_photos(tmp_path / "photos", 5)
    write(tmp_path / "photos" / "party.png", party(BLUE, GREEN))
    shown = card(photo_cards(tmp_path / "out", check(tmp_path)), "party.png")
    assert len(boxes(shown, "other")) == 2
    assert not boxes(shown, "taken")
    assert "away" not in shown


def test_a_dataset_that_is_brought_up_to_date_shows_the_same(tmp_path: Path):
    good_photos(tmp_path / "photos", 5)
    write(tmp_path / "photos" / "party.png", party(BLUE, RED))
    before = photo_cards(tmp_path / "out", check(tmp_path))
    assert photo_cards(tmp_path / "out", check(tmp_path)) == before


def test_what_was_overruled_is_shown_as_such(tmp_path: Path):
    good_photos(tmp_path / "photos")
    bad_photos(tmp_path / "photos")
    manifest = check(tmp_path, ["too_small"])
    shown = card(photo_cards(tmp_path / "out", manifest), "small.png")
    assert '<li class="overruled"><b>overruled:</b> the face ' in shown
    assert '<li class="bad">' not in shown
    assert ", overruled too small<" in all_numbers(manifest)


def test_best_views_carry_their_rank(tmp_path: Path):
    good_photos(tmp_path / "photos")
    manifest = check(tmp_path)
    page = photo_cards(tmp_path / "out", manifest)
    assert manifest.views
    for rank, name in enumerate(manifest.views, 1):
        assert f"best view {rank}<" in card(page, name)
    assert page.count("best view") == len(manifest.views)


def test_nods_are_told_beside_the_middle_of_the_set(tmp_path: Path):
    good_photos(tmp_path / "photos")
    bad_photos(tmp_path / "photos")
    manifest = check(tmp_path)
    pitches = {p.name: p.measured.pitch_deg for p in manifest.photos if p.measured is not None}
    used = sorted(pitches[p.name] for p in manifest.photos if p.role is not Role.REFUSED)
    middle = (used[2] + used[3]) / 2
    page, table = photo_cards(tmp_path / "out", manifest), all_numbers(manifest)
    for name, pitch in pitches.items():
        assert f"<b>nod_deg</b></td><td>{pitch - middle:+.1f}<" in card(page, name)
        row = table.split(f">{name}<")[1].split("</tr>")[0]
        assert f">{round(pitch - middle):+d}<" in row


def test_a_long_table_is_folded_and_without_faces_there_is_none(tmp_path: Path):
    good_photos(tmp_path / "photos")
    manifest = check(tmp_path)
    assert "<details" not in all_numbers(manifest)
    many = tuple(manifest.photos[0] for _ in range(MOST_OPEN + 1))
    assert "<details" in all_numbers(manifest.model_copy(update={"photos": many}))
    blank = tuple(p.model_copy(update={"measured": None}) for p in manifest.photos)
    assert all_numbers(manifest.model_copy(update={"photos": blank})) == ""


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (4.0, "4"),
        (12.345, "12.3"),
        (0.0197, "0.02"),
        (-0.00733, "-0.007"),
        (-1e-9, "0"),
        (0.5, "0.5"),
    ],
)
def test_numbers_are_short(value: float, text: str):
    assert number_text(value) == text


def test_a_sentence_is_escaped():
    finding = Finding(code=Code.BLURRED, sentence='<i>"&', value=0.1, limit=0.2)
    assert finding_item(finding, "bad") == (
        '<li class="bad">&lt;i&gt;&quot;&amp; <span>0.1, threshold 0.2</span></li>'
    )
