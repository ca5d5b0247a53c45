"""What training a character gives back."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from facekit.workflows.characters import call_character
from facekit.workflows.masks import MasksUsed

__all__ = ["TrainOutcome"]


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainOutcome:
    """A trained character."""

    name: str
    adapter: Path
    trigger: str
    likeness: float | None
    """Held-out likeness by the training encoder, which chose the checkpoint. Not a report."""
    likeness_at_start: float | None
    """The same at step 0: enrolment, or the bare backbone for a plain LoRA."""
    best_step: int
    steps: int
    train_seconds: float
    """Over all sittings."""
    throughput: Mapping[str, float] = dataclasses.field(default_factory=dict, compare=False)
    """Of the last sitting: tokens per second, TFLOP/s, the most memory; mfu where the peak of the
    device is known."""
    overruled: tuple[str, ...] = ()
    """Findings against photos that were overruled."""
    masks: MasksUsed | None = None
    """The face masks that the loss looked at; None of a run of an earlier version."""
    warnings: tuple[str, ...] = ()
    was_there: bool = dataclasses.field(default=False, compare=False)
    """Whether an earlier call had finished it, and this one had nothing to do."""

    def describe(self) -> str:
        """The file, how it went and the next step."""
        chosen = f"step {self.best_step} of {self.steps}"
        if self.likeness is not None:
            chosen += f", held-out likeness {self.likeness:.3f} by the training encoder"
        if self.likeness_at_start is not None and self.steps:
            chosen += f" ({self.likeness_at_start:.3f} at step 0, before training)"
        called = call_character(self.adapter)
        return "\n".join(
            [
                *(f"warning: {warning}" for warning in self.warnings),
                *(f"overruled: {line}" for line in self.overruled),
                *([f"face masks: {self.masks.describe()}"] if self.masks else []),
                str(self.adapter),
                f"trigger: {self.trigger}",
                f"chosen: {chosen}",
                f"time: {self.train_seconds:.0f} s"
                + (", earlier; it was finished and nothing was done" if self.was_there else ""),
                *([f"speed: {self._speed()}"] if self.throughput else []),
                f'next: facekit shoot "close-up of @{self.name}" --with {called}',
            ]
        )

    def _speed(self) -> str:
        told = self.throughput
        parts = [
            f"{told['tokens_per_s']:.0f} tokens/s",
            f"{told['tflops']:.3g} TFLOP/s",
            *([f"{told['mfu']:.0%} of the device's peak"] if "mfu" in told else []),
            f"{told['peak_memory_gb']:.1f} GB at most",
        ]
        return ", ".join(parts)

    def to_json(self) -> Mapping[str, object]:
        """The same as plain data."""
        content = dataclasses.asdict(self)
        return {
            **content,
            "adapter": str(self.adapter),
            "warnings": list(self.warnings),
            "overruled": list(self.overruled),
        }
