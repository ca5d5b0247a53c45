"""The photos of a character are found again, or it is said which are not."""

import shutil
import zipfile
from pathlib import Path

import numpy as np
import pytest

from facekit.adapters.character import Character, load_character
from facekit.adapters.character_file import ADAPTER_FILE
from facekit.errors import MediaError, UsageError
from facekit.media import unpack
from facekit.media.images import pixel_digest, write_image
from facekit.media.unpack import scan_photos
from facekit.media.video import write_clip
from facekit.recipe import load_recipe
from facekit.types import Clip, Image, NoProgress
from facekit.workflows.measuring import read_photos
from facekit.workflows.photos import find_photos
from facekit.workflows.train import TrainOutcome, plan_train, run_train
from tests.tiny.faces import draw_photo
from tests.tiny.photos import write
from tests.tiny.training import TinyFaces
from tests.unit.workflows.conftest import register_encoders


@pytest.fixture
def photos(trained, tmp_path: Path) -> Path:
    """The photos of the trained character in a folder of their own."""
    return Path(shutil.copytree(trained.photos, tmp_path / "photos"))


@pytest.fixture
def shared(trained, tmp_path: Path) -> Character:
    """The character as somebody else gets it: the file alone."""
    (tmp_path / "mira").mkdir()
    return load_character(shutil.copy(trained.adapter, tmp_path / "mira" / ADAPTER_FILE))


def test_where_training_left_them_they_are_found_from_any_folder(trained, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "photos").mkdir()
    write(tmp_path / "photos" / "good_0.png", draw_photo(seed=90))
    found = find_photos(load_character(trained.adapter))
    assert (len(found.enrolled), len(found.held_out)) == (5, 1)
    assert {path.parent for path in found.enrolled + found.held_out} == {trained.photos}
    assert not found.missing
    assert not found.has_new


def test_a_shared_file_says_what_it_misses_and_takes_the_folder(shared, photos, tmp_path):
    every = "good_0.png.*good_5.png"
    with pytest.raises(UsageError, match=rf"6 of 6 photos are not to be found.*{every}.*--photos"):
        find_photos(shared)
    write(photos / "refused.png", draw_photo(seed=91))
    found = find_photos(shared, [photos])
    assert (len(found.enrolled), len(found.held_out), found.missing) == (5, 1, ())
    assert not found.has_new, "what training refused does not judge"


def test_a_missing_photo_is_named_and_not_passed_over(trained, photos, shared):
    left = find_photos(shared, [photos])
    left.enrolled[0].unlink()
    found = find_photos(shared, [photos])
    assert found.missing == (left.enrolled[0].name,)
    assert len(found.enrolled) == 4
    gone = trained.photos / left.enrolled[0].name
    kept = gone.read_bytes()
    gone.unlink()
    try:
        with pytest.raises(UsageError, match=rf"1 of 6 photos are not in .*\({gone.name}\)"):
            find_photos(load_character(trained.adapter))
        own = find_photos(load_character(trained.adapter), [photos])
    finally:
        gone.write_bytes(kept)
    assert own.missing == (gone.name,)


def test_another_picture_of_a_known_name_is_refused(shared, photos):
    held_out = find_photos(shared, [photos]).held_out[0]
    write(held_out, draw_photo(seed=92))
    with pytest.raises(MediaError, match=rf"{held_out.name}: sha256 .* that was held out; put"):
        find_photos(shared, [photos])
    assert find_photos(shared, [held_out]).held_out == (held_out,), "named by itself, it is meant"


def test_new_photos_judge_instead_and_those_that_trained_are_still_looked_for(
    trained, shared, tmp_path
):
    (tmp_path / "new").mkdir()
    for seed in (93, 94):
        write(tmp_path / "new" / f"{seed}.png", draw_photo(seed=seed))
    new = tuple(scan_photos([tmp_path / "new"]))
    at_home = find_photos(load_character(trained.adapter), [tmp_path / "new"])
    assert (at_home.held_out, at_home.has_new) == (new, True)
    assert len(at_home.enrolled) == 5
    alone = find_photos(shared, [tmp_path / "new"])
    assert (alone.held_out, alone.enrolled) == (new, ())
    assert len(alone.missing) == 5


def test_a_photo_that_was_held_out_is_known_under_another_name(shared, photos, tmp_path):
    held_out = find_photos(shared, [photos]).held_out[0]
    renamed = shutil.copy(held_out, tmp_path / "somebody.png")
    found = find_photos(shared, [renamed])
    assert (found.held_out, found.has_new) == ((renamed,), False)


def test_a_file_that_knows_no_photos_asks_for_some(tmp_path):
    from tests.tiny.backbones import tiny_character, tiny_pipe

    plain = Character(file=tiny_character(tiny_pipe()), source=str(tmp_path / ADAPTER_FILE))
    with pytest.raises(UsageError, match="knows no photo of mira0 that was held out"):
        find_photos(plain)
    photo = write(tmp_path / "new.png", draw_photo(seed=95))
    assert find_photos(plain, [photo]).held_out == (photo,)


