"""Whose face masks training looks at, from photos and from their dataset."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file

from facekit.adapters.character import load_character
from facekit.curation.stored import photo_set_of
from facekit.errors import CheckpointMismatch, MediaError
from facekit.faces import vendors
from facekit.faces.parse import EllipseParser
from facekit.identity.photo_set import PhotoSet
from facekit.media.images import read_image, write_image
from facekit.recipe import Recipe, load_recipe
from facekit.training.trainer import Validation
from facekit.training.views import cut_views
from facekit.types import NoProgress
from facekit.workflows import datasets, masks
from facekit.workflows import train as workflow
from facekit.workflows.check import plan_check, run_check
from facekit.workflows.datasets import open_dataset
from facekit.workflows.masks import MaskPlan, MasksUsed, choose_masks, draw_masks, plan_masks
from facekit.workflows.train import TrainOutcome, plan_train, run_train
from tests.tiny.faces import BLUE, RED, DiscFaces, draw_photo
from tests.tiny.parsers import tiny_parser
from tests.tiny.photos import good_photos, write
from tests.tiny.training import TinyFaces, make_photo


class LyingDiscs(DiscFaces):
    """Finds nobody in a picture that is higher than wide."""

    def detect(self, images):
        found = super().detect(images)
        return [f if i.shape[0] <= i.shape[1] else () for f, i in zip(found, images, strict=True)]


@pytest.fixture(autouse=True)
def _last_is_best(monkeypatch: pytest.MonkeyPatch) -> None:
    """What was trained is kept, although nobody can tell a likeness in these shots."""

    def judge(step: int) -> Validation:
        return Validation(score=float(step))

    monkeypatch.setattr(workflow, "likeness_validation", lambda *_: judge)


def recipe(*overrides: str) -> Recipe:
    return load_recipe("tiny/train", ["photos.min_sharpness=0.2", *overrides])


@pytest.fixture
def parser(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (masks, datasets):
        monkeypatch.setattr(module, "load_parser", lambda _: tiny_parser())


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Five plain photos, one that lies on its side, one with somebody else in it."""
    folder = tmp_path / "photos"
    good_photos(folder, 5)
    lying = draw_photo(RED, seed=40, size=(96, 160), diameter_px=60, turn=-0.3)
    write(folder / "side.png", np.ascontiguousarray(np.rot90(lying)))
    party = draw_photo(BLUE, seed=31, size=(96, 240), centre=(0.3, 0.5), diameter_px=40)
    party = draw_photo(RED, size=(96, 240), centre=(0.7, 0.5), diameter_px=40, canvas=party)
    write(folder / "party.png", party)
    return folder


def check(photos: Path, out: Path, *overrides: str) -> Path:
    plan = plan_check([photos], recipe=recipe(*overrides), name="mira", out=out)
    assert run_check(plan, faces=LyingDiscs()).accepted
    return out


def train(photos: Path, out: Path, *overrides: str, **options: Any) -> TrainOutcome:
    plan = plan_train([photos], name="mira", recipe=recipe(*overrides), out=out, **options)
    return run_train(plan, NoProgress(), faces=LyingDiscs())


def test_a_recipe_of_drawings_plans_the_ellipse_with_its_reason(photos: Path) -> None:
    planned = plan_masks(recipe(), None)
    assert planned.parser == "ellipse"
    assert "toon-a knows drawings, and the parser photographs" in planned.describe()
    plan = plan_train([photos], name="mira", recipe=recipe())
    assert f"face masks: {planned.describe()}" in plan.describe().splitlines()
    assert plan.to_json()["masks"] == planned.to_json()


def test_for_photographs_the_plan_says_what_is_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = recipe("encoder.train=opencv")
    monkeypatch.setenv("FACEKIT_WEIGHTS", str(tmp_path))
    monkeypatch.setattr(vendors.importlib.util, "find_spec", lambda _: None)
    assert "bisenet needs pip install 'facekit[facexlib]'" in plan_masks(real, None).describe()
    monkeypatch.setattr(vendors.importlib.util, "find_spec", lambda _: object())
    assert "bisenet needs facekit weights fetch bisenet" in plan_masks(real, None).describe()
    (tmp_path / "parsing_bisenet.pth").touch()
    planned = plan_masks(real, None)
    assert (planned.parser, planned.shortfall) == ("bisenet", "")
    assert "non-commercial" in planned.licence


