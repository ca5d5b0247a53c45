"""How fast a run goes, for its line of progress."""

from collections import deque

__all__ = ["Pace"]

_STEPS = 20
"""Steps that are averaged: enough to read the number, and few enough to follow a change."""


class Pace:
    """The mean time of the last steps; validations and checkpoints are not part of a step."""

    def __init__(self) -> None:
        self._times_s: deque[float] = deque(maxlen=_STEPS)

    def tell(self, step_s: float) -> str:
        """Count a step that took so many seconds, and say the pace: ``3.41 steps/s``.

        Steps that take longer than a second are told the other way round: ``12.5 s/step``.
        """
        self._times_s.append(step_s)
        mean_s = sum(self._times_s) / len(self._times_s)
        return f"{mean_s:.1f} s/step" if mean_s > 1 else f"{1 / max(mean_s, 1e-9):.2f} steps/s"
