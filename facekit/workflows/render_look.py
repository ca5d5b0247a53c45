"""Looking at a rendered board and choosing: status, pick, the report again."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from facekit.errors import UsageError
from facekit.generation.units import take_name, take_number
from facekit.workflows.board_cost import time_words
from facekit.workflows.render_files import read_json, read_wishes, write_wishes
from facekit.workflows.render_lock import holder_of, holders_of_shots, locked
from facekit.workflows.render_outputs import deliver_shot
from facekit.workflows.render_plan import RenderPlan, find_shots, plan_render
from facekit.workflows.render_report import ReportForm, write_sequence_report
from facekit.workflows.render_rights import note_shot, open_board_ledger
from facekit.workflows.render_rows import shot_rows
from facekit.workflows.render_state import BoardState, drawn_seconds

__all__ = [
    "PickedTake",
    "RenderStatus",
    "WrittenReport",
    "pick_take",
    "render_report",
    "render_status",
    "retake_plan",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class RenderStatus:
    """How far a board is."""

    out_dir: Path
    rows: Sequence[Mapping[str, object]]
    draw_s: float
    at_work: str | None
    """Who renders it just now, in words."""

    def describe(self) -> str:
        """A line per shot, then the sum."""
        lines = []
        for row in self.rows:
            likeness = f", likeness {row['likeness']:.2f}" if row["likeness"] is not None else ""
            take = f" {row['take']} of {row['takes']}{likeness}" if row["take"] else ""
            reason = "" if row["verdict"] in ("pass", "waiting", "to do") else f" ({row['reason']})"
            lines.append(f"{row['name']}: {row['verdict']}{take}{reason}")
        words = [str(row["verdict"]) for row in self.rows]
        told = ", ".join(f"{words.count(word)} {word}" for word in dict.fromkeys(words))
        lines.append(f"{self.out_dir}: {len(words)} shots, {told}; {time_words(self.draw_s)} drawn")
        if self.at_work:
            lines.append(f"at work: {self.at_work}")
        return "\n".join(lines)

    def to_json(self) -> Mapping[str, object]:
        """The same as plain data."""
        return {
            "out": str(self.out_dir),
            "shots": [dict(row) for row in self.rows],
            "draw_s": round(self.draw_s, 3),
            "at_work": self.at_work,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class PickedTake:
    """A take that somebody has chosen."""

    version: Path
    take: str
    follow: Sequence[str]
    """Shots that went on from another take and are to be made anew."""

    def describe(self) -> str:
        """The new version, and what is to be done."""
        lines = [f"{self.version}: {self.take}"]
        if self.follow:
            lines.append(
                f"next: facekit board resume, for {', '.join(self.follow)} went on from another"
                " take"
            )
        return "\n".join(lines)

    def to_json(self) -> Mapping[str, object]:
        """The same as plain data."""
        return {"version": str(self.version), "take": self.take, "follow": list(self.follow)}


@dataclass(frozen=True, slots=True, kw_only=True)
class WrittenReport:
    """A report."""

    report: Path

    def describe(self) -> str:
        """Its path."""
        return str(self.report)

    def to_json(self) -> Mapping[str, object]:
        """The same as plain data."""
        return {"report": str(self.report)}


def render_status(path: Path, *, out: Path | None = None) -> RenderStatus:
    """Say how far a board is; nothing is written or loaded.

    Raises:
        StoryboardError: Mistakes of the board.
        RenderError: The records of the folder are damaged.
    """
    plan = plan_render(path, out=out, device="cpu", needs_right=False)
    at_work = holder_of(plan.board.out_dir)
    if at_work is None and (part := holders_of_shots(plan.board.out_dir)) is not None:
        at_work = f"{part[1]}, on {part[0].parent.name}"
    return RenderStatus(
        out_dir=plan.board.out_dir,
        rows=shot_rows(plan.state),
        draw_s=drawn_seconds(list(plan.state.shots.values())),
        at_work=at_work,
    )


def pick_take(path: Path, shot: str, take: str, *, out: Path | None = None) -> PickedTake:
    """Choose the take that is delivered, whatever the gates say.

    Args:
        path: The storyboard.
        shot: Its name, or its id where that is one shot.
        take: Such as `t02`.
        out: Folder of the renders.

    Raises:
        UsageError: No such shot or take.
        RenderBusy: The board is being rendered.
    """
    plan = plan_render(path, out=out, device="cpu")
    board = plan.board
    names = find_shots(board, [shot])
    if len(names) > 1:
        raise UsageError(f"{shot}: {len(names)} shots, expected one of {', '.join(names)}; name it")
    (name,) = names
    state = plan.state.shots[name]
    number = take_number(take)
    known = {one.number for one in state.takes if one.is_drawn}
    if number is None or number not in known:
        if not known:
            raise UsageError(
                f"{take}: {name} has no takes yet, expected one to pick; run: facekit render {path}"
            )
        there = ", ".join(take_name(one) for one in sorted(known))
        raise UsageError(f"{take}: no such take of {name}, expected one of {there}; choose another")
    with locked(board.out_dir):
        ledger = open_board_ledger(plan.rights)
        wishes = read_wishes(board.out_dir).with_pick(name, number)
        write_wishes(board.out_dir, wishes)
        fresh = BoardState(board, plan.judge, wishes)
        here = fresh.shots[name]
        version = here.version if here.is_delivered else deliver_shot(here, board)
        note_shot(here, board, plan.rights, ledger)
    after = BoardState(board, plan.judge, wishes)
    follow = [
        other.name
        for other in board.shots
        if name in other.depends_on and not after.shots[other.name].is_delivered
    ]
    return PickedTake(version=version, take=take_name(number), follow=follow)


def retake_plan(
    path: Path,
    shots: Sequence[str],
    *,
    takes: int = 1,
    out: Path | None = None,
    device: str = "auto",
) -> RenderPlan:
    """Plan further takes of shots, each with the next seed.

    Raises:
        UsageError: No such shot.
    """
    return plan_render(path, out=out, device=device, only=shots, retake=dict.fromkeys(shots, takes))


def render_report(
    path: Path, *, out: Path | None = None, form: ReportForm | None = None
) -> WrittenReport:
    """Write the report of what is there.

    Args:
        path: The storyboard.
        out: Folder of the renders.
        form: How large, and where it goes; the defaults when None.

    Raises:
        UsageError: Nothing is rendered yet.
        RenderBusy: The board is being rendered.
        MediaError: A take cannot be read.
    """
    plan = plan_render(path, out=out, device="cpu", needs_right=False)
    if not any(one.is_drawn for shot in plan.state.shots.values() for one in shot.takes):
        raise UsageError(
            f"{path}: no take in {plan.board.out_dir} yet, expected some to report on;"
            f" run: facekit render {path}"
        )
    with locked(plan.board.out_dir):
        manifest = read_json(plan.board.out_dir / "manifest.json") or {}
        report = write_sequence_report(plan.state, shot_rows(plan.state), manifest, form)
    return WrittenReport(report=report)
