import dataclasses

import numpy as np
import pytest

from benchmarks import demo
from benchmarks.demo_sheet import GAP_PX, ROW_PX, Tile, demo_groups, split_rows, write_demo_sheet
from facekit.errors import AdapterDamaged
from facekit.generation.shots import demo_shots
from facekit.media.images import read_image
from facekit.types import Clip, NoProgress
from facekit.workflows.demo import plan_demo, run_demo
from facekit.workflows.takes import write_take
from tests.unit.workflows.conftest import encoders, trained

__all__ = ["encoders", "trained"]


def tile(height, width, shade=100, caption="kitchen, happy"):
    return Tile(image=np.full((height, width, 3), shade, np.uint8), caption=caption)


MIXED = [tile(96, 96), tile(96, 176), tile(176, 96)] * 5


def test_rows_fill_the_width_in_order_at_about_one_height():
    rows = split_rows(MIXED, 1000)

    assert [t for row in rows for t in row.tiles] == MIXED
    assert len(rows) > 1
    for row in rows:
        used = sum(t.ratio * row.height_px + GAP_PX for t in row.tiles) + GAP_PX
        assert used == pytest.approx(1000)
        assert 0.7 * ROW_PX < row.height_px < 1.4 * ROW_PX


def test_few_tiles_are_not_blown_up():
    (row,) = split_rows([tile(96, 96)], 1000)
    assert row.height_px == pytest.approx(1.4 * ROW_PX)


def test_captions_are_broken_to_the_width_of_their_pictures():
    (row,) = split_rows([tile(176, 96, caption="bedroom, surprised"), tile(96, 96)], 300)
    assert row.captions == ["bedroom,\nsurprised", "kitchen, happy"]


def test_the_sheet_shows_photos_above_shots_below(tmp_path):
    groups = [("Photos of mira", [tile(32, 32, 0)] * 2), ("Shots", [tile(32, 64, 200)]), ("", [])]

    write_demo_sheet(tmp_path / "a.png", groups, width_px=300)
    write_demo_sheet(tmp_path / "b.png", groups, width_px=300)

    picture = read_image(tmp_path / "a.png")
    assert picture.shape[1] == 300
    dark = np.flatnonzero((picture[:, 150 - 20] == 0).all(axis=1))
    light = np.flatnonzero((picture[:, 150 - 20] == 200).all(axis=1))
    assert len(dark) > 100
    assert len(light) > 100
    assert dark.max() < light.min()
    assert (picture[:, -2:] == 255).all()
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()


@pytest.mark.slow
def test_the_groups_are_the_demos_own_files(trained, tmp_path):
    made = plan_demo(
        out=tmp_path / "demo", quick=True, recipe=trained.recipe, photos=trained.photos
    )
    with pytest.raises(AdapterDamaged):
        demo_groups(tmp_path / "demo")
    run_demo(
        made,
        NoProgress(),
        faces=trained.faces,
        report_faces=trained.judge,
        backbone=trained.backbone,
    )
    extra = dataclasses.replace(
        demo_shots("mira", trained.backbone.spec, num_frames=3)[0], name="z"
    )
    frames = np.stack([np.full((96, 96, 3), shade, np.uint8) for shade in (0, 120, 240)])
    write_take(tmp_path / "demo" / "shots", extra, Clip(frames=frames, fps=8.0), {})

    (photos_title, photos), (_, shots) = demo_groups(tmp_path / "demo")

    assert photos_title == "Photos of mira"
    assert [photo.caption for photo in photos] == ["trained on"] * 5 + ["held out"]
    assert len(shots) == len(made.shots) + 1, "neither the base model's nor the report's"
    assert [shot.caption for shot in shots[:2]] == ["kitchen, happy", "park, neutral"]
    assert abs(int(shots[-1].image.mean()) - 120) <= 2, "the frame in the middle"


def test_the_command_publishes_numbers_and_picture_unless_it_was_quick(root, tmp_path):
    options = demo.parse([])
    assert options.results == root / "docs" / "results" / "demo.json"
    assert options.picture == root / "docs" / "images" / "demo.png"
    quick = demo.parse(["--quick", "--work", str(tmp_path)])
    assert quick.results == tmp_path / "docs" / "results" / "demo.json"
    assert quick.picture == tmp_path / "docs" / "images" / "demo.png"
    assert demo.parse(["--picture", "a.png"]).picture.name == "a.png"
