"""The shots of a sequence's page: the strip of the whole film, and a card for each."""

from collections.abc import Sequence
from html import escape

from facekit.evaluation.page_parts import Cell, number, section, table, text
from facekit.evaluation.sequence_content import FaceCurve, SequenceContent, SequenceShot
from facekit.evaluation.sequence_curves import frame_curve
from facekit.evaluation.sequence_pictures import Picture
from facekit.evaluation.take_gates import GateCheck

__all__ = ["KINDS", "anchor", "chip", "cosine", "film_strip", "picture_html", "sequence_cards"]

KINDS = {"pass": "pass", "fail": "fail", "review": "review"}
"""Verdict -> class of its colour; all others are grey."""
_STRIP_PX = 72
"""Height of the pictures of the film, as the style has it."""
_GATE_WORDS = {
    "identity.p05": "likeness",
    "identity.coverage": "face scored",
    "drift_slope": "drift, a second",
    "wrong_person": "somebody else",
    "swap": "swapped",
}


def anchor(shot: str) -> str:
    """Where on the page a shot is."""
    return "shot-" + "".join(x if x.isalnum() or x in "_-." else "-" for x in shot)


def chip(verdict: str) -> Cell:
    """Write a verdict in its colour."""
    return Cell(html=_chip(verdict))


def cosine(value: float | None) -> str:
    """Write a likeness."""
    return "-" if value is None else f"{value:.2f}"


def picture_html(picture: Picture | None, alt: str) -> str:
    """Write a picture, or an empty place of the same kind."""
    if picture is None:
        return '<div class="empty" aria-hidden="true"></div>'
    size = f'width="{picture.width}" height="{picture.height}"'
    return f'<img loading="lazy" alt="{escape(alt)}" {size} src="{picture.uri}">'


def film_strip(content: SequenceContent) -> str:
    """Write every shot in order of the cut with its verdict, a way to each card."""
    parts = []
    for name, title in content.sequences.items():
        cells = "".join(_cell(shot) for shot in content.shots if shot.sequence == name)
        if cells:
            parts.append(f'<h3>{escape(title)}</h3><ol class="film">{cells}</ol>')
    note = (
        "All shots in order of the cut; the line below a picture and the word are its verdict, the"
        " number is the likeness of its worst character. A picture leads to its shot."
    )
    return section("The film", "".join(parts), note)


def _cell(shot: SequenceShot) -> str:
    told = f"{shot.name}: {shot.verdict}"
    likeness = "" if shot.likeness is None else f" {shot.likeness:.2f}"
    wide = f"width:{max(62, round(_STRIP_PX * shot.ratio))}px"
    return (
        f'<li style="{wide}"><a href="#{anchor(shot.name)}" title="{escape(told)}">'
        f"{picture_html(shot.pictures.small, told)}"
        f'<span class="line {KINDS.get(shot.verdict, "none")}"></span>'
        f"<b>{escape(shot.label)}</b><small>{escape(shot.verdict + likeness)}</small></a></li>"
    )


def sequence_cards(content: SequenceContent, name: str) -> str:
    """Write the shots of one sequence."""
    cards = "".join(_card(shot) for shot in content.shots if shot.sequence == name)
    note = (
        "Point at a picture, tap it or go to it with the Tab key to play it. Curves are likeness"
        " along the frames, from 0 to 1: handles are shaded, the dashed line is what the gate asks"
        " for, upright lines are seams of chunks, a cross is a frame without a face to judge."
    )
    return section(content.sequences[name], f'<div class="cards">{cards}</div>', note)


def _card(shot: SequenceShot) -> str:
    chosen = shot.chosen
    told = f"{shot.aspect}, {shot.seconds:g} s"
    if chosen is not None:
        told += f", {chosen.name} of {len(shot.takes)}, seed {chosen.seed}"
    is_left = chosen is None and shot.verdict == "to do"
    why = "" if is_left or (shot.verdict == "pass" and len(shot.takes) < 2) else shot.reason
    curves = "".join(_curve(curve, shot) for curve in shot.curves)
    return (
        f'<article class="card" id="{anchor(shot.name)}"><div class="look">{_frame(shot)}</div>'
        f'<div class="facts"><h3>{escape(shot.name)}{_chip(shot.verdict)}</h3>'
        f'<p class="told">{escape(told)}</p>'
        + (f'<p class="why">{escape(why)}</p>' if why else "")
        + f'<p class="prompt">{escape(shot.prompt)}</p>{_frames(shot)}{_files(shot)}</div>'
        f'<div class="measures">{curves}{_gates(shot.gates)}</div>{_takes(shot)}</article>'
    )


