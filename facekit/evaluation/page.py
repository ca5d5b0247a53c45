"""The HTML of a report: one text with its style, pictures and plots inside, ready to be mailed."""

from html import escape
from importlib.resources import files

import numpy as np

from facekit.evaluation import page_tables, plots
from facekit.evaluation.face_cuts import cut_face
from facekit.evaluation.gates import tell_verdict, verdict
from facekit.evaluation.metrics import SHOT_GATE
from facekit.evaluation.page_parts import (
    CLASSES,
    PageContent,
    block,
    chip,
    figure_text,
    gate_text,
    section,
    share_text,
)
from facekit.evaluation.scores import ShotScores, Take
from facekit.evaluation.words import NOT_SCORABLE, format_figure, headline, wording
from facekit.media.embed import clip_uri, image_uri, png_uri
from facekit.types import Image

__all__ = ["NUM_WORST", "SHEET_HEIGHT_PX", "build_page"]

NUM_WORST = 8
SHEET_HEIGHT_PX = 172


def build_page(content: PageContent) -> str:
    """Return the whole page."""
    style = (files("facekit.evaluation") / "report.css").read_text(encoding="utf-8")
    title = f"{escape(content.scores.name)}: is it the same person?"
    sections = (
        _header(content, title),
        _tiles(content),
        _contact_sheet(content),
        _likeness(content),
        _curves(content),
        _worst(content),
        page_tables.prompts(content),
        page_tables.gates(content),
        page_tables.shots(content),
        page_tables.all_figures(content),
        page_tables.settings(content),
    )
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{title}</title><style>{style}</style></head><body><main>\n"
        + "\n".join(part for part in sections if part)
        + "\n</main></body></html>\n"
    )


def _header(content: PageContent, title: str) -> str:
    overall = verdict(content.gates)
    frames = sum(len(shot.statuses) for shot in content.scores.shots)
    lead = (
        f"{len(content.takes)} shots with {frames} frames, compared with photos that were never "
        "trained on, by a face encoder that took no part in training."
    )
    ratio = content.scores.figures.get("likeness_ratio")
    if ratio is not None:
        lead += f" The shots reach {100 * ratio:.0f} % of the photos' likeness among themselves."
    return (
        f'<header><div><h1>{title}</h1><p class="lead">{escape(lead)}</p></div>'
        f'<div class="verdict {CLASSES[overall]}">{tell_verdict(content.gates)}</div></header>'
    )


def _tiles(content: PageContent) -> str:
    by_figure = {result.gate.figure: result for result in content.gates}
    if "prompt_drop" in by_figure:
        by_figure.setdefault("prompt_delta", by_figure["prompt_drop"])
    tiles = []
    for figure in headline(content.scores.figures):
        value = content.scores.figures.get(figure)
        result = by_figure.get(figure)
        interval = content.intervals.get(figure)
        told = []
        if value is not None and interval is not None and interval.low is not None:
            low, high = (format_figure(figure, end) for end in (interval.low, interval.high))
            told.append(f"95 % interval {low} to {high}")
        if result is not None:
            told.append(gate_text(result))
        if figure == "xmin":
            told.append(_counted(content))
        if figure == "motion_ratio" and value is not None:
            told.append(_jitter(content))
        words = wording(figure)
        mark = chip(result.verdict) if result is not None else ""
        faded = " is-none" if value is None else ""
        tiles.append(
            f'<div class="tile"><div class="name">{escape(words.title)}{mark}</div>'
            f'<div class="value{faded}">{escape(figure_text(content, figure))}</div>'
            f'<div class="range">{escape("; ".join(told)) or "&nbsp;"}</div>'
            f'<p class="meaning">{escape(words.meaning)}</p></div>'
        )
    return f'<div class="tiles">{"".join(tiles)}</div>'


def _counted(content: PageContent) -> str:
    figures, count = content.scores.figures, len(content.scores.shots)
    counted = round((figures.get("shots_counted") or 0.0) * count)
    everything = format_figure("xmin", figures.get("xmin_ungated"))
    return f"{counted} of {count} shots count, {everything} over all"


def _jitter(content: PageContent) -> str:
    own, base = (
        format_figure(name, content.scores.figures.get(name)) for name in ("jitter", "base_jitter")
    )
    return f"jitter {own}, base model {base}"


def _contact_sheet(content: PageContent) -> str:
    rows = zip(content.takes, content.scores.shots, content.links, strict=True)
    cards = "".join(_card(take, shot, link, content) for take, shot, link in rows)
    seen = _strip("Photos it was made from", content.enrolled_photos)
    unseen = _strip("Photos kept back, never used in training", content.held_out_photos)
    return section(
        "All shots beside the photos",
        f'<div class="photos">{seen}{unseen}</div><div class="sheet">{cards}</div>',
        "The number on a shot is its likeness as a share of the photos' own. Point at a shot, tap "
        "it or go to it with the Tab key to play it; a name that is a link leads to the clip's "
        "file.",
    )


