"""The sample photos: held out, the same every time, and with the problems that are promised."""

from pathlib import Path

import numpy as np
import pytest

from facekit.media.images import read_image
from facekit.toon import HELD_OUT_SEED, ToonCharacter
from facekit.toon.samples import (
    NUM_PHOTOS,
    PHOTO_PX,
    SAMPLE_CHARACTERS,
    draw_photos,
    photo_scene,
    write_samples,
)


@pytest.fixture(scope="module")
def samples(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("samples")
    write_samples(folder)
    return folder


def test_samples_are_held_out() -> None:
    assert all(seed >= HELD_OUT_SEED for seed in SAMPLE_CHARACTERS.values())
    assert len(set(SAMPLE_CHARACTERS.values())) == len(SAMPLE_CHARACTERS)


def test_photos_are_deterministic_and_differ() -> None:
    mira = ToonCharacter.from_seed(SAMPLE_CHARACTERS["mira"])
    one, two = draw_photos(mira, 4), draw_photos(mira, 4)
    assert all(np.array_equal(a, b) for a, b in zip(one, two, strict=True))
    assert len({photo.tobytes() for photo in one}) == 4
    assert one[0].shape == (PHOTO_PX, PHOTO_PX, 3)


def test_photos_show_one_figure_from_several_sides() -> None:
    mira = ToonCharacter.from_seed(SAMPLE_CHARACTERS["mira"])
    scenes = [photo_scene(mira, index) for index in range(NUM_PHOTOS)]
    assert all(len(scene.figures) == 1 for scene in scenes)
    assert len({scene.figures[0].pose.yaw_deg for scene in scenes}) == NUM_PHOTOS
    assert len({scene.place for scene in scenes}) > 3


def test_folders_of_ordinary_photos(samples: Path) -> None:
    assert {path.name for path in samples.iterdir()} == {f"toon_{n}" for n in SAMPLE_CHARACTERS}
    for name in ("tomas", "ines"):
        files = sorted((samples / f"toon_{name}").iterdir())
        assert [path.name for path in files] == [
            f"{name}_{index + 1:02}.png" for index in range(NUM_PHOTOS)
        ]


def test_mira_has_three_photos_to_set_aside(samples: Path) -> None:
    folder = samples / "toon_mira"
    extra = {path.name for path in folder.iterdir()} - {
        f"mira_{index + 1:02}.png" for index in range(NUM_PHOTOS)
    }
    assert extra == {
        "mira_01_copy.png",
        "mira_view_from_the_window.png",
        "mira_with_a_friend.png",
    }
    copy, original = (read_image(folder / f"mira_01{end}.png") for end in ("_copy", ""))
    assert np.array_equal(copy, original)


def test_written_again_they_are_the_same(samples: Path, tmp_path: Path) -> None:
    (tmp_path / "toon_mira").mkdir()
    (tmp_path / "toon_mira" / "old.png").write_bytes(b"")
    write_samples(tmp_path)
    assert not (tmp_path / "toon_mira" / "old.png").exists()
    for path in samples.rglob("*.png"):
        again = tmp_path / path.relative_to(samples)
        assert np.array_equal(read_image(again), read_image(path))
