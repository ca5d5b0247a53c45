"""What a planned board costs: frames, passes, and time as far as it is known."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from facekit.generation.finding import FIRST_PASS_STEPS
from facekit.generation.storyboard_shot import ShotPlan
from facekit.wording import counted
from facekit.workflows.board_rates import Rate, estimate_pass

__all__ = ["BoardCost", "cost_of", "counted", "shot_seconds", "time_words"]


@dataclass(frozen=True, slots=True, kw_only=True)
class BoardCost:
    """Of all takes that are shot in any case, and of the most that gates may ask for."""

    shots: int
    takes: int
    chunks: int
    """Clips that the backbone draws."""
    drawn_frames: int
    delivered_frames: int
    """Of one take of each shot, with handles."""
    seconds: float | None
    """None where nothing was measured on this device."""
    worst_seconds: float | None
    """Where every shot needs `max_takes`."""
    basis: str
    """Where the time is known from, in words."""

    def to_json(self) -> Mapping[str, object]:
        """All of it as plain data."""
        return {
            "shots": self.shots,
            "takes": self.takes,
            "chunks": self.chunks,
            "drawn_frames": self.drawn_frames,
            "delivered_frames": self.delivered_frames,
            "seconds": self.seconds,
            "worst_seconds": self.worst_seconds,
            "basis": self.basis,
        }

    def describe(self) -> str:
        """One line."""
        line = f"cost: {counted(self.shots, 'shot')}, {counted(self.takes, 'take')},"
        line += f" {counted(self.chunks, 'clip')} drawn, {self.drawn_frames} frames; "
        if self.seconds is None or self.worst_seconds is None:
            return f"{line}time unknown ({self.basis})"
        most = time_words(self.worst_seconds)
        return f"{line}{time_words(self.seconds)}, at most {most} with retakes ({self.basis})"


def shot_seconds(shot: ShotPlan, rates: Sequence[Rate], device: str) -> tuple[float | None, bool]:
    """Tell how long one take takes, and whether just its sizes were measured.

    With the pass that looks for regions; without the chunks that a chain may draw again.
    """
    total, is_measured = 0.0, True
    for chunk in shot.frames.chunks:
        each = estimate_pass(rates, shot.backbone, device, shot.height, shot.width, chunk)
        if each is None:
            return None, False
        total += each.seconds * shot.num_inference_steps * shot.passes
        is_measured = is_measured and each.is_measured
    if shot.looks_for_regions and shot.extends is None and shot.first_frame is None:
        first = estimate_pass(
            rates, shot.backbone, device, shot.height, shot.width, shot.frames.chunks[0]
        )
        assert first is not None, "known, as for all chunks"
        steps = min(FIRST_PASS_STEPS, shot.num_inference_steps)
        total += first.seconds * steps * min(shot.passes, 2)  # the identity is not guided in it
    return total, is_measured


def cost_of(shots: Sequence[ShotPlan], rates: Sequence[Rate], device: str) -> BoardCost:
    """Add up what all shots cost on a device."""
    each = [shot_seconds(shot, rates, device) for shot in shots]
    known = [seconds for seconds, _ in each if seconds is not None]
    is_known = len(known) == len(shots)
    takes = [len(shot.seeds) for shot in shots]
    most = [max(len(shot.seeds), shot.gates.max_takes) for shot in shots]
    basis = "nothing has been drawn with it on this device; facekit board plan --measure tries"
    if is_known:
        is_measured = all(is_measured for _, is_measured in each)
        basis = f"measured on {device}" + ("" if is_measured else ", scaled by pixels")
    return BoardCost(
        shots=len(shots),
        takes=sum(takes),
        chunks=sum(len(x.frames.chunks) * n for x, n in zip(shots, takes, strict=True)),
        drawn_frames=sum(sum(x.frames.chunks) * n for x, n in zip(shots, takes, strict=True)),
        delivered_frames=sum(shot.frames.delivered for shot in shots),
        seconds=sum(s * n for s, n in zip(known, takes, strict=True)) if is_known else None,
        worst_seconds=sum(s * n for s, n in zip(known, most, strict=True)) if is_known else None,
        basis=basis,
    )


def time_words(seconds: float) -> str:
    """Write a time: `40 s`, `12 min`, `3.5 h`."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