def _frame(shot: SequenceShot) -> str:
    if shot.pictures.still is None:
        return f'<div class="frame empty">{escape(shot.verdict)}</div>'
    moving, plays = "", ""
    if shot.pictures.moving:
        moving = f'<img class="moving" alt="" src="{shot.pictures.moving}">'
        plays = (
            f' tabindex="0" role="group" aria-label="{escape(shot.name)}, plays when pointed at"'
        )
    kind = KINDS.get(shot.verdict, "none")
    badge = (
        "" if shot.likeness is None else f'<span class="badge {kind}">{shot.likeness:.2f}</span>'
    )
    return (
        f'<div class="shot"{plays}><div class="frame">'
        f"{picture_html(shot.pictures.still, f'{shot.name}: {shot.prompt}')}{moving}{badge}"
        "</div></div>"
    )


def _frames(shot: SequenceShot) -> str:
    frames = shot.frames
    handles = ""
    if frames.head or frames.tail:
        handles = f" with handles of {frames.head} and {frames.tail}"
    drawn = f"{frames.drawn} frames"
    if len(frames.chunks) > 1:
        numbers = ", ".join(map(str, frames.seam_numbers))
        drawn += f" drawn in chunks of {' + '.join(map(str, frames.chunks))}; seams at {numbers}"
    else:
        drawn += " drawn at once"
    rows = [
        ("Asked", frames.requested),
        ("Legal", drawn),
        ("Delivered", f"{frames.delivered} frames at {frames.fps:g} a second{handles}"),
    ]
    if shot.goes_on_from:
        rows.append(("Goes on from", ", ".join(shot.goes_on_from)))
    if shot.draw_s:
        rows.append(("Drawing", f"{shot.draw_s:.1f} s for all its takes"))
    listed = "".join(f"<dt>{name}</dt><dd>{escape(value)}</dd>" for name, value in rows)
    return f"<dl>{listed}</dl>"


def _files(shot: SequenceShot) -> str:
    if not shot.links:
        return ""
    links = "".join(
        f'<li><a href="{escape(way)}">{escape(name)}</a></li>' for name, way in shot.links.items()
    )
    return f'<ul class="files" aria-label="Files of {escape(shot.name)}">{links}</ul>'


def _curve(curve: FaceCurve, shot: SequenceShot) -> str:
    means = curve.chunk_means(shot.frames.seams)
    told = cosine(curve.mean)
    if len(means) > 1:
        told += f", by chunk {', '.join(cosine(mean) for mean in means)}"
    if curve.least is not None:
        told += f"; dashed: {curve.least:.2f} asked"
    return (
        f'<figure class="along">{frame_curve(curve, shot.frames)}'
        f"<figcaption><b>{escape(curve.character)}</b> {escape(told)}</figcaption></figure>"
    )


def _gates(checks: Sequence[GateCheck]) -> str:
    rows = []
    for check in checks:
        name = " ".join(filter(None, (check.character, _GATE_WORDS[check.gate])))
        side = "at least" if check.at_least else "at most"
        limit = "-" if check.limit is None else f"{side} {_number(check.gate, check.limit)}"
        value = "-" if check.value is None else _number(check.gate, check.value)
        rows.append((text(name), number(value), number(limit), chip(check.verdict)))
    return table((), rows) if rows else ""


def _number(gate: str, value: float) -> str:
    if gate == "identity.coverage":
        return f"{100 * value:.0f} %"
    return f"{value:.0f}" if gate in ("wrong_person", "swap") else f"{value:.2f}"


def _takes(shot: SequenceShot) -> str:
    if not shot.takes:
        return ""
    rows = []
    for take in shot.takes:
        told = [f"seed {take.seed}"]
        if take.likeness is not None:
            told.append(f"likeness {take.likeness:.2f}")
        if take.is_retake:
            told.append("retake")
        told.append(f"{take.draw_s:.1f} s")
        why = "; ".join(take.reasons)
        picture = shot.pictures.takes.get(take.name)
        drawn = ""
        if picture is not None:
            row = picture_html(picture, f"{shot.name}, frames of {take.name}")
            drawn = f'<div class="scroll">{row}</div>'
        mark = ' class="chosen"' if take.is_chosen else ""
        name = f"{take.name}, delivered" if take.is_chosen else take.name
        rows.append(
            f"<li{mark}>{drawn}<p><b>{escape(name)}</b>{_chip(take.verdict)}"
            f" {escape(', '.join(told))}" + (f"<br>{escape(why)}" if why else "") + "</p></li>"
        )
    count = f"{len(shot.takes)} take" + ("s" if len(shot.takes) > 1 else "")
    listed = f'<ol class="takes">{"".join(rows)}</ol>'
    return f"<details open><summary>{count}</summary>{listed}</details>"


def _chip(verdict: str) -> str:
    return f'<span class="chip {KINDS.get(verdict, "none")}">{escape(verdict)}</span>'