class LyingFaces(TinyFaces):
    """Finds nobody in a picture that is higher than wide."""

    def detect(self, images):
        found = super().detect(images)
        return [f if i.shape[0] <= i.shape[1] else () for f, i in zip(found, images, strict=True)]


def blocks(seed: int, rows: int = 8, columns: int = 12) -> Image:
    coarse = np.random.default_rng(seed).integers(40, 220, (rows, columns, 3), dtype=np.uint8)
    return np.kron(coarse, np.ones((12, 12, 1), np.uint8))


@pytest.fixture(scope="module")
def mixed(trained, tmp_path_factory: pytest.TempPathFactory) -> TrainOutcome:
    """A character of a zip, a clip and a photo that lies on its side, in the folder `in`."""
    folder = tmp_path_factory.mktemp("mixed") / "in"
    folder.mkdir()
    write(folder / "side.png", blocks(9, 12, 8))
    with zipfile.ZipFile(folder / "p.zip", "w") as archive:
        for seed in range(3):
            archive.writestr(f"a/{seed}.png", write(folder / "x.png", blocks(seed)).read_bytes())
    (folder / "x.png").unlink()
    frames = np.stack([blocks(seed) for seed in (20, 21, 22)])
    write_clip(folder / "c.mp4", Clip(frames=frames, fps=4.0))
    settings = (
        "encoder.train=tiny",
        "encoder.report=judge",
        "identity.level=L0",
        "train.steps=0",
        "photos.min_same_person=-1",
        "photos.max_covered_gain=2",
        "photos.duplicate_distance=0",
        "photos.min_sharpness=0",
        "photos.holdout=3",
    )
    with pytest.MonkeyPatch.context() as patch:
        register_encoders(patch)
        patch.setenv("FACEKIT_CACHE", str(folder.parent / "cache"))
        plan = plan_train(
            [folder, folder / "p.zip"],
            name="mix",
            recipe=load_recipe("tiny/train", settings),
            out=folder.parent,
        )
        return run_train(plan, NoProgress(), faces=LyingFaces(), backbone=trained.backbone)


def test_members_frames_and_turned_photos_train_and_are_recorded(mixed: TrainOutcome):
    records = load_character(mixed.adapter).file.header.photos
    assert sorted(record.name for record in records) == [
        "c.mp4@00:00.000",
        "c.mp4@00:00.250",
        "c.mp4@00:00.500",
        "p.zip/a/0.png",
        "p.zip/a/1.png",
        "p.zip/a/2.png",
        "side.png",
    ]
    assert {record.name: record.turned_deg for record in records if record.turned_deg} == {
        "side.png": 90
    }
    held = [record.name for record in records if record.role == "held_out"]
    assert len(held) == 3
    assert len([name for name in held if name.startswith("c.mp4")]) in (0, 3)
    assert any("noted: " in line and "side.png: the face lay" in line for line in mixed.warnings)
    assert "p.zip: an archive in a folder" not in " ".join(mixed.warnings)


@pytest.mark.parametrize("given", [None, "in", "in/p.zip", "in/c.mp4"])
def test_they_are_found_again_without_the_cache_and_in_another_place(
    mixed: TrainOutcome, tmp_path: Path, given: str | None
):
    character = load_character(mixed.adapter)
    if given is None:
        found = find_photos(character)
    else:
        shutil.copytree(mixed.adapter.parents[1] / "in", tmp_path / "in")
        (tmp_path / "mix").mkdir()
        character = load_character(shutil.copy(mixed.adapter, tmp_path / "mix" / ADAPTER_FILE))
        found = find_photos(character, [tmp_path / given])
    assert (len(found.enrolled), len(found.held_out), found.missing) == (4, 3, ())
    assert not found.has_new
    photos = read_photos(found.enrolled, found.held_out)
    pictures = {pixel_digest(image) for image in (*photos.enrolled, *photos.held_out)}
    assert pictures == {record.pixels_sha256 for record in character.file.header.photos}
    assert {image.shape for image in photos.enrolled} == {(96, 144, 3)}, "upright and of one size"


def test_other_bytes_of_the_same_pixels_are_the_same_frame(mixed: TrainOutcome, monkeypatch):
    """Another version of a library packs a PNG in another way."""
    character = load_character(mixed.adapter)
    monkeypatch.setattr(unpack, "_write", lambda place, image: write_image(place, image))
    found = find_photos(character)
    assert len(found.enrolled) + len(found.held_out) == 7


def test_another_clip_of_the_same_name_is_refused(mixed: TrainOutcome, tmp_path: Path):
    shutil.copytree(mixed.adapter.parents[1] / "in", tmp_path / "in")
    frames = np.stack([blocks(seed) for seed in (30, 31, 32)])
    write_clip(tmp_path / "in" / "c.mp4", Clip(frames=frames, fps=4.0))
    with pytest.raises(MediaError, match=r"in/c\.mp4@00:00\.\d+: sha256 .* put that one back"):
        find_photos(load_character(mixed.adapter), [tmp_path / "in"])
