from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest

from facekit.curation.findings import Role
from facekit.curation.inspecting import build_photo_set, inspect_photos
from facekit.errors import PhotosRefused
from facekit.media.scan import scan_sources
from facekit.recipe import PhotosSection
from tests.tiny.faces import BLUE, DiscFaces, draw_photo
from tests.tiny.photos import bad_photos, good_photos, write

RULES = PhotosSection(min_sharpness=0.2)


@dataclass
class Counter:
    stages: dict[str, tuple[int, int]] = field(default_factory=dict)
    """What each stage is called -> steps in all, and done."""
    label: str = ""

    def start(self, total: int, label: str) -> None:
        assert not self.label, f"{self.label} is not over"
        self.label, self.stages[label] = label, (total, 0)

    def advance(self, n: int = 1, info: str = "") -> None:
        assert info
        total, done = self.stages[self.label]
        self.stages[self.label] = total, done + n

    def finish(self) -> None:
        self.label = ""


def test_every_problem_gets_its_own_reason_and_stops_nothing(tmp_path: Path):
    good, expected = good_photos(tmp_path), bad_photos(tmp_path)
    paths = [tmp_path / name for name in expected] + good
    progress = Counter()
    inspection = inspect_photos(scan_sources(paths), RULES, DiscFaces(), progress)
    assert [v.source for v in inspection.verdicts] == [str(p) for p in paths]
    got = {Path(v.source).name: [f.code.value for f in v.findings] for v in inspection.verdicts}
    assert got == {name: [code] for name, code in expected.items()} | {p.name: [] for p in good}
    assert all(total == done > 0 for total, done in progress.stages.values())
    counted = {label: total for label, (total, _) in progress.stages.items()}
    assert counted["Looking through clips"] == 2
    assert counted["checking photos"] == len(paths)
    # Thousands of photos take minutes here, in which nothing was told.
    assert counted["looking at faces with parts covered"] > len(good) / 2
    assert counted["looking at unlike faces again, turned"] == 1
    assert counted["telling several people apart"] == 1
    for verdict in inspection.verdicts:
        assert verdict.usable == (not verdict.findings)
        for finding in verdict.findings:
            assert finding.sentence
            assert str(tmp_path) not in finding.sentence
            if finding.code not in ("unreadable", "video", "no_face"):
                assert finding.value is not None
                assert finding.limit is not None


def test_a_photo_set_is_split_and_complete(tmp_path: Path):
    paths = good_photos(tmp_path)
    (tmp_path / "good_1.txt").write_text("a  woman,\n in the park\n", encoding="utf-8")
    photos = build_photo_set(scan_sources(paths), RULES, DiscFaces())
    assert len(photos.train) == 4
    assert len(photos.held_out) == 2
    assert photos.encoder == f"discs@{DiscFaces.digest[:12]}"
    by_name = {Path(p.source).name: p for p in photos.photos}
    assert len(by_name) == 6
    assert by_name["good_1.png"].sidecar == "a woman, in the park"
    assert by_name["good_0.png"].sidecar is None
    for photo in photos.photos:
        assert np.linalg.norm(photo.embedding) == pytest.approx(1.0, abs=1e-5)
        assert photo.crop.pixels.shape == (32, 32, 3)
        assert photo.crop.face is photo.face
        assert 0 < photo.quality <= 1
    again = build_photo_set(scan_sources(paths), RULES, DiscFaces())
    assert again.digest == photos.digest
    backwards = build_photo_set(scan_sources(paths[::-1]), RULES, DiscFaces())
    assert {p.source for p in backwards.held_out} == {p.source for p in photos.held_out}


def test_too_few_photos_are_refused_with_every_reason(tmp_path: Path):
    good, bad = good_photos(tmp_path, 3), bad_photos(tmp_path)
    with pytest.raises(PhotosRefused) as refused:
        build_photo_set(scan_sources(good + [tmp_path / name for name in bad]), RULES, DiscFaces())
    message = str(refused.value)
    assert message.startswith("3 usable of 18 photos, expected at least 4")
    for name in bad:
        assert f"{tmp_path / name}: " in message
    assert refused.value.exit_code == 3
    assert refused.value.next_step == "add sharp photos of one person, alone in the picture"


def test_no_photo_at_all_usable(tmp_path: Path):
    path = write(tmp_path / "room.png", draw_photo(None))
    inspection = inspect_photos(scan_sources([path]), RULES, DiscFaces())
    assert not inspection.accepted
    assert inspection.advice == ()


def test_a_second_person_in_many_photos_is_found_out(tmp_path: Path):
    paths = good_photos(tmp_path, 5)
    paths += [
        write(tmp_path / f"other_{i}.png", draw_photo(BLUE, seed=40 + i, turn=0.1 * i))
        for i in range(3)
    ]
    inspection = inspect_photos(scan_sources(paths), RULES, DiscFaces())
    roles = [verdict.role is Role.REFUSED for verdict in inspection.verdicts]
    assert roles == [False] * 5 + [True] * 3


def test_the_best_copy_stays(tmp_path: Path):
    paths = good_photos(tmp_path, 4)
    large = draw_photo(size=(192, 192), seed=70, diameter_px=80)
    small = large.reshape(96, 2, 96, 2, 3).mean((1, 3)).astype(np.uint8)
    paths += [write(tmp_path / "small_copy.png", small), write(tmp_path / "large.png", large)]
    verdicts = {
        Path(v.source).name: v
        for v in inspect_photos(scan_sources(paths), RULES, DiscFaces()).verdicts
    }
    assert verdicts["large.png"].usable
    (finding,) = verdicts["small_copy.png"].findings
    assert "the same picture as large.png" in finding.sentence


def test_one_photo_is_enough_when_the_recipe_says_so(tmp_path: Path):
    rules = RULES.model_copy(update={"min_usable": 1})
    photos = build_photo_set(scan_sources(good_photos(tmp_path, 1)), rules, DiscFaces())
    assert len(photos.train) == 1
    assert photos.held_out == ()


def test_the_best_views_are_as_many_as_asked_and_a_photo_set_has_their_order(tmp_path: Path):
    sources = scan_sources(good_photos(tmp_path))
    four = inspect_photos(sources, RULES, DiscFaces(), num_views=4)
    two = inspect_photos(sources, RULES, DiscFaces(), num_views=2)
    assert len(four.views) == 4
    assert two.views == four.views[:2]
    photos = two.require()
    assert tuple(photos.train[index].source for index in photos.views) == two.views
    assert set(photos.best(2)) == set(photos.views)
    built = build_photo_set(sources, RULES, DiscFaces(), num_views=4)
    assert built.views == four.require().views
