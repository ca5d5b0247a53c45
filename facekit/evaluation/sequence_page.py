"""The HTML of a rendered sequence: one text with its style and pictures inside."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from importlib.resources import files

import numpy as np

from facekit.evaluation import plots
from facekit.evaluation.metrics import CrossShot
from facekit.evaluation.page_parts import Cell, number, section, strong, table, text
from facekit.media.embed import clip_uri, image_uri, png_uri
from facekit.types import Clip, Image

__all__ = ["SequenceCharacter", "SequenceContent", "SequenceShot", "build_sequence_page"]

_SHEET_HEIGHT_PX = 150
_NUM_FIRST = 8
_CHIPS = {"pass": "pass", "fail": "fail"}
_COLORS = ("#3457d5", "#c2410c", "#0f766e", "#7c3aed", "#b45309", "#be185d")
_WIDTH, _HEIGHT = 1080, 210
"""Of the plot over the film, in units of its own drawing."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SequenceShot:
    """One shot of the cut."""

    name: str
    sequence: str
    verdict: str
    take: str
    num_takes: int
    likeness: float | None
    reason: str
    prompt: str
    begins_s: float
    """In the film of its aspect."""
    seconds: float
    draw_s: float
    clip: Clip | None
    """The delivered take as it was drawn; None where there is none."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SequenceCharacter:
    """One of the cast over all shots."""

    name: str
    shots: Sequence[str]
    """Names of its shots."""
    likeness: Sequence[float | None]
    """Mean likeness in each, to unseen photos."""
    begins_s: Sequence[float]
    cross_shot: CrossShot
    pair: tuple[Image, Image] | None
    """Faces of the least alike pair."""
    trend: float | None
    """Change of likeness from the first to the last shot, by a straight line."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SequenceContent:
    """Everything on the page."""

    title: str
    shots: Sequence[SequenceShot]
    characters: Sequence[SequenceCharacter]
    floor: float
    """Likeness below which a face is nobody of the cast."""
    settings: Mapping[str, str]
    notes: Sequence[str] = ()


def build_sequence_page(content: SequenceContent) -> str:
    """Return the whole page."""
    style = (files("facekit.evaluation") / "report.css").read_text(encoding="utf-8")
    title = escape(content.title)
    parts = [
        _header(content, title),
        _tiles(content),
        _first(content),
        *(_sequence(content, name) for name in dict.fromkeys(x.sequence for x in content.shots)),
        _over_the_film(content),
        *(_character(one, content.floor) for one in content.characters),
        _table(content),
        _settings(content),
    ]
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{title}</title><style>{style}</style></head><body><main>\n"
        + "\n".join(part for part in parts if part)
        + "\n</main></body></html>\n"
    )


def _count(content: SequenceContent, verdict: str) -> int:
    return sum(shot.verdict == verdict for shot in content.shots)


def _header(content: SequenceContent, title: str) -> str:
    failed, review = _count(content, "fail"), _count(content, "review")
    passed, total = _count(content, "pass"), len(content.shots)
    kind = "fail" if failed else "pass" if passed == total else "none"
    told = f"{passed} of {total} shots pass"
    lead = "Every shot of the sequence, judged by a face encoder that took no part in training."
    if failed or review:
        lead += f" {failed} miss a gate, {review} need somebody to look."
    return (
        f'<header><div><h1>{title}</h1><p class="lead">{escape(lead)}</p></div>'
        f'<div class="verdict {kind}">{told}</div></header>'
    )


