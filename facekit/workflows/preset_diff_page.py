"""The page that shows two presets side by side, in one file to be mailed."""

from base64 import b64encode
from collections.abc import Sequence
from html import escape
from importlib.resources import files

from facekit.evaluation.page_parts import Cell, section, table, text

__all__ = ["diff_page"]


def diff_page(
    names: tuple[str, str],
    groups: Sequence[tuple[str, Sequence[tuple[str, str, str]]]],
    scores: Sequence[tuple[str, str, str, str]],
    scores_note: str,
    parity: str,
    pictures: Sequence[tuple[str, bytes | None]],
) -> str:
    """Return the whole page.

    Args:
        names: Of the earlier and the later preset.
        groups: Titles, each with key, value before and value after.
        scores: Pose, likeness before, after, and the difference.
        scores_note: What to bear in mind.
        parity: In words.
        pictures: Names, each with a WebP picture; None where a preset has none.
    """
    style = (files("facekit.evaluation") / "report.css").read_text(encoding="utf-8")
    title = f"{escape(names[0])} and {escape(names[1])}"
    head = (text("what"), text(names[0]), text(names[1]))
    parts = [_header(title, groups)]
    for name, rows in groups:
        body = (
            table(
                head,
                (
                    [text(cell, "code" if n == 0 else "") for n, cell in enumerate(row)]
                    for row in rows
                ),
            )
            if rows
            else '<p class="note">the same in both</p>'
        )
        parts.append(section(name, body))
    if scores:
        cells = [
            [text(cell, "number" if n else "") for n, cell in enumerate(row)] for row in scores
        ]
        columns = ["turn of the head", names[0], names[1], "difference with 95 % interval"]
        top = [
            Cell(html=escape(name), style="number" if n else "") for n, name in enumerate(columns)
        ]
        parts.append(section("Likeness by pose", table(top, cells), scores_note))
    else:
        parts.append(section("Likeness by pose", "", scores_note))
    parts.append(section("Parity", f"<p>{escape(parity)}</p>"))
    if pictures:
        shown = "".join(_figure(name, content) for name, content in pictures)
        parts.append(
            section(
                "Pictures", shown, "The same prompts and seeds, where the recipes agree on them."
            )
        )
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{title}</title><style>{style}</style></head><body><main>\n"
        + "\n".join(parts)
        + "\n</main></body></html>\n"
    )


def _figure(name: str, content: bytes | None) -> str:
    if content is None:
        return f'<p class="note">{escape(name)} was packed without a contact sheet</p>'
    return (
        f'<figure><img src="data:image/webp;base64,{b64encode(content).decode("ascii")}"'
        f' alt="{escape(name)}" style="width:100%"><figcaption>{escape(name)}</figcaption>'
        "</figure>"
    )


def _header(title: str, groups: Sequence[tuple[str, Sequence[tuple[str, str, str]]]]) -> str:
    count = sum(len(rows) for _, rows in groups)
    rights = len(groups[0][1])
    lead = (
        f"{count} value{'' if count == 1 else 's'} {'differs' if count == 1 else 'differ'},"
        f" {rights or 'none'} of them in what may be done with it."
        if count
        else "No value differs."
    )
    mark, said = ("fail", "rights differ") if rights else ("pass", "same rights")
    return (
        f'<header><div><h1>{title}</h1><p class="lead">{lead}</p></div>'
        f'<div class="verdict {mark}">{said}</div></header>'
    )
