"""The report of a rendered board: its page, the same as JSON, and a table of the shots."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from facekit.evaluation.sequence_content import SequenceContent, SequenceCost, SequenceShot
from facekit.evaluation.sequence_json import sequence_json
from facekit.evaluation.sequence_page import build_sequence_page
from facekit.evaluation.sequence_pictures import allowance
from facekit.media.files import write_text
from facekit.workflows.render_files import write_json
from facekit.workflows.render_outputs import write_table
from facekit.workflows.render_report_people import gather_character
from facekit.workflows.render_report_shots import gather_shot, identity_of, relative
from facekit.workflows.render_state import BoardState

__all__ = ["MAX_MB", "REPORT_DIR", "ReportForm", "write_sequence_report"]

MAX_MB = 12.0
"""Of the page, in units of a million bytes; mail takes so much."""
REPORT_DIR = "report"
_SETTINGS = ("device", "facekit", "python", "torch", "finished")
_AT_HOME = ("host",)
"""What a published page leaves out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportForm:
    """How large the page is, and for whom."""

    max_mb: float = MAX_MB
    """Pictures are made smaller until the page fits."""
    folder: Path | None = None
    """Where it goes; None writes into the renders, with ways to the files there. A page that goes
    elsewhere has no such ways, and names no folder and no machine."""


def write_sequence_report(
    state: BoardState,
    rows: Sequence[Mapping[str, object]],
    manifest: Mapping[str, object],
    form: ReportForm | None = None,
) -> Path:
    """Write `index.html`, `report.json` and `shots.csv`.

    Args:
        state: Of the board.
        rows: One per shot, in order of the cut.
        manifest: Of the last render; empty where none has finished.
        form: How; the defaults when None.

    Raises:
        OutputError: They cannot be written.
        MediaError: A take cannot be read.
    """
    form = form or ReportForm()
    folder = form.folder or state.plan.out_dir / REPORT_DIR
    write_table(folder / "shots.csv", rows)
    content = _gather(state, manifest, form, folder)
    told = manifest if form.folder is None else _without_places(manifest)
    write_json(folder / "report.json", sequence_json(content, rows, told))
    path = folder / "index.html"
    write_text(path, build_sequence_page(content))
    return path


def _gather(
    state: BoardState, manifest: Mapping[str, object], form: ReportForm, folder: Path
) -> SequenceContent:
    plan = state.plan
    at_home = None if form.folder is not None else folder
    most_bytes = allowance(round(1e6 * form.max_mb), len(plan.shots), len(plan.board.cast))
    shots: list[SequenceShot] = []
    film_s: dict[str, float] = {}
    for shot in plan.shots:
        begins_s = film_s.get(shot.aspect, 0.0)
        film_s[shot.aspect] = begins_s + shot.frames.seconds
        here = state.shots[shot.name]
        shots.append(gather_shot(here, state.judge, begins_s, most_bytes, at_home))
    measured = [identity_of(here) for here in state.shots.values()]
    floors = [float(str(one["floor"])) for one in measured if "floor" in one]
    title = plan.board.project.title or plan.board.project.id
    settings = {
        "board": str(plan.path) if at_home else plan.path.name,
        "backbone": f"{plan.recipe.base.name} {plan.shots[0].backbone[:12]}",
        **{
            key: str(manifest[key])
            for key in (*(_AT_HOME if at_home else ()), *_SETTINGS)
            if key in manifest
        },
    }
    return SequenceContent(
        title=title,
        project=plan.board.project.id,
        sequences={
            each.id: f"{each.id}, {each.title}" if each.title else each.id
            for each in plan.board.sequences
        },
        shots=shots,
        characters=[gather_character(name, state, shots) for name in plan.board.cast],
        cost=_cost(state, shots, manifest),
        floor=max(floors, default=None),
        is_calibrated=state.judge.floor is not None,
        encoder=state.judge.encoder,
        settings=settings,
        links=_links(state, folder) if at_home else {},
        notes=state.judge.warnings,
    )


def _links(state: BoardState, folder: Path) -> dict[str, str]:
    timelines = sorted((state.plan.out_dir / "timeline").glob("*.*"))
    tables = [folder / "shots.csv", folder / "report.json"]
    return {path.name: relative(path, folder) for path in [*timelines, *tables]}


def _cost(
    state: BoardState, shots: Sequence[SequenceShot], manifest: Mapping[str, object]
) -> SequenceCost:
    takes = [(state.shots[shot.name], take) for shot in shots for take in shot.takes]
    asked = [take for _, take in takes if not take.is_retake]
    forecast = manifest.get("cost")
    told = forecast if isinstance(forecast, Mapping) else {}
    return SequenceCost(
        delivered_s=sum(take.draw_s for _, take in takes if take.is_chosen),
        wasted_s=sum(take.draw_s for _, take in takes if not take.is_chosen),
        retakes=len(takes) - len(asked),
        asked_s=sum(take.draw_s for take in asked),
        asked_takes=len(asked),
        estimate_s=_seconds(told.get("seconds")),
        estimate_takes=int(str(told.get("takes", 0))),
        worst_s=_seconds(told.get("worst_seconds")),
        basis=str(told.get("basis", "no render has finished")),
        made=int(str(manifest.get("made", 0))),
        took_s=_seconds(manifest.get("took_s")),
        run_draw_s=_seconds(manifest.get("draw_s")),
    )


def _seconds(value: object) -> float | None:
    return None if value is None else float(str(value))


def _without_places(manifest: Mapping[str, object]) -> dict[str, object]:
    """Leave out of a record what tells the machine and its folders."""
    told = {key: value for key, value in manifest.items() if key not in _AT_HOME}
    board, judge = told.get("board"), told.get("judge")
    if isinstance(board, Mapping):
        told["board"] = {**board, "path": Path(str(board.get("path", ""))).name}
    if isinstance(judge, Mapping):
        told["judge"] = {key: value for key, value in judge.items() if key != "photos"}
    return told
