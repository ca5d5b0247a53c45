import numpy as np
import pytest

from facekit.media.delivery import plan_delivery
from facekit.media.framing import BT709, VIDEO_RANGE, delivered_frames
from facekit.types import Clip
from tests.tiny.bt709 import smooth_clip, to_rgb


@pytest.mark.parametrize(
    ("fmt", "mean", "most"), [("yuv420p", 1.5, 4.0), ("yuv422p10le", 0.6, 2.5)]
)
def test_colours_are_those_of_bt709_by_its_own_formulas(fmt: str, mean: float, most: float) -> None:
    clip = smooth_clip()
    for frame, pixels in zip(
        delivered_frames(clip, plan_delivery(clip), fmt), clip.frames, strict=True
    ):
        difference = np.abs(to_rgb(frame) - pixels)
        assert difference.mean() < mean
        assert difference.max() < most


def test_frames_say_what_they_are() -> None:
    clip = smooth_clip()
    frame = next(delivered_frames(clip, plan_delivery(clip, size=(352, 200)), "yuv422p10le"))
    assert (frame.width, frame.height, frame.format.name) == (352, 200, "yuv422p10le")
    said = (frame.colorspace, frame.color_primaries, frame.color_trc, frame.color_range)
    assert said == (BT709, BT709, BT709, VIDEO_RANGE)


def test_bars_are_black_and_the_picture_is_in_the_middle() -> None:
    clip = Clip(frames=np.full((1, 16, 32, 3), 255, np.uint8), fps=8)
    delivery = plan_delivery(clip, size=(64, 48))
    (frame,) = delivered_frames(clip, delivery, "yuv422p10le")
    rgb = to_rgb(frame)
    assert np.abs(rgb[:8]).max() < 1.5
    assert np.abs(rgb[-8:]).max() < 1.5
    assert np.abs(rgb[8:-8] - 255).max() < 1.5


def test_a_cut_keeps_the_middle() -> None:
    pixels = np.zeros((1, 16, 32, 3), np.uint8)
    pixels[:, :, 8:24] = (200, 40, 30)
    clip = Clip(frames=pixels, fps=8)
    (frame,) = delivered_frames(clip, plan_delivery(clip, size=(64, 64), fit="crop"), "rgb24")
    rgb = frame.to_ndarray()
    assert rgb.shape == (64, 64, 3)
    assert np.abs(rgb[:, 8:-8].astype(int) - (200, 40, 30)).max() <= 3


def test_growing_keeps_flat_colours_and_more_than_eight_bits() -> None:
    """Scaled in eight bits first, a slope of one step in eight pixels stays a staircase."""
    pixels = np.empty((1, 16, 64, 3), np.uint8)
    pixels[:] = (100 + np.arange(64) // 8)[:, None]
    clip = Clip(frames=pixels, fps=8)
    (frame,) = delivered_frames(clip, plan_delivery(clip, size=(512, 128)), "yuv422p10le")
    luma = np.frombuffer(frame.planes[0], np.uint16).reshape(128, -1)[64, :512]
    assert np.abs(to_rgb(frame)[64, 4::64, 0] - np.arange(100, 108)).max() < 1.0
    assert len(np.unique(luma)) > 12


def test_a_repeated_frame_is_made_once() -> None:
    clip = smooth_clip(2)
    frames = list(delivered_frames(clip, plan_delivery(clip, fps=24), "rgb24"))
    assert len(frames) == 6
    assert len({id(frame) for frame in frames}) == 2
    assert (frames[0].to_ndarray() == clip.frames[0]).all()
    assert (frames[5].to_ndarray() == clip.frames[1]).all()
