"""A part of a board: some shots drawn, judged and delivered while others draw the others.

Timelines and the report belong to the last render, that finds all parts there.
"""

import dataclasses
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from facekit.errors import UsageError
from facekit.types import Progress
from facekit.workflows.board_cost import counted, time_words
from facekit.workflows.render_crew import Crew, hire
from facekit.workflows.render_files import read_wishes
from facekit.workflows.render_lock import locked_shots
from facekit.workflows.render_loop import RenderLoop
from facekit.workflows.render_plan import RenderPlan
from facekit.workflows.render_rows import shot_rows

__all__ = ["PartResult", "run_part"]

_WAIT_S = 240.0
"""A task that a scheduler begins anew waits until the lock of the lost one is silent enough."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class PartResult:
    """What a part has made. A missed gate is no failure of it: the last render tells that."""

    out_dir: Path
    rows: Sequence[Mapping[str, object]]
    """One per shot of the part."""
    made: int
    """Takes that this run has made."""
    draw_s: float
    took_s: float
    stopped: str = ""

    def describe(self) -> str:
        """A line per shot, then what all cost and what is to be done."""
        lines = [
            f"{row['name']}: {row['verdict']}, {row['take'] or 'no take'} ({row['reason']})"
            for row in self.rows
        ]
        lines.append(
            f"made: {counted(self.made, 'take')} in {time_words(self.took_s)},"
            f" {time_words(self.draw_s)} of it drawing"
        )
        if self.stopped:
            lines.append(f"stopped: {self.stopped}")
        lines.append("next: facekit render without --part, when all parts are done")
        return "\n".join(lines)

    def to_json(self) -> Mapping[str, object]:
        """The same as plain data."""
        return {
            "out": str(self.out_dir),
            "shots": [dict(row) for row in self.rows],
            "made": self.made,
            "draw_s": round(self.draw_s, 3),
            "took_s": round(self.took_s, 3),
            "stopped": self.stopped or None,
        }


def run_part(
    plan: RenderPlan, progress: Progress, *, crew: Crew | None = None, workers: int = 1
) -> PartResult:
    """Make what is missing of some shots; other processes may make other shots at the same time.

    Args:
        plan: What to render; it names its shots.
        progress: Counts the takes.
        crew: Who makes the takes; this process when None.
        workers: Processes that draw; one is this process.

    Raises:
        UsageError: The plan names no shots.
        RenderBusy: Another render is at work on one of them, or on the whole board.
        OutputError: The folder cannot be written, or the disk is full; what is finished stays.
        WorkerLost: A take has ended several workers.
        FacekitError: Weights or characters that do not fit.
    """
    begun = time.perf_counter()
    board = plan.board
    if not plan.only:
        raise UsageError(
            f"{board.path}: --part without --only, expected the shots of this part; name them with"
            " --only"
        )
    folders = [board.out_dir / shot.folder for shot in board.shots if shot.name in plan.only]
    with locked_shots(board.out_dir, folders, wait_s=_WAIT_S):
        plan = dataclasses.replace(plan, wishes=read_wishes(board.out_dir))  # it may have waited
        crew = crew or hire(workers, board.recipe, plan.device, plan.judge)
        try:
            run = RenderLoop(plan, crew, progress, is_part=True)
            run.all_shots()
        finally:
            crew.close()
        rows = [row for row in shot_rows(run.state) if row["name"] in plan.only]
    return PartResult(
        out_dir=board.out_dir,
        rows=rows,
        made=run.made,
        draw_s=run.draw_s,
        took_s=time.perf_counter() - begun,
        stopped=run.stopped,
    )