@pytest.mark.parametrize(
    "off", [["identity.level=L0", "train.steps=0"], ["loss.face_mask_probability=0"]]
)
def test_where_no_loss_looks_at_masks_none_are_made(off: list[str], parser: None) -> None:
    plan = choose_masks(recipe(*off), None, DiscFaces())
    assert plan == MaskPlan(used=MasksUsed(parser=""))
    assert plan.used == plan_masks(recipe(*off), None)
    assert plan.made_by == ""
    assert plan.used.describe().startswith("none")


def test_a_parser_marks_photos_that_train_and_no_others(parser: None) -> None:
    faces = TinyFaces()
    photos = PhotoSet(
        train=tuple(make_photo(index, faces) for index in range(3)),
        held_out=(make_photo(3, faces),),
    )
    plan = choose_masks(recipe(), None, faces)
    marked, missed = draw_masks(photos, plan, NoProgress())
    assert missed == ()
    assert (marked.masks, marked.held_out) == ("bisenet@" + "b" * 12, photos.held_out)
    for before, after in zip(photos.train, marked.train, strict=True):
        truth = tiny_parser().parse(before.image, before.face).face
        assert after.mask is not None
        assert after.mask.dtype == np.uint8
        np.testing.assert_allclose(after.mask / 255.0, truth, atol=0.5 / 255 + 1e-6)
    assert marked.digest != photos.digest


def test_a_parser_looks_at_a_photo_once_whatever_the_run(parser: None) -> None:
    faces = TinyFaces()
    photos = PhotoSet(train=tuple(make_photo(index, faces) for index in range(2)))
    plan = choose_masks(Recipe(), None, faces)
    first, _ = draw_masks(photos, plan, NoProgress())
    assert plan.drawn_by is not None
    gone = replace(plan, drawn_by=Gone(plan.drawn_by))
    again, _ = draw_masks(photos, gone, NoProgress())
    for one, two in zip(first.train, again.train, strict=True):
        np.testing.assert_array_equal(one.mask, two.mask)
    with pytest.raises(AssertionError, match="looked"):
        draw_masks(PhotoSet(train=(make_photo(2, faces),)), gone, NoProgress())


class Gone:
    """A parser that must not look."""

    def __init__(self, real: Any) -> None:
        self.name, self.digest = real.name, real.digest

    def parse(self, image: Any, face: Any) -> Any:
        raise AssertionError("looked")


def test_a_face_that_the_parser_has_missed_gets_the_ellipse_and_is_named(parser: None) -> None:
    faces = TinyFaces()
    photo = make_photo(0, faces)
    blue = np.zeros_like(photo.image) + np.array([0, 0, 200], np.uint8)
    photos = PhotoSet(train=(replace(photo, image=blue, source="blue.png"), make_photo(1, faces)))
    marked, (line,) = draw_masks(photos, choose_masks(recipe(), None, faces), NoProgress())
    assert "blue.png: bisenet marks 0% of the place of the face" in line
    assert marked.train[0].mask is None
    assert marked.train[1].mask is not None


def test_without_a_parser_photos_stay_as_they_are() -> None:
    faces = LyingDiscs()
    photos = PhotoSet(train=(make_photo(0, TinyFaces()),))
    plan = MaskPlan(used=MasksUsed(parser="ellipse"))
    same, missed = draw_masks(photos, plan, NoProgress())
    assert (same.train, same.digest, missed) == (photos.train, photos.digest, ())
    assert EllipseParser.name == "ellipse"
    assert faces.made_for is None


