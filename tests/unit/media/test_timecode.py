from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from facekit.errors import UsageError
from facekit.media.timecode import (
    clock_frames,
    exact_rate,
    has_timecode,
    timecode_at,
    timecode_frames,
)

RATES = [Fraction(8), Fraction(24), Fraction(24_000, 1001), Fraction(25)]
DROPPING = [Fraction(30_000, 1001), Fraction(60_000, 1001)]


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        (23.976, Fraction(24_000, 1001)),
        (23.98, Fraction(24_000, 1001)),
        (24_000 / 1001, Fraction(24_000, 1001)),
        (29.97, Fraction(30_000, 1001)),
        (59.94, Fraction(60_000, 1001)),
        (24, Fraction(24)),
        (8.0, Fraction(8)),
        (25.0, Fraction(25)),
        (12.5, Fraction(25, 2)),
        (15.2, Fraction(76, 5)),
    ],
)
def test_a_rate_is_what_is_meant(said: float, meant: Fraction) -> None:
    assert exact_rate(said) == meant


def test_frames_are_counted_from_midnight() -> None:
    assert timecode_frames("01:00:00:00", Fraction(24)) == 86_400
    assert timecode_frames("01:00:00:00", Fraction(24_000, 1001)) == 86_400
    assert timecode_at(86_400 + 25, Fraction(24)) == "01:00:01:01"
    assert timecode_at(24 * 86_400 + 3, Fraction(24)) == "00:00:00:03"


def test_drop_frames_keep_the_clock_at_2997() -> None:
    """An hour of film is 107892 frames, not 108000."""
    rate = DROPPING[0]
    assert timecode_frames("01:00:00;00", rate) == 107_892
    assert timecode_at(1799, rate) == "00:00:59;29"
    assert timecode_at(1800, rate) == "00:01:00;02"
    assert timecode_at(17_982, rate) == "00:10:00;00"
    assert timecode_at(3600, DROPPING[1]) == "00:01:00;04"


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(RATES + DROPPING), st.integers(0, 8 * 80_000))
def test_a_timecode_leads_back_to_its_frame(rate: Fraction, frames: int) -> None:
    assert timecode_frames(timecode_at(frames, rate), rate) == frames


@pytest.mark.parametrize("text", ["1:00:00:00", "24:00:00:00", "00:60:00:00", "00:00:00:24", ""])
def test_what_is_no_timecode_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match=r"not a timecode at 24 fps, .* frames below 24; correct"):
        timecode_frames(text, Fraction(24))


def test_a_dropped_number_is_refused() -> None:
    with pytest.raises(UsageError, match="none of the first 2 in a minute but every tenth"):
        timecode_frames("00:01:00;01", DROPPING[0])


@pytest.mark.parametrize("rate", [Fraction(25, 2), Fraction(120), Fraction(1, 4)])
def test_a_rate_without_timecode_is_refused(rate: Fraction) -> None:
    with pytest.raises(UsageError, match="has no timecode, expected whole frames per second"):
        timecode_at(0, rate)


@pytest.mark.parametrize(
    ("timecode", "rate", "frames"),
    [
        ("01:00:00:00", Fraction(24000, 1001), 86400),
        ("00:00:01:05", Fraction(25), 30),
        ("00:01:00:02", Fraction(30000, 1001), 1800),  # 00 and 01 are left out
        ("00:10:00:00", Fraction(30000, 1001), 17982),
        ("01:00:00:00", Fraction(60000, 1001), 215784),
        ("00:00:01:00", Fraction(25, 2), 12),
    ],
)
def test_times_of_day_are_counted_at_any_rate(timecode, rate, frames):
    assert clock_frames(timecode, rate) == frames


def test_a_rate_without_timecode_has_a_clock_and_nothing_else():
    assert [has_timecode(Fraction(*x)) for x in ((8, 1), (24000, 1001), (25, 2), (120, 1))] == [
        True, True, False, False,
    ]  # fmt: skip
    assert clock_frames("01:00:00:12", Fraction(25, 2)) == 45_012
    for timecode, rate in (("00:00:00:13", Fraction(25, 2)), ("00:01:00:00", DROPPING[0])):
        with pytest.raises(UsageError, match="expected one such as 01:00:00:00"):
            clock_frames(timecode, rate)
