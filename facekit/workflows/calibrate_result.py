"""What a calibration has found, for people and for programs."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from facekit.workflows.render_calibration import Thresholds

__all__ = ["Calibrated"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibrated:
    """What was found."""

    file: Path
    picture: Path
    found: Thresholds
    takes: Mapping[str, tuple[int, int]]
    """Member -> takes in which it is alone, and those of them that reach the threshold."""
    date: str
    digest: str
    """sha256 of everything that the thresholds come from."""

    @property
    def notes(self) -> tuple[str, ...]:
        """What the numbers cannot say."""
        one, told = self.found, []
        if not one.is_enough:
            told.append(
                f"{one.num_other} faces of other people cannot tell {one.far:.1%}, expected"
                f" {int(np.ceil(1 / one.far))}, so the threshold is above all of them and at least"
                f" the encoder's own, {one.own_floor:.2f}; name more people with --others"
            )
        if not self.takes:
            told.append("no takes yet; render the board, and calibrate again with --force")
        return tuple(told)

    def describe(self) -> str:
        """The threshold, and what it does on this material."""
        one = self.found
        lines = [
            f"floor: {one.floor:.3f}, from {one.num_same} faces of the cast and"
            f" {one.num_other} of other people",
            f"faces of the cast that reach it: {one.tar:.0%}",
            f"faces of other people that reach it: {one.accepted:.1%}, at most"
            f" {one.accepted_high:.1%} with 95 % confidence",
        ]
        lines += [
            f"takes of {name} that reach it: {passed} of {count}"
            for name, (count, passed) in self.takes.items()
        ]
        lines += [f"note: {told}" for told in self.notes]
        lines.append(f"written: {self.file}; renders of this board use it from now on")
        return "\n".join(lines)

    def to_json(self) -> Mapping[str, object]:
        """The same as plain data."""
        return {
            "file": str(self.file),
            "picture": str(self.picture),
            **self.found.to_json(),
            "takes_passed": {
                name: {"takes": count, "passed": passed}
                for name, (count, passed) in self.takes.items()
            },
            "date": self.date,
            "digest": self.digest,
            "notes": list(self.notes),
        }
