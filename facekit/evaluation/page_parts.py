"""What every section of a report page is made of."""

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from html import escape

from facekit.evaluation.bootstrap import Interval
from facekit.evaluation.gates import GateResult
from facekit.evaluation.scores import CharacterScores, Take
from facekit.evaluation.words import NOT_SCORABLE, format_figure, wording
from facekit.types import Image

__all__ = [
    "CLASSES",
    "NOTHING",
    "Cell",
    "PageContent",
    "block",
    "chip",
    "figure_text",
    "gate_text",
    "number",
    "section",
    "share_text",
    "strong",
    "table",
    "text",
]

CLASSES = {
    "pass": "pass",
    "fail": "fail",
    "incomplete": "none",
    "not measured": "none",
    "off": "none",
}
NOTHING = "-"
"""Stands where a table has no value."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PageContent:
    """What `ReportContent` holds, with the intervals computed."""

    scores: CharacterScores
    takes: tuple[Take, ...]
    enrolled_photos: tuple[Image, ...]
    held_out_photos: tuple[Image, ...]
    gates: tuple[GateResult, ...]
    settings: Mapping[str, str]
    intervals: Mapping[str, Interval]
    reasons: Mapping[str, str]
    links: tuple[str | None, ...]
    """The way from the page to the clip of each take; None where it is not there."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """One cell of a table; its text is HTML already."""

    html: str
    style: str = ""

    def write(self, tag: str) -> str:
        """Write the cell as `td` or `th`."""
        mark = f' class="{self.style}"' if self.style else ""
        return f"<{tag}{mark}>{self.html}</{tag}>"


def text(value: str, style: str = "") -> Cell:
    """Make a cell of plain text."""
    return Cell(html=escape(value), style=style)


def number(value: str) -> Cell:
    """Make a cell that stands to the right."""
    return Cell(html=escape(value), style="number")


def strong(value: str) -> Cell:
    """Make a cell of bold text."""
    return Cell(html=f"<b>{escape(value)}</b>")


def table(head: Sequence[Cell], rows: Iterable[Sequence[Cell]]) -> str:
    """Write a table; without a head when that is empty."""
    top = f"<tr>{''.join(cell.write('th') for cell in head)}</tr>" if head else ""
    body = "".join(f"<tr>{''.join(cell.write('td') for cell in row)}</tr>" for row in rows)
    return f'<div class="scroll"><table>{top}{body}</table></div>'


def section(title: str, body: str, note: str = "") -> str:
    """Write a section with its title and a sentence that says how to read it."""
    return f"<section>{block(title, body, note)}</section>"


def block(title: str, body: str, note: str = "") -> str:
    """Write a title, its sentence and what follows, without a frame around."""
    told = f'<p class="note">{escape(note)}</p>' if note else ""
    return f"<h2>{escape(title)}</h2>{told}{body}"


def chip(verdict: str) -> str:
    """Write a verdict in its colour."""
    return f'<span class="chip {CLASSES[verdict]}">{verdict}</span>'


def gate_text(result: GateResult) -> str:
    """Write what a gate wants, such as "at least 85 %"."""
    gate = result.gate
    if gate.threshold is None:
        return "off"
    is_turned = wording(gate.figure).unit == "points lost"  # told with the other sign
    side = "at least" if gate.at_least != is_turned else "at most"
    return f"{side} {format_figure(gate.figure, gate.threshold)}"


def figure_text(content: PageContent, figure: str) -> str:
    """Write the value of a figure, or why there is none."""
    value = content.scores.figures.get(figure)
    if value is None:
        return content.reasons.get(figure, NOT_SCORABLE)
    return format_figure(figure, value)


def share_text(content: PageContent, cosine: float | None) -> str:
    """Write a cosine to unseen photos as the share of the ceiling that likeness is told in."""
    if cosine is None or content.scores.ceiling <= 0:
        return NOTHING
    return f"{100 * cosine / content.scores.ceiling:.0f} %"
