from fractions import Fraction

import numpy as np
import pytest

from facekit.errors import UsageError
from facekit.media.delivery import Delivery, plan_delivery, retime
from facekit.types import Clip


def clip(num_frames: int = 9, fps: float = 8.0, height: int = 96, width: int = 176) -> Clip:
    return Clip(frames=np.zeros((num_frames, height, width, 3), np.uint8), fps=fps)


def test_without_a_rate_every_frame_is_delivered_once() -> None:
    delivery = plan_delivery(clip())
    assert (delivery.rate, delivery.indices) == (8, tuple(range(9)))
    assert delivery.describe(clip()) == "9 frames at 8 fps"


def test_frames_are_repeated_so_that_motion_keeps_its_speed() -> None:
    delivery = plan_delivery(clip(), fps=24)
    assert delivery.indices == tuple(np.repeat(np.arange(9), 3))
    told = delivery.describe(clip())
    assert told == "27 frames at 24 fps, from 8 fps: frames are shown 3 times"


def test_uneven_repeats_are_told() -> None:
    source = clip(16, 16.0)
    delivery = plan_delivery(source, fps=24)
    assert delivery.num_frames == 24
    assert delivery.indices[:6] == (0, 0, 1, 2, 2, 3)
    assert "frames are shown 1 or 2 times, so motion is uneven" in delivery.describe(source)


def test_frames_that_are_left_out_are_told() -> None:
    delivery = plan_delivery(clip(), fps=4)
    assert delivery.indices == (0, 2, 4, 6, 8)
    assert "4 of 9 frames are left out, so motion is uneven" in delivery.describe(clip())


def test_conforming_keeps_every_frame_and_tells_the_speed() -> None:
    source = clip(17, 16.0)
    delivery = plan_delivery(source, fps=24, how="conform")
    assert delivery.indices == tuple(range(17))
    told = "every frame is kept once and motion plays 1.5 times as fast"
    assert told in delivery.describe(source)
    slow = plan_delivery(clip(), fps=4, how="conform")
    assert "plays 2 times as slow" in slow.describe(clip())


def test_a_small_step_of_rate_is_told_too() -> None:
    source = clip(24, 24.0)
    delivery = plan_delivery(source, fps=23.976, how="conform")
    assert delivery.rate == Fraction(24_000, 1001)
    assert "23.976 fps (24000/1001), from 24 fps: every frame is kept once and motion plays" in (
        delivery.describe(source)
    )


@pytest.mark.parametrize("own", [8, 16, 24, Fraction(24_000, 1001)])
@pytest.mark.parametrize("rate", [6, 24, 25, Fraction(30_000, 1001), 60])
def test_repeating_keeps_the_length_and_invents_nothing(own: Fraction, rate: Fraction) -> None:
    own, rate = Fraction(own), Fraction(rate)
    indices = retime(17, own, rate)
    assert abs(len(indices) / rate - 17 / own) < 1 / rate
    assert (indices[0], set(indices) <= set(range(17))) == (0, True)
    shows = [index / own <= place / rate for place, index in enumerate(indices)]
    assert all(shows)  # no frame comes before its time
    assert list(indices) == sorted(indices)


@pytest.mark.parametrize(
    ("size", "fit", "width", "height", "left", "top"),
    [
        ((1920, 1080), "pad", 1920, 1048, 0, 16),
        ((1920, 1080), "crop", 1980, 1080, -30, 0),
        ((352, 192), "pad", 352, 192, 0, 0),
        ((96, 96), "pad", 96, 52, 0, 22),
        ((96, 176), "crop", 322, 176, -114, 0),
    ],
)
def test_a_picture_is_scaled_and_never_stretched(
    size: tuple[int, int], fit: str, width: int, height: int, left: int, top: int
) -> None:
    place = plan_delivery(clip(), size=size, fit=fit).place(clip())
    assert place is not None
    assert (place.width, place.height, place.left, place.top) == (width, height, left, top)
    assert abs(place.width / 176 - place.height / 96) * 96 <= 1  # even pixels, no more
    assert not any(number % 2 for number in (width, height, left, top))


def test_nothing_is_scaled_unless_asked() -> None:
    assert plan_delivery(clip()).place(clip()) is None
    assert plan_delivery(clip(), size=(176, 96)).place(clip()) is None


def test_bars_and_cuts_are_told() -> None:
    source = clip()
    padded = plan_delivery(source, size=(1920, 1080)).describe(source)
    assert padded.endswith("; 176x96 scaled to 1920x1048, with bars to 1920x1080")
    cut = plan_delivery(source, size=(1920, 1080), fit="crop").describe(source)
    assert cut.endswith("; 176x96 scaled to 1980x1080, cut to 1920x1080")


def test_each_frame_has_its_timecode() -> None:
    delivery = plan_delivery(clip(), fps=24, timecode="01:00:00:23")
    assert [delivery.timecode_of(index) for index in (0, 1)] == ["01:00:00:23", "01:00:01:00"]
    assert plan_delivery(clip()).timecode_of(0) is None


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ({"fps": 0.0}, "0 fps, expected more than 0"),
        ({"fps": 24, "how": "blend"}, "retime 'blend', expected repeat or conform"),
        ({"fit": "stretch"}, "fit 'stretch', expected pad or crop"),
        ({"size": (641, 360)}, "641x360, expected even sides"),
        ({"size": (0, 360)}, "0x360, expected even sides"),
        ({"timecode": "01:00:00:08"}, "not a timecode at 8 fps"),
    ],
)
def test_what_cannot_be_delivered_is_refused(asked: dict[str, object], told: str) -> None:
    with pytest.raises(UsageError, match=told):
        plan_delivery(clip(), **asked)


def test_a_delivery_of_nothing_is_refused() -> None:
    with pytest.raises(UsageError, match="0 frames at 24 fps, expected at least one frame"):
        Delivery(rate=Fraction(24), indices=())


def test_a_delivery_is_plain_data() -> None:
    plain = plan_delivery(clip(2), fps=23.976, size=(352, 192)).to_json()
    assert plain["rate"] == [24_000, 1001]
    assert (plain["frames"], plain["size"]) == (6, [352, 192])
