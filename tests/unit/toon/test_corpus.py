"""The corpus: shapes, truth, going on, and that held-out characters stay out of it."""

from multiprocessing import active_children
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from facekit.toon import HELD_OUT_SEED, corpus
from facekit.toon.corpus import ATTRIBUTES, MAX_FACES, Shard, build_shard, load_shard


def _build(folder: Path, **changes: Any) -> Shard:
    options: dict[str, Any] = {
        "aspect": "1:1",
        "num_frames": 1,
        "num_samples": 6,
        "num_characters": 4,
        "seed": 1,
    }
    return build_shard(folder, **(options | changes))


@pytest.fixture
def shard(tmp_path: Path) -> Shard:
    return _build(tmp_path / "shard")


def test_shapes(shard: Shard) -> None:
    assert shard.images.shape == (6, 1, 96, 96, 3)
    assert shard.images.dtype == np.uint8
    assert shard.faces.shape == (6, 1, MAX_FACES, 14)
    assert shard.masks.shape == (6, MAX_FACES, 12, 12)
    assert shard.attributes.shape == (6, len(ATTRIBUTES))
    assert [len(pair) for pair in shard.captions] == [2] * 6


def test_truth_is_finite_exactly_where_somebody_is(shard: Shard) -> None:
    drawn = shard.seeds >= 0
    assert drawn.any()
    assert np.array_equal(np.isfinite(shard.faces[:, 0]).all(-1), drawn)
    assert np.array_equal(np.isfinite(shard.faces[:, 0]).any(-1), drawn)
    assert np.array_equal(shard.masks.max((2, 3)) > 0, drawn)


def test_attributes_are_indices_of_values(shard: Shard) -> None:
    for column, values in enumerate(ATTRIBUTES.values()):
        assert shard.attributes[:, column].min() >= -1
        assert shard.attributes[:, column].max() < len(values)
    somebody = shard.seeds[:, 0] >= 0
    assert (shard.attributes[somebody, list(ATTRIBUTES).index("mood")] >= 0).all()


def test_only_the_named_characters_are_drawn(shard: Shard) -> None:
    assert shard.seeds.max() < 4


def test_reopened_it_is_the_same(tmp_path: Path) -> None:
    first = _build(tmp_path)
    pixels = np.array(first.images)
    changed = (tmp_path / "images.npy").stat().st_mtime_ns
    again = _build(tmp_path, seed=99)  # complete, so nothing is drawn any more
    assert np.array_equal(again.images, pixels)
    assert again.captions == first.captions
    assert (tmp_path / "images.npy").stat().st_mtime_ns == changed
    assert np.array_equal(load_shard(tmp_path).faces, first.faces, equal_nan=True)


@pytest.mark.filterwarnings("ignore:This DataLoader will create")
@pytest.mark.parametrize("num_frames", [1, 9])
def test_several_processes_draw_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, num_frames: int
) -> None:
    seen: list[int] = []
    monkeypatch.setattr(corpus, "_CHUNK_FRAMES", 2 * num_frames)
    options: dict[str, Any] = {"num_frames": num_frames, "num_samples": 5}
    _build(tmp_path / "one", **options)
    _build(
        tmp_path / "two",
        num_workers=2,
        on_progress=lambda done, total: seen.append(done),
        **options,
    )
    for path in (tmp_path / "one").iterdir():
        assert path.read_bytes() == (tmp_path / "two" / path.name).read_bytes(), path.name
    assert seen == [2, 4, 5]


@pytest.mark.filterwarnings("ignore:This DataLoader will create")
def test_drawing_that_is_given_up_leaves_no_process_and_no_shard(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As after Ctrl-C."""

    def give_up(done: int, total: int) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(corpus, "_CHUNK_FRAMES", 1)
    with pytest.raises(KeyboardInterrupt):
        _build(tmp_path / "x", num_workers=2, num_samples=200, on_progress=give_up)
    assert not active_children()
    assert not (tmp_path / "x" / "captions.json").exists()


def test_a_half_drawn_one_is_drawn_again(tmp_path: Path) -> None:
    first = _build(tmp_path)
    pixels, captions = np.array(first.images), first.captions
    (tmp_path / "captions.json").unlink()
    again = _build(tmp_path)
    assert np.array_equal(again.images, pixels)
    assert again.captions == captions


def test_clips_move_and_keep_their_truth(tmp_path: Path) -> None:
    shard = _build(tmp_path, num_frames=5, aspect="9:16", num_samples=2)
    assert shard.images.shape == (2, 5, 176, 96, 3)
    drawn = shard.seeds >= 0
    finite = np.isfinite(shard.faces).all(-1)
    assert np.array_equal(finite, np.broadcast_to(drawn[:, None], finite.shape))


def test_held_out_characters_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=f"got {HELD_OUT_SEED + 1}, expected at most"):
        _build(tmp_path / "never", num_characters=HELD_OUT_SEED + 1)
    assert not (tmp_path / "never").exists()
