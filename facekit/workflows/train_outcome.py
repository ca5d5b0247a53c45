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
                f'next: facekit shoot "close-up of @{self.name}" --with {called}',
            ]
        )

    def to_json(self) -> Mapping[str, object]:
        """The same as plain data."""
        content = dataclasses.asdict(self)
        return {
            **content,
            "adapter": str(self.adapter),
            "warnings": list(self.warnings),
            "overruled": list(self.overruled),
        }
