"""How a render is shared out among tasks: groups of shots that go on from each other."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from facekit.errors import OutputExists, UsageError
from facekit.generation.storyboard_shot import ShotPlan
from facekit.workflows.device import AUTO
from facekit.workflows.render import plan_render
from facekit.workflows.render_state import ShotState

__all__ = ["EMIT_KINDS", "EmitPlan", "plan_emit"]

EMIT_KINDS = ("slurm", "openjd")
_MAX_TASKS = 1000
"""Slurm's arrays end there unless an administrator allows more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EmitPlan:
    """Job files that will be written."""

    kind: str
    board: Path
    project: str
    out_dir: Path
    to: Path
    tasks: tuple[tuple[str, ...], ...]
    """Names of the shots of each."""
    device: str
    only: tuple[str, ...] = ()
    """What was asked for; all when empty."""
    weights: tuple[Path, ...] = ()
    photos: Mapping[str, str] = field(default_factory=dict)
    """Where photos are: member -> folder."""

    def describe(self) -> str:
        """What for, where, and how much each task does."""
        shots = [len(task) for task in self.tasks]
        return "\n".join(
            [
                f"board: {self.board} ({self.project})",
                f"job files: {self.kind}, in {self.to}",
                f"tasks: {len(shots)} with {sum(shots)} shots, {max(shots)} in the longest, and one"
                " that comes last",
                f"device: {self.device}, "
                + ("no graphics card" if self.device == "cpu" else "a graphics card for each task"),
                f"out: {self.out_dir}; it, the board and all that it names must be visible to every"
                " task under the same paths",
            ]
        )

    def to_json(self) -> Mapping[str, object]:
        """The same as plain data."""
        return {
            "kind": self.kind,
            "board": str(self.board),
            "out": str(self.out_dir),
            "to": str(self.to),
            "tasks": [list(task) for task in self.tasks],
            "device": self.device,
        }


def plan_emit(
    path: Path,
    kind: str,
    to: Path | None,
    *,
    out: Path | None = None,
    device: str = AUTO,
    only: Sequence[str] = (),
    weights: Sequence[Path] = (),
    photos: Sequence[str] = (),
) -> EmitPlan:
    """Share what is missing of a board out among tasks; nothing is written.

    Args:
        path: The storyboard.
        kind: One of `EMIT_KINDS`.
        to: Folder of the job files.
        out: Folder of the renders; `renders/<project>` when None.
        device: `cpu`, or `auto` and `cuda` that ask for a graphics card for each task; this machine
            need not have one.
        only: Shots, as for `plan_render`.
        weights: Given to every task.
        photos: Where the photos of the cast are, as for `plan_render`; given to every task.

    Raises:
        UsageError: No such kind or device, no folder, or nothing is left to draw.
        OutputExists: The folder is not empty.
        StoryboardError: Mistakes of the board.
    """
    if kind not in EMIT_KINDS:
        raise UsageError(
            f"--emit {kind}: no such job files, expected one of {', '.join(EMIT_KINDS)}; correct it"
        )
    if to is None:
        raise UsageError(
            f"--emit {kind} without --to, expected a folder for the job files; add --to PATH"
        )
    if device not in (AUTO, "cpu", "cuda"):
        raise UsageError(
            f"--device {device} with --emit: the scheduler gives every task its card, expected"
            " auto, cpu or cuda; leave it away"
        )
    if to.exists() and (not to.is_dir() or any(to.iterdir())):
        raise OutputExists(
            f"{to}: exists and is not an empty folder; choose another --to, or remove it"
        )
    plan = plan_render(path, out=out, device="cpu", only=only, photos=photos)
    shots = [shot for shot in plan.board.shots if not plan.only or shot.name in plan.only]
    groups = [
        group
        for group in _connected(shots)
        if any(_is_open(plan.state.shots[name]) for name in group)
    ]
    if not groups:
        raise UsageError(
            f"{path}: every shot is there, expected some that are to be drawn; run facekit render"
            " without --emit for timelines and the report"
        )
    count = min(len(groups), _MAX_TASKS)
    shares = [groups[place::count] for place in range(count)]
    return EmitPlan(
        kind=kind,
        board=path,
        project=plan.board.board.project.id,
        out_dir=plan.board.out_dir,
        to=to,
        tasks=tuple(tuple(name for group in share for name in group) for share in shares),
        device=device,
        only=tuple(only),
        weights=tuple(weights),
        photos=plan.photos,
    )


def _connected(shots: Sequence[ShotPlan]) -> list[tuple[str, ...]]:
    """Groups of shots that go on from each other, in order of the cut."""
    group_of = {shot.name: {shot.name} for shot in shots}
    for shot in shots:
        for name in shot.depends_on:
            joined = group_of[shot.name] | group_of[name]
            group_of.update(dict.fromkeys(joined, joined))
    found = {frozenset(group_of[shot.name]): None for shot in shots}
    return [tuple(shot.name for shot in shots if shot.name in group) for group in found]


def _is_open(state: ShotState) -> bool:
    waits = bool(state.waits_for or state.decision.make)
    return waits or (state.decision.chosen is not None and not state.is_delivered)
