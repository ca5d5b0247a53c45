"""A board in, a sequence out: every shot drawn, judged, drawn again where it fails, delivered."""

import dataclasses
import platform
import socket
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import torch

import facekit
from facekit.errors import GateFailed
from facekit.types import Progress
from facekit.weights import file_digest
from facekit.workflows.board_cost import counted, time_words
from facekit.workflows.render_crew import Crew, InProcess, hire
from facekit.workflows.render_draw import Studio
from facekit.workflows.render_files import read_wishes, write_json, write_wishes
from facekit.workflows.render_lock import locked
from facekit.workflows.render_loop import RenderLoop
from facekit.workflows.render_media import check_media
from facekit.workflows.render_outputs import write_timelines
from facekit.workflows.render_plan import RenderPlan, find_shots, plan_render
from facekit.workflows.render_report import write_sequence_report
from facekit.workflows.render_rows import shot_rows
from facekit.workflows.render_state import drawn_seconds

__all__ = [
    "MANIFEST_SCHEMA",
    "RenderPlan",
    "RenderResult",
    "find_shots",
    "plan_render",
    "run_render",
    "shot_rows",
]

MANIFEST_SCHEMA = "facekit.render/1"


@dataclass(slots=True, kw_only=True)
class RenderResult:
    """What was rendered."""

    out_dir: Path
    rows: Sequence[Mapping[str, object]]
    """One per shot."""
    report: Path
    timelines: Sequence[Path]
    notes: Sequence[str]
    draw_s: float
    other_s: float
    took_s: float
    stopped: str = ""
    made: int = 0
    """Takes that this run has made."""
    words: Mapping[str, int] = field(default_factory=dict)

    @property
    def exit_code(self) -> int:
        """5 when a shot misses its gates or cannot be drawn, else 0."""
        return GateFailed.exit_code if self.words.get("fail") else 0

    def describe(self) -> str:
        """Shots that do not simply pass, then what all cost and where it lies."""
        lines = [
            f"{row['name']}: {row['verdict']}, {row['take'] or 'no take'} ({row['reason']})"
            for row in self.rows
            if row["verdict"] != "pass"
        ]
        words = ", ".join(f"{count} {word}" for word, count in self.words.items())
        lines.append(f"shots: {len(self.rows)}, {words}")
        lines.append(
            f"made: {counted(self.made, 'take')} in {time_words(self.took_s)},"
            f" {time_words(self.draw_s)} of it drawing"
        )
        if self.stopped:
            lines.append(f"stopped: {self.stopped}")
        lines += [f"note: {note}" for note in self.notes]
        return "\n".join([*lines, f"report: {self.report}"])

    def to_json(self) -> Mapping[str, object]:
        """The same as plain data."""
        return {
            "out": str(self.out_dir),
            "report": str(self.report),
            "timelines": [str(path) for path in self.timelines],
            "shots": [dict(row) for row in self.rows],
            "verdicts": dict(self.words),
            "made": self.made,
            "draw_s": round(self.draw_s, 3),
            "other_s": round(self.other_s, 3),
            "took_s": round(self.took_s, 3),
            "stopped": self.stopped or None,
            "notes": list(self.notes),
        }


def run_render(
    plan: RenderPlan,
    progress: Progress,
    *,
    crew: Crew | None = None,
    studio: Studio | None = None,
    workers: int = 1,
) -> RenderResult:
    """Make what is missing, and write what a finished board leaves.

    What is finished is never made again, so after a kill the same call goes on.

    Args:
        plan: What to render.
        progress: Counts the takes.
        crew: Who makes the takes; this process when None.
        studio: Of this process, when it is loaded already.
        workers: Processes that draw; one is this process.

    Raises:
        RenderBusy: Another render is at work in the folder.
        OutputError: The folder cannot be written, or the disk is full; what is finished stays.
        LedgerDamaged: The ledger does not hold, and a person is in the shots.
        WorkerLost: A take has ended several workers.
        PackageMissing: The board asks for a kind of file that a missing package writes.
        FacekitError: Weights or characters that do not fit.
    """
    begun = time.perf_counter()
    board = plan.board
    check_media(board.board.deliver)
    with locked(board.out_dir):
        # as they are now: somebody may have picked a take since the plan was made
        kept = read_wishes(board.out_dir)
        wishes = kept.with_takes(plan.retake).with_photos(plan.photos)
        if wishes != kept:
            write_wishes(board.out_dir, wishes)
        plan = dataclasses.replace(plan, wishes=wishes)
        if crew is None and studio is not None:
            crew = InProcess(studio)
        crew = crew or hire(workers, board.recipe, plan.device, plan.judge)
        try:
            run = RenderLoop(plan, crew, progress)
            run.all_shots()
        finally:
            crew.close()
        rows = shot_rows(run.state)
        with run.timed("timelines"):
            timelines, notes = write_timelines(board)
        if run.ledger.closed:
            notes = (*notes, f"not in the ledger of use: {run.ledger.closed}")
        with run.timed("report"):
            told = _manifest(plan, run, rows, time.perf_counter() - begun)
            report = write_sequence_report(run.state, rows, told)
        took_s = time.perf_counter() - begun
        write_json(board.out_dir / "manifest.json", _manifest(plan, run, rows, took_s))
    words: dict[str, int] = {}
    for row in rows:
        words[str(row["verdict"])] = words.get(str(row["verdict"]), 0) + 1
    return RenderResult(
        out_dir=board.out_dir,
        rows=rows,
        report=report,
        timelines=timelines,
        notes=notes,
        draw_s=run.draw_s,
        other_s=run.other_s,
        took_s=time.perf_counter() - begun,
        stopped=run.stopped,
        made=run.made,
        words=words,
    )


def _manifest(
    plan: RenderPlan, run: RenderLoop, rows: Sequence[Mapping[str, object]], took_s: float
) -> dict[str, object]:
    board = plan.board
    return {
        "schema": MANIFEST_SCHEMA,
        "project": board.board.project.id,
        "board": {"path": str(board.path), "sha256": file_digest(board.path)},
        "backbone": {"name": board.recipe.base.name, "digest": board.shots[0].backbone},
        "characters": {
            person.id: person.digest for shot in board.shots for person in shot.characters
        },
        "judge": plan.judge.to_json(),
        "host": socket.gethostname(),
        "device": board.device,
        "facekit": facekit.__version__,
        "python": platform.python_version(),
        "torch": torch.__version__,
        "finished": datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S UTC"),
        "took_s": round(took_s, 3),
        "draw_s": round(run.draw_s, 3),
        "other_s": round(run.other_s, 3),
        "other_s_by_part": {name: round(value, 3) for name, value in run.parts.items()},
        "draw_s_of_all_runs": round(drawn_seconds(list(run.state.shots.values())), 3),
        "made": run.made,
        "shots": [dict(row) for row in rows],
        "cost": dataclasses.asdict(board.cost),
    }
