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
from facekit.errors import GateFailed, UsageError
from facekit.generation.units import take_name
from facekit.types import Progress
from facekit.weights import file_digest
from facekit.workflows.backbone import backbone_spec
from facekit.workflows.board_cost import time_words
from facekit.workflows.board_plan import BoardPlan, plan_board
from facekit.workflows.device import AUTO, choose_device
from facekit.workflows.render_calibration import read_calibration
from facekit.workflows.render_crew import Crew, InProcess, hire
from facekit.workflows.render_draw import Studio
from facekit.workflows.render_files import Wishes, read_wishes, write_json, write_wishes
from facekit.workflows.render_jobs import MadeTake
from facekit.workflows.render_judge import JudgePlan, plan_judge
from facekit.workflows.render_lock import locked
from facekit.workflows.render_outputs import deliver_shot, write_timelines
from facekit.workflows.render_report import write_sequence_report
from facekit.workflows.render_rights import (
    BoardRights,
    board_rights,
    note_shot,
    open_board_ledger,
)
from facekit.workflows.render_state import BoardState, ShotState, drawn_seconds

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


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class RenderPlan:
    """What will be rendered, and how far it is."""

    board: BoardPlan
    judge: JudgePlan
    device: torch.device
    only: frozenset[str]
    """Names of the shots that are worked on; all when empty."""
    wishes: Wishes
    """As they are kept when the work begins."""
    state: BoardState
    rights: BoardRights
    """By what right its characters are used."""
    warnings: tuple[str, ...]

    def describe(self) -> str:
        """The board, how far it is and what it still costs."""
        board = self.board
        words = [state.word for state in self.state.shots.values()]
        lines = [
            f"board: {board.path} ({board.board.project.id})",
            f"backbone: {board.recipe.base.name}, {board.recipe.base.source or 'its own weights'}",
            f"device: {board.device}",
            f"judged by: {self.judge.encoder or 'nobody'}"
            + ("" if self.judge.p05 else ", by its own threshold: not calibrated"),
            f"out: {board.out_dir}",
            f"shots: {len(words)}, {_told(words)}",
            board.cost.describe(),
            *self.rights.describe(),
        ]
        if self.only:
            lines.append(f"only: {', '.join(sorted(self.only))}")
        lines += [f"warning: {warning}" for warning in self.warnings]
        return "\n".join(lines)

    def to_json(self) -> Mapping[str, object]:
        """The plan of the board, and what of it is done."""
        return {
            **self.board.to_json(),
            "judge": self.judge.to_json(),
            "only": sorted(self.only),
            "state": {name: state.word for name, state in self.state.shots.items()},
            "permits": [told.removeprefix("right: ") for told in self.rights.describe()],
            "warnings": list(self.warnings),
        }


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
            f"made: {self.made} takes in {time_words(self.took_s)},"
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