def _tiles(content: SequenceContent) -> str:
    total = len(content.shots)
    takes = sum(shot.num_takes for shot in content.shots)
    draw_s = sum(shot.draw_s for shot in content.shots)
    film_s = sum(shot.seconds for shot in content.shots)
    pairs = [
        (one.cross_shot.xmin, one.name)
        for one in content.characters
        if one.cross_shot.xmin is not None
    ]
    least = min(pairs, default=(None, ""))
    tiles = [
        ("Shots", str(total), f"{film_s:.0f} s of cut, all aspects together"),
        ("Takes", str(takes), f"{takes - total} more than one per shot" if takes > total else ""),
        ("Drawing", f"{draw_s / 60:.1f} min", f"{draw_s / max(takes, 1):.1f} s per take"),
        (
            "Least alike pair",
            "none" if least[0] is None else f"{least[0]:.2f}",
            f"{least[1]}, cosine of the mean faces of two shots" if least[1] else "",
        ),
    ]
    return (
        '<div class="tiles">'
        + "".join(
            f'<div class="tile"><div class="name">{name}</div><div class="value">{value}</div>'
            f'<div class="range">{escape(told) or "&nbsp;"}</div></div>'
            for name, value, told in tiles
        )
        + "</div>"
    )


def _urgency(shot: SequenceShot) -> tuple[int, float]:
    order = {"fail": 0, "review": 1, "pass": 3}
    return order.get(shot.verdict, 2), 1.0 if shot.likeness is None else shot.likeness


def _first(content: SequenceContent) -> str:
    chosen = sorted(content.shots, key=_urgency)[:_NUM_FIRST]
    rows = [
        (strong(shot.name), _chip_cell(shot), number(_cosine(shot.likeness)), text(shot.reason))
        for shot in chosen
    ]
    head = (text("Shot"), text("Verdict"), number("Likeness"), text("Why"))
    note = "Shots that fail, then those that nobody could judge, then the least alike of the rest."
    return section("Look here first", table(head, rows), note)


def _sequence(content: SequenceContent, name: str) -> str:
    cards = "".join(_card(shot) for shot in content.shots if shot.sequence == name)
    note = "Point at a shot, tap it or go to it with the Tab key to play it."
    return section(name, f'<div class="sheet">{cards}</div>', note)


