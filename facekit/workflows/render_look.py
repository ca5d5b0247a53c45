"""Looking at a rendered board and choosing: status, pick, the report again."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from facekit.errors import FacekitError, PresetError, RightsRefused, StoryboardError, UsageError
from facekit.generation.storyboard_checks import check_board
from facekit.generation.storyboard_loading import parse_storyboard
from facekit.generation.units import take_name, take_number
from facekit.workflows.board_cost import time_words
from facekit.workflows.board_facts import find_facts
from facekit.workflows.board_plan import RENDERS_DIR
from facekit.workflows.render_files import read_json, read_wishes, write_wishes
from facekit.workflows.render_lock import holder_of, holders_of_shots, locked
from facekit.workflows.render_outputs import deliver_shot
from facekit.workflows.render_plan import RenderPlan, find_shots, plan_render
from facekit.workflows.render_report import REPORT_DIR, ReportForm, write_sequence_report
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
    warnings: tuple[str, ...] = ()

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
        lines += [f"warning: {warning}" for warning in self.warnings]
        return "\n".join(lines)

    def to_json(self) -> Mapping[str, object]:
        """The same as plain data."""
        return {
            "out": str(self.out_dir),
            "shots": [dict(row) for row in self.rows],
            "draw_s": round(self.draw_s, 3),
            "at_work": self.at_work,
            "warnings": list(self.warnings),
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
    warnings: tuple[str, ...] = ()

    def describe(self) -> str:
        """Its path, and what is to be known of it."""
        return "\n".join([str(self.report), *(f"warning: {told}" for told in self.warnings)])

    def to_json(self) -> Mapping[str, object]:
        """The same as plain data."""
        return {"report": str(self.report), "warnings": list(self.warnings)}


def render_status(path: Path, *, out: Path | None = None) -> RenderStatus:
    """Say how far a board is; nothing is written or loaded.

    Presets that must not be used any more hide nothing. Where one is not here, it is told what was
    finished when the board was rendered last.

    Raises:
        StoryboardError: Mistakes of the board, or nothing is finished and a preset is not here.
        RenderError: The records of the folder are damaged.
    """
    try:
        plan = plan_render(path, out=out, device="cpu", needs_right=False)
    except (StoryboardError, PresetError, RightsRefused) as error:
        return _last_status(path, out, error)
    board = plan.board
    return RenderStatus(
        out_dir=board.out_dir,
        rows=shot_rows(plan.state),
        draw_s=drawn_seconds(list(plan.state.shots.values())),
        at_work=_at_work(board.out_dir),
        warnings=board.looked_at,
    )


def _last_status(path: Path, out: Path | None, error: FacekitError) -> RenderStatus:
    """How far a board was when it was rendered last; raises the error where that is not told."""
    out_dir, manifest = _last_render(path, out)
    if not manifest:
        raise error
    return RenderStatus(
        out_dir=out_dir,
        rows=manifest["shots"],
        draw_s=float(manifest["draw_s_of_all_runs"]),
        at_work=_at_work(out_dir),
        warnings=(f"as it was finished {manifest['finished']}, for now: {error}",),
    )


def _last_render(path: Path, out: Path | None) -> tuple[Path, Mapping[str, Any]]:
    """Where a board is rendered, and what was told of it; empty where the board is the mistake."""
    located = parse_storyboard(path)
    found = find_facts(located, looking=True)
    others = {*located.mistakes, *check_board(located), *found.mistakes} - set(found.refused)
    if located.board is None or not found.refused or others:
        return path, {}
    out_dir = out or RENDERS_DIR / located.board.project.id
    return out_dir, read_json(out_dir / "manifest.json") or {}


def _at_work(out_dir: Path) -> str | None:
    at_work = holder_of(out_dir)
    if at_work is None and (part := holders_of_shots(out_dir)) is not None:
        at_work = f"{part[1]}, on {part[0].parent.name}"
    return at_work


def pick_take(
    path: Path,
    shot: str,
    take: str,
    *,
    out: Path | None = None,
    use: str = "",
    territory: Sequence[str] = (),
) -> PickedTake:
    """Choose the take that is delivered, whatever the gates say.

    Args:
        path: The storyboard.
        shot: Its name, or its id where that is one shot.
        take: Such as `t02`.
        out: Folder of the renders.
        use: What for, as for `plan_render`, like the next.
        territory: Where it is shown.

    Raises:
        UsageError: No such shot or take.
        RenderBusy: The board is being rendered.
    """
    plan = plan_render(path, out=out, device="cpu", use=use, territory=territory)
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
    use: str = "",
    territory: Sequence[str] = (),
) -> RenderPlan:
    """Plan further takes of shots, each with the next seed.

    Raises:
        UsageError: No such shot.
    """
    return plan_render(
        path,
        out=out,
        device=device,
        only=shots,
        retake=dict.fromkeys(shots, takes),
        use=use,
        territory=territory,
    )


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
    try:
        plan = plan_render(path, out=out, device="cpu", needs_right=False)
    except (StoryboardError, PresetError, RightsRefused) as error:
        out_dir, manifest = _last_render(path, out)
        there = out_dir / REPORT_DIR / "index.html"
        if not manifest or not there.is_file() or (form is not None and form.folder is not None):
            raise
        told = f"the one of {manifest['finished']}, not written again, for now: {error}"
        return WrittenReport(report=there, warnings=(told,))
    if not any(one.is_drawn for shot in plan.state.shots.values() for one in shot.takes):
        raise UsageError(
            f"{path}: no take in {plan.board.out_dir} yet, expected some to report on;"
            f" run: facekit render {path}"
        )
    with locked(plan.board.out_dir):
        manifest = read_json(plan.board.out_dir / "manifest.json") or {}
        report = write_sequence_report(plan.state, shot_rows(plan.state), manifest, form)
    return WrittenReport(report=report, warnings=plan.board.looked_at)
