"""Compare ways of doing a thing on a machine that does others too."""

import time
from collections.abc import Callable, Mapping

import numpy as np

__all__ = ["cpu_seconds", "ratio"]


def cpu_seconds(ways: Mapping[str, Callable[[], object]], rounds: int) -> dict[str, list[float]]:
    """Run every way once to warm up, and then all of them in turn, round after round.

    Returns:
        Name to the processor's seconds of each round, so that a busy machine slows all alike.
    """
    for way in ways.values():
        way()
    taken: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(rounds):
        for name, way in ways.items():
            started = time.process_time()
            way()
            taken[name].append(time.process_time() - started)
    return taken


def ratio(taken: Mapping[str, list[float]], name: str, base: str) -> float:
    """The median, over the rounds, of one way's time to another's."""
    return float(np.median(np.array(taken[name]) / np.array(taken[base])))