def _card(shot: SequenceShot) -> str:
    if shot.clip is None:
        frame = '<div class="frame" style="aspect-ratio:1"></div>'
        grow = f"flex:1 1 {_SHEET_HEIGHT_PX}px"
    else:
        still = shot.clip.frames[shot.clip.num_frames // 2]
        ratio = still.shape[1] / still.shape[0]
        grow = f"flex:{ratio:.3f} 1 {round(_SHEET_HEIGHT_PX * ratio)}px"
        moving = f'<img class="moving" alt="" src="{clip_uri(shot.clip, max_side_px=240)}">'
        frame = (
            f'<div class="frame" style="aspect-ratio:{ratio:.3f}">'
            f'<img alt="{escape(shot.prompt)}" src="{image_uri(still, max_side_px=240)}">{moving}'
            f'<span class="badge {_CHIPS.get(shot.verdict, "none")}">'
            f"{_cosine(shot.likeness)}</span></div>"
        )
    told = f"{shot.verdict}, {shot.take or 'no take'} of {shot.num_takes}"
    return (
        f'<figure class="shot" style="{grow}" tabindex="0">{frame}'
        f"<figcaption><b>{escape(shot.name)}</b>{escape(told)}</figcaption></figure>"
    )


def _over_the_film(content: SequenceContent) -> str:
    known = [
        (begin, value)
        for one in content.characters
        for begin, value in zip(one.begins_s, one.likeness, strict=True)
        if value is not None
    ]
    if len(known) < 2:
        return ""
    last = max(begin for begin, _ in known) or 1.0
    low = min(0.0, min(value for _, value in known))
    high = max(value for _, value in known) + 0.05

    def place(begin: float, value: float) -> tuple[float, float]:
        x = 50 + (_WIDTH - 70) * begin / last
        return x, _HEIGHT - 30 - (_HEIGHT - 45) * (value - low) / (high - low)

    drawn = []
    _, line = place(0.0, content.floor)
    drawn.append(
        f'<line x1="50" x2="{_WIDTH - 20}" y1="{line:.1f}" y2="{line:.1f}" stroke="#b91c1c"'
        ' stroke-dasharray="5 4"/>'
        f'<text x="{_WIDTH - 22}" y="{line - 5:.1f}" text-anchor="end" fill="#b91c1c"'
        ' font-size="12">anybody</text>'
    )
    for value in np.arange(np.ceil(low * 5) / 5, high, 0.2):
        _, y = place(0.0, float(value))
        drawn.append(
            f'<text x="8" y="{y + 4:.1f}" font-size="12" fill="#64748b">{value:.1f}</text>'
        )
    for index, one in enumerate(content.characters):
        color = _COLORS[index % len(_COLORS)]
        points = [
            place(begin, value)
            for begin, value in zip(one.begins_s, one.likeness, strict=True)
            if value is not None
        ]
        points.sort()
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
        drawn.append(f'<polyline points="{path}" fill="none" stroke="{color}" stroke-width="2"/>')
        drawn += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4" fill="{color}"/>' for x, y in points]
        drawn.append(
            f'<text x="{60 + 110 * index}" y="{_HEIGHT - 6}" font-size="13" fill="{color}">'
            f"{escape(one.name)}</text>"
        )
    svg = f'<svg class="plot" viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img">{"".join(drawn)}</svg>'
    note = (
        "Mean likeness of every shot to unseen photos, in order of the cut; below the dashed line"
        " it could be anybody."
    )
    return section("Over the film", svg, note)


def _character(one: SequenceCharacter, floor: float) -> str:
    cross = one.cross_shot
    if cross.xsim is None:
        return ""
    matrix = plots.similarity_matrix(cross.matrix_SS, one.shots, ceiling=max(floor * 1.6, 0.5))
    trend = "" if one.trend is None else f" From first to last shot it changes by {one.trend:+.2f}."
    told = f"Cosines of mean faces: {cross.xsim:.2f} on average, {cross.xmin:.2f} at least.{trend}"
    pictures = ""
    if one.pair is not None and cross.pair is not None:
        names = [one.shots[place] for place in cross.pair]
        faces = "".join(
            f'<figure><img alt="" src="{image_uri(face, max_side_px=192)}">'
            f"<figcaption><b>{escape(name)}</b></figcaption></figure>"
            for name, face in zip(names, one.pair, strict=True)
        )
        pictures = f'<h3>Least alike</h3><div class="worst">{faces}</div>'
    listed = "".join(f"<li>{escape(name)}</li>" for name in one.shots)
    body = (
        f'<div class="two"><div><img class="plot" alt="every shot against every shot"'
        f' src="{png_uri(matrix)}"></div><div>{pictures}<h3>Shots</h3>'
        f'<ol class="note">{listed}</ol></div></div>'
    )
    return section(one.name, body, told)


def _table(content: SequenceContent) -> str:
    rows = [
        (
            strong(shot.name),
            _chip_cell(shot),
            text(shot.take),
            number(str(shot.num_takes)),
            number(_cosine(shot.likeness)),
            number(f"{shot.draw_s:.1f} s"),
            text(shot.reason, "soft"),
            text(shot.prompt, "prompt"),
        )
        for shot in content.shots
    ]
    head = (
        text("Shot"),
        text("Verdict"),
        text("Take"),
        number("Takes"),
        number("Likeness"),
        number("Drawing"),
        text("Why"),
        text("Prompt"),
    )
    note = (
        "Likeness is what all but the worst twentieth of the frames of its worst character reach."
    )
    return section("All shots", table(head, rows), note)


def _settings(content: SequenceContent) -> str:
    rows = [(text(name, "name"), text(value, "code")) for name, value in content.settings.items()]
    told = "".join(f'<p class="note">{escape(note)}</p>' for note in content.notes)
    return section("How it was made", told + table((), rows))


def _chip_cell(shot: SequenceShot) -> Cell:
    kind = _CHIPS.get(shot.verdict, "none")
    return Cell(html=f'<span class="chip {kind}">{escape(shot.verdict)}</span>')


def _cosine(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"