def plan_render(
    path: Path,
    *,
    out: Path | None = None,
    device: str = AUTO,
    only: Sequence[str] = (),
    retake: Mapping[str, int] | None = None,
    needs_right: bool = True,
) -> RenderPlan:
    """Look at a board and at what is rendered of it; nothing is written.

    Args:
        path: The storyboard.
        out: Folder of the renders; `renders/<project>` when None.
        device: Where it is drawn, as for `choose_device`.
        only: Shots to work on, by their names or ids, and those that they go on from; all when
            empty.
        retake: Shot -> further takes that are made in any case.
        needs_right: False where the board is looked at and nothing is made of it.

    Raises:
        StoryboardError: Mistakes of the board.
        UsageError: No such shot or device; the encoder that trained would judge; or a board that
            this version cannot draw.
        RenderError: The records of the folder are damaged.
        ConsentRefused: A person has not agreed to this, or no longer.
    """
    board = plan_board(path, device=device, out=out)
    _check_drawable(board)
    floor, p05 = read_calibration(board.out_dir)
    judge = plan_judge(
        {person.id: person.file for shot in board.shots for person in shot.characters},
        floor=floor,
        p05=p05,
    )
    wishes = read_wishes(board.out_dir)
    state = BoardState(board, judge, wishes)
    if retake:
        takes = dict(wishes.takes)
        for said, count in retake.items():
            for name in find_shots(board, [said]):
                there = max((take.number for take in state.shots[name].takes), default=0)
                takes[name] = max(there, len(state.shots[name].shot.seeds)) + count
        picks = {name: take for name, take in wishes.picks.items() if name not in takes}
        wishes = Wishes(takes=takes, picks=picks)
        state = BoardState(board, judge, wishes)
    named = find_shots(board, only)
    by_name = {shot.name: shot for shot in board.shots}
    wanted, todo = set(named), list(named)
    while todo:
        before = [name for name in by_name[todo.pop()].depends_on if name not in wanted]
        wanted.update(before)
        todo += before
    rights = board_rights(board, wanted, check=needs_right)
    return RenderPlan(
        board=board,
        judge=judge,
        device=choose_device(device),
        only=frozenset(wanted),
        wishes=wishes,
        state=state,
        rights=rights,
        warnings=(*board.warnings, *judge.warnings, *rights.warnings, *_media_warnings(board)),
    )


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
        FacekitError: Weights or characters that do not fit.
    """
    begun = time.perf_counter()
    board = plan.board
    with locked(board.out_dir):
        if plan.wishes != read_wishes(board.out_dir):
            write_wishes(board.out_dir, plan.wishes)
        if crew is None and studio is not None:
            crew = InProcess(studio)
        crew = crew or hire(workers, board.recipe, plan.device, plan.judge)
        try:
            run = _Run(plan, crew, progress)
            run.all_shots()
        finally:
            crew.close()
        rows = shot_rows(run.state)
        timelines, notes = write_timelines(board)
        if run.ledger.closed:
            notes = (*notes, f"not in the ledger of use: {run.ledger.closed}")
        took_s = time.perf_counter() - begun
        manifest = _manifest(plan, run, rows, took_s)
        write_json(board.out_dir / "manifest.json", manifest)
        report = write_sequence_report(run.state, rows, manifest)
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


class _Run:
    """The loop: ask what every shot needs, hand it out, look again."""

    def __init__(self, plan: RenderPlan, crew: Crew, progress: Progress) -> None:
        self.plan, self.crew, self.progress = plan, crew, progress
        self.state = BoardState(plan.board, plan.judge, plan.wishes)
        self.ledger = open_board_ledger(plan.rights)
        self.draw_s = self.other_s = 0.0
        self.made = 0
        self.stopped = ""
        self._in_flight: set[tuple[str, int]] = set()
        limit = plan.board.board.gates.budget.minutes
        self._budget_s = None if limit is None else limit * 60
        self._spent_s = drawn_seconds(list(self.state.shots.values()))

    def all_shots(self) -> None:
        """Work until nothing is left to do."""
        for state in self.state.shots.values():
            if state.is_delivered and (not self.plan.only or state.shot.name in self.plan.only):
                self._note(state)  # a kill may have come before its line
        self.progress.start(self._num_left(), "shots")
        while True:
            if not self.stopped:
                self._hand_out()
            if not self._in_flight:
                break
            for made in self.crew.collect():
                self._take_in(made)
        self.progress.finish()

    def _hand_out(self) -> None:
        for name in [shot.name for shot in self.plan.board.making_order]:
            state = self.state.shots[name]
            if self.plan.only and name not in self.plan.only:
                continue
            for number in state.decision.make:
                if (name, number) not in self._in_flight:
                    self._in_flight.add((name, number))
                    self.crew.submit(self.state.job(state, number))
            chosen = state.decision.chosen
            if chosen is None or state.is_delivered or self._is_in_flight(name):
                continue
            begun = time.perf_counter()
            deliver_shot(state, self.plan.board)
            self._note(state)
            self._refresh(name)
            self.other_s += time.perf_counter() - begun
            if chosen.verdict == "fail" and state.shot.gates.on_fail == "stop":
                self.stopped = f"{name} failed ({state.decision.reason}) and on_fail is stop"
                return

    def _note(self, state: ShotState) -> None:
        note_shot(state, self.plan.board, self.plan.rights, self.ledger)

    def _take_in(self, made: MadeTake) -> None:
        name = made.job.shot.name
        self._in_flight.discard((name, made.job.number))
        self.draw_s += made.draw_s
        self.other_s += made.other_s
        self._spent_s += made.draw_s
        self.made += made.draw_s > 0  # else it was there, and only judged anew
        self._refresh(name)
        told = self.state.shots[name]
        verdict = next((x.verdict for x in told.takes if x.number == made.job.number), "?")
        is_last = _is_decided(told) and not self._is_in_flight(name)
        self.progress.advance(int(is_last), f"{made.job.name} {verdict}")

    def _refresh(self, name: str) -> None:
        may_retake = self._budget_s is None or self._spent_s < self._budget_s
        self.state.refresh(may_retake=may_retake, only=frozenset([name]))

    def _is_in_flight(self, name: str) -> bool:
        return any(shot == name for shot, _ in self._in_flight)

    def _num_left(self) -> int:
        names = self.plan.only or frozenset(self.state.shots)
        return sum(not _is_decided(self.state.shots[name]) for name in names)


def _is_decided(state: ShotState) -> bool:
    return not state.waits_for and not state.decision.make


def shot_rows(state: BoardState) -> list[dict[str, object]]:
    """One row per shot in order of the cut: for the table, the report and programs."""
    rows: list[dict[str, object]] = []
    for shot in state.plan.shots:
        here = state.shots[shot.name]
        chosen = here.decision.chosen
        rows.append(
            {
                "name": shot.name,
                "sequence": shot.sequence,
                "shot": shot.shot,
                "aspect": shot.aspect,
                "verdict": here.word,
                "take": take_name(chosen.number) if chosen else "",
                "takes": len(here.takes),
                "likeness": chosen.score if chosen else None,
                "requested": shot.frames.asked,
                "delivered": shot.frames.cut,
                "drawn": shot.frames.drawn,
                "draw_s": round(drawn_seconds([here]), 3),
                "characters": " ".join(person.id for person in shot.characters),
                "goes_on_from": " ".join(shot.depends_on),
                "reason": here.decision.reason,
                "prompt": shot.prompt,
            }
        )
    return rows


def find_shots(board: BoardPlan, said: Sequence[str]) -> tuple[str, ...]:
    """Find shots by name, by id (in every aspect), or by sequence and id.

    Raises:
        UsageError: There is no such shot.
    """
    found: dict[str, None] = {}
    for text in said:
        own = [
            shot.name
            for shot in board.shots
            if text in (shot.name, shot.shot, f"{shot.sequence}/{shot.shot}", shot.sequence)
        ]
        if not own:
            known = ", ".join(shot.name for shot in board.shots[:8])
            more = ", ..." if len(board.shots) > 8 else ""
            raise UsageError(
                f"{text}: no such shot on {board.path}, expected one of {known}{more}; correct it"
            )
        found.update(dict.fromkeys(own))
    return tuple(found)


def _check_drawable(board: BoardPlan) -> None:
    spec = backbone_spec(board.recipe)
    if spec.family.needs_picture:
        raise UsageError(
            f"{board.path}: {spec.name} begins every clip with a picture, expected a backbone that"
            " draws from text; choose another engine.base"
        )
    for shot in board.shots:
        if shot.last_frame is not None:
            raise UsageError(
                f"{shot.name}: last_frame is pinned, and {spec.name} ends with no given picture;"
                " leave it away"
            )


def _media_warnings(board: BoardPlan) -> list[str]:
    deliver = board.board.deliver
    told = []
    if deliver.mezzanine != "none" or deliver.frames != "none" or deliver.size is not None:
        told.append(
            "deliver: this version writes the H.264 copy in the size that is drawn; mezzanine,"
            " frames and size wait"
        )
    return told


def _told(words: Sequence[str]) -> str:
    counts = {word: words.count(word) for word in dict.fromkeys(words)}
    return ", ".join(f"{count} {word}" for word, count in counts.items())


def _manifest(
    plan: RenderPlan, run: _Run, rows: Sequence[Mapping[str, object]], took_s: float
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
        "draw_s_of_all_runs": round(drawn_seconds(list(run.state.shots.values())), 3),
        "made": run.made,
        "shots": [dict(row) for row in rows],
        "cost": dataclasses.asdict(board.cost),
    }
