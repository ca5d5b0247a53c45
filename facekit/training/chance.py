"""Randomness without history: every draw is a function of (seed, names, step, sample).

A run that was killed and resumed, and one that never stopped, therefore draw the same noise.
"""

import hashlib

import torch

__all__ = ["generator", "uniform"]


def generator(seed: int, *keys: int | str) -> torch.Generator:
    """Make a CPU generator that depends on its arguments alone.

    Args:
        seed: The seed of the run.
        keys: What the draw is for, then step and sample: ``"noise", 120, 3``.
    """
    text = "/".join(str(part) for part in (seed, *keys))
    number = int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1
    return torch.Generator(device="cpu").manual_seed(number)


def uniform(seed: int, *keys: int | str) -> float:
    """Draw one number in [0, 1)."""
    return float(torch.rand((), generator=generator(seed, *keys), dtype=torch.float64))
