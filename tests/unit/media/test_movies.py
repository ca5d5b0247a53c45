from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from facekit.errors import OutputError, UsageError
from facekit.media.burn_in import burn_in
from facekit.media.delivery import plan_delivery
from facekit.media.facts import read_facts
from facekit.media.movies import write_mezzanine, write_review
from facekit.types import Clip
from tests.tiny.bt709 import read_rgb, smooth_clip

NTSC = Fraction(24_000, 1001)


def test_a_mezzanine_is_prores_422_hq_with_tags_timecode_and_exact_rate(tmp_path: Path) -> None:
    clip = smooth_clip()
    delivery = plan_delivery(clip, fps=23.976, timecode="01:00:00:12")
    write_mezzanine(tmp_path / "a.mov", clip, delivery)
    facts = read_facts(tmp_path / "a.mov")
    assert (facts.codec, facts.profile, facts.tag) == ("prores", "HQ", "apch")
    assert facts.pix_fmt == "yuv422p10le"
    assert (facts.width, facts.height) == (176, 96)
    assert (facts.rate, facts.num_frames) == (NTSC, 9)
    said = (facts.color_primaries, facts.color_transfer, facts.color_space, facts.color_range)
    assert said == ("bt709", "bt709", "bt709", "tv")
    assert facts.frames_agree
    assert facts.timecode == "01:00:00:12"
    content = (tmp_path / "a.mov").read_bytes()
    assert b"colrnclc\0\1\0\1\0\1" in content
    assert b"tmcd" in content


def test_a_review_copy_is_h264_that_plays_anywhere(tmp_path: Path) -> None:
    clip = smooth_clip()
    write_review(tmp_path / "a.mp4", clip, plan_delivery(clip, fps=24, timecode="10:00:00:00"))
    facts = read_facts(tmp_path / "a.mp4")
    assert (facts.codec, facts.profile, facts.pix_fmt) == ("h264", "High", "yuv420p")
    assert (facts.rate, facts.num_frames, facts.timecode) == (24, 9, "10:00:00:00")
    said = (facts.color_primaries, facts.color_transfer, facts.color_space, facts.color_range)
    assert said == ("bt709", "bt709", "bt709", "tv")
    assert facts.frames_agree
    assert facts.index_first


@pytest.mark.parametrize("rate", [8, 16, 23.976, 25, 29.97, 59.94])
def test_rates_are_exact_in_both(tmp_path: Path, rate: float) -> None:
    clip = smooth_clip(2)
    delivery = plan_delivery(clip, fps=rate, how="conform", timecode="00:59:59:00")
    write_review(tmp_path / "a.mp4", clip, delivery)
    write_mezzanine(tmp_path / "a.mov", clip, delivery)
    for path in tmp_path.iterdir():
        facts = read_facts(path)
        assert (facts.rate, facts.num_frames) == (delivery.rate, 2)
        assert facts.timecode == delivery.timecode_of(0)


def test_pixels_are_those_that_were_drawn(tmp_path: Path) -> None:
    """Decoded by the formulas of BT.709; shifted colours would show here."""
    clip = smooth_clip()
    write_review(tmp_path / "a.mp4", clip, plan_delivery(clip))
    write_mezzanine(tmp_path / "a.mov", clip, plan_delivery(clip))
    review = np.abs(read_rgb(tmp_path / "a.mp4") - clip.frames)
    mezzanine = np.abs(read_rgb(tmp_path / "a.mov") - clip.frames)
    assert review.mean() < 2.0
    assert review.max() < 12
    assert mezzanine.mean() < 0.8
    assert mezzanine.max() < 4


def test_frames_come_in_the_order_of_the_delivery(tmp_path: Path) -> None:
    clip = smooth_clip(3)
    write_mezzanine(tmp_path / "a.mov", clip, plan_delivery(clip, fps=16))
    blue = read_rgb(tmp_path / "a.mov")[..., 2].mean(axis=(1, 2))
    assert np.abs(blue - [40, 40, 60, 60, 80, 80]).max() < 1


