import multiprocessing

import numpy as np
import pytest
from PIL import Image as PillowImage

from facekit.errors import OutputError
from facekit.provenance.soft import (
    LIKELY_BITS,
    Output,
    OutputRecord,
    content_distance,
    frame_hashes,
)
from tests.tiny.provenance import FACTS, frames


def output(name="a.mp4"):
    return Output(name=name, sha256="0" * 64, frames=("00ff" * 4,), facts=FACTS, at="2026-01-01")


def scaled(pictures, side):
    return [
        np.asarray(PillowImage.fromarray(one).resize((side, side), PillowImage.Resampling.BICUBIC))
        for one in pictures
    ]


def test_scaling_and_noise_change_few_bits_and_another_clip_many():
    known = frame_hashes(frames(0))
    noisy = np.clip(frames(0).astype(int) + np.random.default_rng(1).integers(-9, 9), 0, 255)

    assert content_distance(frame_hashes(scaled(frames(0), 100)), known) <= LIKELY_BITS
    assert content_distance(frame_hashes(noisy.astype(np.uint8)), known) <= LIKELY_BITS
    for seed in range(1, 20):
        assert content_distance(frame_hashes(frames(seed)), known) > LIKELY_BITS


def test_a_single_frame_is_that_of_its_clip():
    pictures = frames(0, num_frames=20)

    assert len(frame_hashes(pictures)) == 8
    assert content_distance(frame_hashes(pictures[:1]), frame_hashes(pictures)) == 0


def test_frames_of_one_colour_are_like_nothing():
    flat = np.full((3, 32, 32, 3), 90, np.uint8)

    assert frame_hashes(flat) == ()
    assert content_distance((), ()) == 64


def test_what_is_added_comes_back_and_what_is_cut_is_passed_over(tmp_path):
    record = OutputRecord(tmp_path / "new" / "outputs.jsonl")
    assert list(record.all()) == []
    record.add(output("a.mp4"))
    with record.path.open("a") as file:
        file.write('{"name": "cut"\n{"name": "b", "sha256": 1}\n[]\n')
    record.add(output("b.mp4"))
    with record.path.open("a") as file:
        file.write('{"name": "a kill came here')
    record.add(output("c.mp4"))

    assert [one.name for one in record.all()] == ["a.mp4", "b.mp4", "c.mp4"]
    assert next(record.all()) == output("a.mp4")
    assert record.path.stat().st_mode & 0o077 == 0


def _add(path, name):
    for index in range(30):
        OutputRecord(path).add(output(f"{name}{index}"))


def test_several_processes_add_whole_lines(tmp_path):
    path = tmp_path / "outputs.jsonl"
    context = multiprocessing.get_context("fork")
    workers = [context.Process(target=_add, args=(path, name)) for name in "abc"]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()

    assert len(path.read_text().splitlines()) == len(list(OutputRecord(path).all())) == 90


def test_a_list_that_cannot_be_written_is_told(tmp_path):
    (tmp_path / "a").write_text("")

    with pytest.raises(OutputError, match="name another folder with FACEKIT_KEYS"):
        OutputRecord(tmp_path / "a" / "outputs.jsonl").add(output())


def test_black_bars_change_nothing():
    barred = np.zeros((3, 80, 200, 3), np.uint8)
    barred[:, 16:64, 70:118] = frames(0)

    assert frame_hashes(barred) == frame_hashes(frames(0))
    dark = np.zeros((1, 48, 48, 3), np.uint8)
    dark[:, :24] = 20
    assert len(frame_hashes(dark)) == 1, "dark all over, and no bars"


def test_without_colour_brightness_decides():
    grey = frames(0).mean(3, keepdims=True).repeat(3, 3).astype(np.uint8)
    others = [frames(seed).mean(3, keepdims=True).repeat(3, 3).astype(np.uint8) for seed in (1, 2)]
    known = frame_hashes(grey)

    assert content_distance(frame_hashes(scaled(grey, 100)), known) <= LIKELY_BITS
    assert all(content_distance(frame_hashes(other), known) > 20 for other in others)
    assert content_distance(frame_hashes(frames(0)), known) > 20


def test_one_frame_of_four_may_be_of_another_clip():
    pictures = frames(0, num_frames=4)
    known = frame_hashes(pictures)
    one, two = pictures.copy(), pictures.copy()
    one[3] = frames(7)[0]
    two[2:] = frames(7)[:2]

    assert content_distance(frame_hashes(one), known) <= LIKELY_BITS
    assert content_distance(frame_hashes(two), known) > LIKELY_BITS


def test_what_another_version_has_noted_is_like_nothing():
    assert content_distance(frame_hashes(frames(0)), ("00ff" * 4,)) == 64
