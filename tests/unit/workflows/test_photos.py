"""The photos of a character are found again, or it is said which are not."""

import shutil
from pathlib import Path

import pytest

from facekit.adapters.character import Character, load_character
from facekit.adapters.character_file import ADAPTER_FILE
from facekit.errors import MediaError, UsageError
from facekit.media.unpack import scan_photos
from facekit.workflows.photos import find_photos
from tests.tiny.faces import draw_photo
from tests.tiny.photos import write


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