def _card(take: Take, shot: ShotScores, link: str | None, content: PageContent) -> str:
    still = take.clip.frames[take.clip.num_frames // 2]
    ratio = still.shape[1] / still.shape[0]
    grow = f"flex:{ratio:.3f} 1 {round(SHEET_HEIGHT_PX * ratio)}px"
    name = escape(shot.shot.name)
    if link is not None:
        name = f'<a href="{escape(link)}">{name}</a>'
    moving = ""
    if take.clip.num_frames > 1:
        moving = f'<img class="moving" alt="" src="{clip_uri(take.clip)}">'
    return (
        f'<figure class="shot" style="{grow}" tabindex="0">'
        f'<div class="frame" style="aspect-ratio:{ratio:.3f}">'
        f'<img alt="{escape(shot.shot.prompt)}" src="{image_uri(still)}">{moving}'
        f"{_badge(shot, content)}</div><figcaption><b>{name}</b>"
        f"seed {shot.shot.seed}</figcaption></figure>"
    )


def _strip(title: str, photos: tuple[Image, ...]) -> str:
    if not photos:
        return ""
    uris = [image_uri(photo, max_side_px=256) for photo in photos]
    pictures = "".join(f'<img alt="" src="{uri}">' for uri in uris)
    return f'<div><h3>{title}</h3><div class="strip">{pictures}</div></div>'


def _badge(shot: ShotScores, content: PageContent) -> str:
    if shot.sim_held is None or content.scores.ceiling <= 0:
        return f'<span class="badge none">{NOT_SCORABLE}</span>'
    side = "pass" if shot.sim_held / content.scores.ceiling >= _gate(content) else "fail"
    return f'<span class="badge {side}">{share_text(content, shot.sim_held)}</span>'


def _gate(content: PageContent) -> float:
    gates = (result.gate for result in content.gates)
    marks = (gate.threshold for gate in gates if gate.figure == "likeness_ratio")
    return next((mark for mark in marks if mark is not None), SHOT_GATE)


def _likeness(content: PageContent) -> str:
    scores = content.scores
    names = [shot.shot.name for shot in scores.shots]
    pair = scores.cross_shot.pair
    told = f" The least alike pair of all: {names[pair[0]]} and {names[pair[1]]}." if pair else ""
    bars = plots.likeness_bars(scores.shots, ceiling=scores.ceiling, gate=_gate(content))
    matrix = plots.similarity_matrix(scores.cross_shot.matrix_SS, names, ceiling=scores.ceiling)
    left = block(
        "Likeness of each shot",
        _plot("likeness per shot", bars),
        "Cosines to the unseen photos: bars are means, dots are frames. The ceiling is how alike "
        "the photos are among themselves; a cosine over it is the likeness.",
    )
    right = block(
        "Every shot against every shot",
        _plot("similarity matrix", matrix),
        f"Cosines of mean faces; green is the same person, red is not.{told}",
    )
    return f'<section><div class="two"><div>{left}</div><div>{right}</div></div></section>'


def _curves(content: PageContent) -> str:
    if max(len(shot.statuses) for shot in content.scores.shots) < 2:
        return ""
    fps = content.takes[0].clip.fps
    plot = plots.frame_curves(content.scores.shots, ceiling=content.scores.ceiling, fps=fps)
    return section(
        "Along each clip",
        _plot("likeness over time", plot),
        "Cosine of every frame to the unseen photos over time; the line above is the ceiling. A "
        "red cross is a frame "
        "without a face, or with one that cannot be judged (profile, too small, blurred).",
    )


def _worst(content: PageContent) -> str:
    found = []
    for take, shot in zip(content.takes, content.scores.shots, strict=True):
        if np.isfinite(shot.similarities_F).any():
            place = int(np.nanargmin(shot.similarities_F))
            found.append((float(shot.similarities_F[place]), place, take, shot))
    found.sort(key=lambda item: item[0])
    cards = "".join(
        f'<figure><img alt="" src="{image_uri(_worst_face(take, place))}"><figcaption>'
        f"<b>{escape(shot.shot.name)}</b>frame {place}: {share_text(content, value)}"
        f"{_why(shot, place)}"
        "</figcaption></figure>"
        for value, place, take, shot in found[:NUM_WORST]
    )
    if not cards:
        return ""
    return section(
        "Worst frames",
        f'<div class="worst">{cards}</div>',
        "The frame with the least likeness of each shot, worst first: look here before anywhere "
        "else.",
    )


def _worst_face(take: Take, place: int) -> Image:
    return cut_face(take.clip.frames[place], take.track.boxes_xyxy_px[place])


def _why(shot: ShotScores, place: int) -> str:
    return "" if shot.statuses[place] == "scored" else f" ({escape(shot.statuses[place])})"


def _plot(title: str, content: bytes) -> str:
    return f'<img class="plot" alt="{title}" src="{png_uri(content)}">'
