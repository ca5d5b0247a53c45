"""How fast this machine draws: kept from what was drawn, and used to tell how long a board takes.

One file in the cache, `render_rates.json`. Nothing in it decides a picture.
"""

import json
import math
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

from facekit.media.cache import cache_dir, cached_write

__all__ = ["RATES_FILE", "Estimate", "Rate", "estimate_pass", "load_rates", "record_rate"]

RATES_FILE = "render_rates.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """How long one backbone took on one device for one size."""

    backbone: str
    """sha256 (hex) of its weights."""
    device: str
    """In words, with the name of the card."""
    height: int
    width: int
    num_frames: int
    seconds_per_pass: float
    """Of one asking of the network, with its part of encoding and decoding."""

    @property
    def volume(self) -> int:
        """Pixels of all frames."""
        return self.height * self.width * self.num_frames


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """How long something takes, and where that is known from."""

    seconds: float
    is_measured: bool
    """Whether just this size was measured; else it is scaled from the nearest by pixels."""


def load_rates() -> tuple[Rate, ...]:
    """Read what was measured on this machine; nothing where the file is missing or damaged."""
    path = cache_dir() / RATES_FILE
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        rates = [Rate(**item) for item in content["rates"]]
        return tuple(rate for rate in rates if _is_sound(rate))
    except (OSError, ValueError, KeyError, TypeError):
        return ()


def record_rate(rate: Rate) -> Path:
    """Keep one; an older one of the same backbone, device and size is replaced.

    Raises:
        OutputError: The cache cannot be written.
    """
    path = cache_dir() / RATES_FILE
    kept = [old for old in load_rates() if _key(old) != _key(rate)]
    content = {"rates": [asdict(one) for one in [*kept, rate]]}
    with cached_write(path) as temporary:
        temporary.write_text(json.dumps(content, indent=1), encoding="utf-8")
    return path


def estimate_pass(
    rates: Iterable[Rate], backbone: str, device: str, height: int, width: int, num_frames: int
) -> Estimate | None:
    """Tell how long one asking of the network takes.

    Returns:
        None when nothing was measured with this backbone on this device.
    """
    known = [rate for rate in rates if (rate.backbone, rate.device) == (backbone, device)]
    if not known:
        return None
    volume = height * width * num_frames
    for rate in known:
        if (rate.height, rate.width, rate.num_frames) == (height, width, num_frames):
            return Estimate(seconds=rate.seconds_per_pass, is_measured=True)
    nearest = min(known, key=lambda rate: abs(math.log(rate.volume / volume)))
    scaled = nearest.seconds_per_pass * volume / nearest.volume
    return Estimate(seconds=scaled, is_measured=False)


def _key(rate: Rate) -> tuple[str, str, int, int, int]:
    return rate.backbone, rate.device, rate.height, rate.width, rate.num_frames


def _is_sound(rate: Rate) -> bool:
    return rate.volume > 0 and 0 < rate.seconds_per_pass < math.inf