def test_a_delivery_size_is_kept(tmp_path: Path) -> None:
    clip = smooth_clip(1)
    delivery = plan_delivery(clip, size=(320, 180))
    write_review(tmp_path / "a.mp4", clip, delivery, burn_in_name="SH0010")
    write_mezzanine(tmp_path / "a.mov", clip, delivery)
    for path in tmp_path.iterdir():
        facts = read_facts(path)
        assert (facts.width, facts.height) == (320, 180)
    inside = read_rgb(tmp_path / "a.mov")[0, 3:-3]
    slope = np.linspace(0, 255, 320)
    assert np.abs(inside[80, 20:-20, 0] - slope[20:-20]).max() < 4


def test_the_same_clip_gives_the_same_bytes(tmp_path: Path) -> None:
    clip = smooth_clip()
    delivery = plan_delivery(clip, fps=24, timecode="01:00:00:00")
    for name in ("1", "2"):
        write_review(tmp_path / f"{name}.mp4", clip, delivery, burn_in_name="SH0010")
        write_mezzanine(tmp_path / f"{name}.mov", clip, delivery)
    for suffix in (".mp4", ".mov"):
        first, second = ((tmp_path / f"{name}{suffix}").read_bytes() for name in ("1", "2"))
        assert first == second


def test_words_are_in_the_review_copy_with_the_number_of_each_frame(tmp_path: Path) -> None:
    clip = smooth_clip(2)
    delivery = plan_delivery(clip, start_frame=993)
    write_review(tmp_path / "a.mp4", clip, delivery, burn_in_name="SEQ010_SH0020")
    read = read_rgb(tmp_path / "a.mp4")
    for index, number in enumerate(("993", "994")):
        wanted = burn_in(clip.frames[index], "SEQ010_SH0020", number)
        assert np.abs(read[index] - wanted)[-13:].mean() < 6
        assert np.abs(read[index] - clip.frames[index])[-13:].mean() > 20
        assert np.abs(read[index] - clip.frames[index])[:-16].mean() < 2


@pytest.mark.parametrize("write", [write_review, write_mezzanine])
def test_wrong_names_and_odd_sizes_are_refused_and_leave_what_was_there(
    tmp_path: Path, write: object
) -> None:
    assert callable(write)
    clip = smooth_clip(1)
    with pytest.raises(UsageError, match=r"cannot write \.gif; use \.m"):
        write(tmp_path / "a.gif", clip, plan_delivery(clip))
    odd = Clip(frames=np.zeros((1, 16, 15, 3), np.uint8), fps=8)
    suffix = ".mp4" if write is write_review else ".mov"
    kept = tmp_path / f"a{suffix}"
    kept.write_bytes(b"kept")
    with pytest.raises(UsageError, match="15x16, expected even sides"):
        write(kept, odd, plan_delivery(odd))
    assert [path.read_bytes() for path in tmp_path.iterdir()] == [b"kept"]


@pytest.mark.parametrize("write", [write_review, write_mezzanine])
def test_a_full_disk_leaves_what_was_there(tmp_path: Path, write: object) -> None:
    resource = pytest.importorskip("resource", reason="limits on the size of files are of POSIX")
    assert callable(write)
    path = tmp_path / ("a.mp4" if write is write_review else "a.mov")
    path.write_bytes(b"kept")
    noise = np.random.default_rng(0).integers(0, 255, (6, 96, 176, 3), dtype=np.uint8)
    clip = Clip(frames=noise, fps=8)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, limits[1]))
    try:
        with pytest.raises(OutputError, match=r"not written, no space left .*; nothing was"):
            write(path, clip, plan_delivery(clip))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert [each.read_bytes() for each in tmp_path.iterdir()] == [b"kept"]
