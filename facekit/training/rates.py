"""How fast a device computes: measured on the CPU, known or unknown for a graphics card.

Rates are floating point operations per second, a multiplication and an addition counting as two.
"""

import re
import time
from dataclasses import dataclass
from functools import cache

import torch
from torch.nn import functional

from facekit.training.settings import Precision

__all__ = ["Rate", "device_rate", "peak_rate"]

_TERA = 1e12
# Dense bfloat16 with float32 accumulation, without sparsity.
# Source: NVIDIA's datasheets of these cards (A100, A10, A40, L4, L40S, H100, H200, B200), and the
# whitepapers of Ampere GA102, Ada and RTX Blackwell. Half of what one gives "with sparsity".
_PEAKS = (
    ("B200", 2250.0),
    ("H200", 989.0),
    ("H100 PCIe", 756.0),
    ("H100 NVL", 835.0),
    ("H100", 989.0),
    ("A100", 312.0),
    ("L40S", 362.0),
    ("L40", 181.0),
    ("L4", 121.0),
    ("A40", 149.7),
    ("A10", 125.0),
    ("RTX 6000 Ada", 364.0),
    ("RTX A6000", 154.8),
    ("RTX 5090", 209.5),
    ("RTX 4090", 165.2),
    ("RTX 4080", 97.5),
    ("RTX 3090", 71.0),
)
# What full training of large networks reaches of the peak with fused attention; photos alone, short
# sequences and blocks that wait in main memory reach less. An assumption, so it is told as a range.
_USED = (0.2, 0.5)
_TIMED_S = 0.12
_WIDTH = 768


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """Operations per second: the least and the most that are expected."""

    low: float
    high: float
    basis: str
    """Where it comes from, in words."""

    def seconds(self, flops: float) -> tuple[float, float]:
        """How long so many operations take, the least and the most."""
        return flops / self.high, flops / self.low


def peak_rate(name: str) -> float | None:
    """The peak of a graphics card in bfloat16, by the name torch gives it; None if unknown.

    Others have names that begin alike: those of laptops, and the A10G, which is no A10.
    """
    if "Laptop" in name:
        return None
    return next((tera * _TERA for part, tera in _PEAKS if re.search(rf"{part}\b", name)), None)


def device_rate(device: torch.device, precision: Precision) -> Rate | None:
    """How fast a device is expected to train; None where nothing is known of it.

    Args:
        device: The CPU is measured, for about a quarter of a second, once in a process.
        precision: Of the arithmetic.
    """
    if device.type == "cpu":
        measured = _measured(precision)
        return Rate(low=measured * 0.5, high=measured, basis="measured here just now")
    if device.type != "cuda" or precision != "bfloat16":
        return None  # in float32 cards differ from each other by more than a range can tell
    name = torch.cuda.get_device_name(device)
    peak = peak_rate(name)
    if peak is None:
        return None
    low, high = (peak * used for used in _USED)
    return Rate(low=low, high=high, basis=f"{_USED[0]:.0%} to {_USED[1]:.0%} of the {name}'s peak")


@cache
@torch.no_grad()
def _measured(precision: Precision) -> float:
    """A product of matrices and an attention, half of the time each."""
    dtype = torch.bfloat16 if precision == "bfloat16" else torch.float32
    matrix = torch.ones(_WIDTH, _WIDTH, dtype=dtype)
    heads = torch.ones(1, 4, 256, 64)
    products = _timed(lambda: matrix @ matrix, 2.0 * _WIDTH**3)
    attention = _timed(
        lambda: functional.scaled_dot_product_attention(heads, heads, heads), 4.0 * 4 * 256**2 * 64
    )
    # By far most operations are products.
    return 1 / (0.9 / products + 0.1 / attention)


def _timed(work: object, flops: float) -> float:
    assert callable(work)
    work()
    began, count = time.perf_counter(), 0
    while time.perf_counter() - began < _TIMED_S:
        work()
        count += 1
    return flops * count / (time.perf_counter() - began)
