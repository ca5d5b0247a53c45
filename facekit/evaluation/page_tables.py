"""The tables of a report page."""

from html import escape

from facekit.evaluation.metrics import YAW_STRATA_DEG
from facekit.evaluation.page_parts import (
    NOTHING,
    Cell,
    PageContent,
    chip,
    figure_text,
    gate_text,
    number,
    section,
    share_text,
    strong,
    table,
    text,
)
from facekit.evaluation.scores import ShotScores
from facekit.evaluation.words import WORDINGS, format_figure, wording

__all__ = ["all_figures", "gates", "prompts", "settings", "shots"]


def prompts(content: PageContent) -> str:
    """Write what prompts ask for, and how often it is shown; empty when no probe was there."""
    scores = content.scores
    if not scores.adherence:
        return ""
    rows = []
    for name, share in scores.adherence.items():
        base = scores.base_adherence.get(name)
        mark = "" if base is None else f'<u style="left:{100 * base:.0f}%"></u>'
        meter = f'<div class="meter"><i style="width:{100 * share:.0f}%"></i>{mark}</div>'
        rows.append(
            (
                strong(name.replace("_", " ")),
                Cell(html=meter, style="broad"),
                number(f"{100 * share:.0f} %"),
                number(NOTHING if base is None else f"{100 * base:.0f} %"),
            )
        )
    head = (text("asked for"), text(""), number("this character"), number("base model"))
    return section(
        "Does it still obey the prompt?",
        table(head, rows),
        "Share of shots that show what the prompt names. The dark mark is the base model on the "
        "same prompts and seeds, as far as it was shot.",
    )


def gates(content: PageContent) -> str:
    """Write every gate with what was measured; empty without gates."""
    if not content.gates:
        return ""
    rows = [
        (
            strong(wording(result.gate.figure).title),
            text(wording(result.gate.figure).meaning, "soft"),
            number(figure_text(content, result.gate.figure)),
            number(gate_text(result)),
            Cell(html=chip(result.verdict), style="number"),
        )
        for result in content.gates
    ]
    head = (text("figure"), text("what it means"), number("measured"), number("wanted"), text(""))
    return section("Gates", table(head, rows))


def shots(content: PageContent) -> str:
    """Write one row per shot."""
    titles = ("size", "seed", "likeness", "faces", "copying", "drift", "face motion", "off face")
    head = (text("shot"), text("prompt"), *(number(title) for title in titles))
    return section(
        "Shot by shot",
        table(head, [_shot_row(shot, content) for shot in content.scores.shots]),
        "Likeness is a share of the photos' own. Faces: frames with a usable face. Copying "
        "and drift are good when low. Face motion is against the base model on the same seed; off "
        "face is how much the rest of the picture differs from it.",
    )


def _shot_row(shot: ShotScores, content: PageContent) -> tuple[Cell, ...]:
    off = NOTHING if shot.off_face_change is None else f"{100 * shot.off_face_change:.1f} %"
    return (
        Cell(html=f"<b>{escape(shot.shot.name)}</b>", style="name"),
        text(shot.shot.prompt, "prompt"),
        number(f"{shot.shot.width} x {shot.shot.height}"),
        number(str(shot.shot.seed)),
        number(share_text(content, shot.sim_held)),
        number(f"{100 * shot.coverage:.0f} %"),
        number(_plain(shot.m_cp)),
        number(_plain(shot.drift.drop if shot.drift else None)),
        number(_share(shot.landmark_path, shot.base_landmark_path)),
        number(off),
    )


def _plain(value: float | None) -> str:
    return NOTHING if value is None else f"{value:.2f}"


def _share(value: float | None, base: float | None) -> str:
    return NOTHING if value is None or not base else f"{100 * value / base:.0f} %"


def all_figures(content: PageContent) -> str:
    """Write every figure with its key and its meaning, and likeness by head turn."""
    figures = content.scores.figures
    order = [name for name in WORDINGS if name in figures]
    order += [name for name in figures if name not in WORDINGS]
    rows = [
        (
            strong(wording(name).title),
            text(name, "code"),
            text(wording(name).meaning, "soft"),
            number(figure_text(content, name)),
        )
        for name in order
    ]
    rows += [
        (
            strong(f"Head turned {low:.0f} to {min(high, 90):.0f} degrees"),
            text(f"pose_strata {name}", "code"),
            text("Mean cosine to unseen photos, profiles included.", "soft"),
            number(format_figure("", content.scores.strata.get(name))),
        )
        for name, low, high in YAW_STRATA_DEG
    ]
    head = (text("figure"), text("key in report.json"), text("meaning"), number("value"))
    return section("Every figure", table(head, rows))


def settings(content: PageContent) -> str:
    """Write what the evaluation was made with."""
    rows = [(strong(name), text(value, "code")) for name, value in content.settings.items()]
    return section("How this was made", table((), rows)) if rows else ""