@pytest.mark.parametrize("pool", ["mean", pytest.param("concat", marks=pytest.mark.slow)])
def test_photos_and_their_dataset_give_the_same_character(
    photos: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    parser: None,
    pool: str,
) -> None:
    """Bit for bit, with a parser's masks, a photo that is turned and one that is cut."""
    options = (f"identity.pool={pool}", "identity.max_photos=3", "photos.holdout=1")
    plain = train(photos, tmp_path / "plain", *options)
    header = load_character(plain.adapter).file.header
    assert {record.turned_deg for record in header.photos} == {0, 90}
    assert len([record for record in header.photos if record.cut_xyxy_px]) == 1
    assert header.training["masks"] == {
        "parser": "bisenet",
        "digest": "b" * 64,
        "licence": "MIT",
    }
    assert plain.best_step == plain.steps > 0
    folder = check(photos, tmp_path / "checked", *options)

    def nothing_is_loaded(_: object) -> None:
        raise AssertionError("a dataset holds its masks")

    monkeypatch.setattr(masks, "load_parser", nothing_is_loaded)
    stored = train(folder, tmp_path / "stored", *options)
    assert stored.masks is not None
    assert stored.masks.stored
    assert "face masks: bisenet (weights bbbbbbbbbbbb; licence MIT; as" in stored.describe()
    assert stored.adapter.read_bytes() == plain.adapter.read_bytes()
    again = train(folder, tmp_path / "stored", *options)
    assert again.was_there
    assert again.masks == stored.masks


def test_the_masks_of_a_dataset_are_those_that_the_parser_draws(
    photos: Path, tmp_path: Path, parser: None
) -> None:
    folder = check(photos, tmp_path / "checked")
    dataset = open_dataset([folder], recipe())
    assert dataset is not None
    read = dataset.photos(LyingDiscs())
    plan = choose_masks(recipe(), dataset, LyingDiscs())
    stored, _ = draw_masks(read, plan, NoProgress())
    drawn, _ = draw_masks(read, choose_masks(recipe(), None, LyingDiscs()), NoProgress())
    sizes = {"1:1": (32, 32), "16:9": (32, 64), "9:16": (64, 32)}
    first, second = cut_views(stored.train, sizes), cut_views(drawn.train, sizes)
    assert len({view.pixels.shape for view in first}) > 1
    for one, other in zip(first, second, strict=True):
        assert one.mask.tobytes() == other.mask.tobytes()
    assert stored.digest == drawn.digest


def test_masks_decide_the_weights_and_other_masks_are_another_run(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    always = ("loss.face_mask_probability=1",)
    ellipse = train(photos, tmp_path, *always)
    assert ellipse.masks is not None
    assert ellipse.masks.parser == "ellipse"
    before = load_file(ellipse.adapter)
    monkeypatch.setattr(masks, "load_parser", lambda _: tiny_parser())
    with pytest.raises(CheckpointMismatch, match="other face masks or other weights"):
        train(photos, tmp_path, *always)
    parsed = train(photos, tmp_path, *always, force=True)
    after = load_file(parsed.adapter)
    assert before.keys() == after.keys()
    assert any((before[name] != after[name]).any() for name in before)
    monkeypatch.setattr(masks, "load_parser", lambda _: tiny_parser("c" * 64))
    with pytest.raises(CheckpointMismatch, match="other face masks"):
        train(photos, tmp_path, *always)
    assert parsed.masks is not None
    assert parsed.masks.digest == "b" * 64


def test_a_mask_that_is_gone_or_does_not_fit_is_told(
    photos: Path, tmp_path: Path, parser: None
) -> None:
    folder = check(photos, tmp_path / "checked")
    dataset = open_dataset([folder], recipe())
    assert dataset is not None
    read = photo_set_of(folder, dataset.manifest, LyingDiscs())
    plan = choose_masks(recipe(), dataset, LyingDiscs())
    name = {str(photos / p.name): p.mask for p in dataset.manifest.photos}[read.train[0].source]
    path = folder / str(name)
    content = read_image(path)
    write_image(path, content[:40, :50])
    with pytest.raises(MediaError, match=r"50 x 40 px, expected 96 x 96 px as .*; remove it"):
        draw_masks(read, plan, NoProgress())
    path.write_bytes(path.read_bytes()[:60])
    with pytest.raises(MediaError, match=r"missing or damaged.*run facekit check again"):
        draw_masks(read, plan, NoProgress())
    path.unlink()
    with pytest.raises(MediaError, match=r"missing or damaged.*run facekit check again"):
        draw_masks(read, plan, NoProgress())
