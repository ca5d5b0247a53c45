"""Frame rates as they are meant, and the timecode of frames."""

import math
import re
from fractions import Fraction
from typing import Final

from facekit.errors import UsageError

__all__ = ["clock_frames", "exact_rate", "has_timecode", "timecode_at", "timecode_frames"]

_NTSC: Final = {23.976: 24, 23.98: 24, 29.97: 30, 47.952: 48, 59.94: 60, 119.88: 120}
_DROPPED: Final = {Fraction(30_000, 1001): 2, Fraction(60_000, 1001): 4}
_WRITTEN: Final = re.compile(r"(\d\d):(\d\d):(\d\d)[:;](\d\d)")
_DAY_S: Final = 24 * 60 * 60


def exact_rate(fps: float) -> Fraction:
    """Say what is meant by a frame rate: 23.976 is 24000/1001, 29.97 and 59.94 likewise."""
    whole = _NTSC.get(round(fps, 3))
    if whole is None:
        near = round(fps * 1.001)
        whole = near if near and abs(near / 1.001 - fps) < 1e-4 else None
    if whole is not None:
        return Fraction(whole * 1000, 1001)
    return Fraction(fps).limit_denominator(10_000)


def has_timecode(rate: Fraction) -> bool:
    """Whether frames of this rate have a timecode: whole, or whole times 1000/1001, up to 99."""
    numbers = round(rate)
    return 1 <= numbers <= 99 and rate in (numbers, Fraction(numbers * 1000, 1001))


def clock_frames(timecode: str, rate: Fraction) -> int:
    """Count the frames from midnight to a time of day at any rate.

    Args:
        timecode: As for `timecode_frames`. At a rate without a timecode it is the time by the
            clock, and frames after the last whole second.
        rate: Frames per second.

    Raises:
        UsageError: Not a timecode, or none of this rate.
    """
    if has_timecode(rate):
        return timecode_frames(timecode, rate)
    match = _WRITTEN.fullmatch(timecode)
    hours, minutes, seconds, frame = map(int, match.groups()) if match else (24, 0, 0, 0)
    if hours > 23 or max(minutes, seconds) > 59 or frame >= rate:
        raise UsageError(
            f"{timecode}: not a time of day at {float(rate):g} fps, expected one such as"
            f" 01:00:00:00 with frames below {float(rate):g}; correct it"
        )
    return math.floor(((hours * 60 + minutes) * 60 + seconds) * rate) + frame


def timecode_frames(timecode: str, rate: Fraction) -> int:
    """Count the frames from midnight to a timecode.

    At 29.97 and 59.94 it is one with drop frames, as editors have it: two (or four) numbers are
    left out every minute but every tenth.

    Args:
        timecode: Such as ``01:00:00:00``.
        rate: Frames per second: whole, or whole times 1000/1001.

    Raises:
        UsageError: Not a timecode, none of this rate, or a rate that has none.

    Source: SMPTE ST 12-1, section 5.2 (drop frames).
    """
    numbers = _numbers(rate)
    match = _WRITTEN.fullmatch(timecode)
    if match is not None:
        hours, minutes, seconds, frame = map(int, match.groups())
        if hours < 24 and minutes < 60 and seconds < 60 and frame < numbers:
            past = hours * 60 + minutes
            dropped = _DROPPED.get(rate, 0) * (past - past // 10)
            count = (past * 60 + seconds) * numbers + frame - dropped
            if timecode_at(count, rate).replace(";", ":") == timecode.replace(";", ":"):
                return count
    raise UsageError(
        f"{timecode}: not a timecode at {float(rate):g} fps, expected one such as 01:00:00:00 with"
        f" frames below {numbers}{_drop_rule(rate)}; correct it"
    )


def timecode_at(frames: int, rate: Fraction) -> str:
    """Write the timecode that many frames after midnight; a semicolon says drop frames.

    Raises:
        UsageError: A rate that has no timecode.
    """
    numbers, dropped = _numbers(rate), _DROPPED.get(rate, 0)
    if dropped:
        ten_minutes = 600 * numbers - 9 * dropped
        tens, rest = divmod(frames % (144 * ten_minutes), ten_minutes)
        minutes = max(0, rest - dropped) // (60 * numbers - dropped)
        frames = tens * 600 * numbers + rest + dropped * minutes
    seconds, frame = divmod(frames % (_DAY_S * numbers), numbers)
    mark = ";" if dropped else ":"
    return f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}{mark}{frame:02}"


def _numbers(rate: Fraction) -> int:
    """How many frame numbers a second of timecode has."""
    if not has_timecode(rate):
        raise UsageError(
            f"{float(rate):g} fps has no timecode, expected whole frames per second, or those"
            " times 1000/1001, up to 99; deliver at another rate or leave the timecode out"
        )
    return round(rate)


def _drop_rule(rate: Fraction) -> str:
    dropped = _DROPPED.get(rate)
    if dropped is None:
        return ""
    return f" and none of the first {dropped} in a minute but every tenth"
