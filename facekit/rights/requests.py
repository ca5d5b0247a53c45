"""A page to read and sign: what is asked of a person, in plain words. It is no legal advice."""

import html
from collections.abc import Mapping, Sequence
from typing import Any, Final

__all__ = ["request_html", "request_markdown"]

_BLANK: Final = "______________________________"
_STYLE: Final = (
    "@page{size:A4;margin:16mm}body{font:10.5pt/1.35 sans-serif;max-width:180mm;margin:auto}"
    "h1{font-size:15pt}table{border-collapse:collapse;width:100%}"
    "td{border:1px solid #999;padding:3px 6px;vertical-align:top}td:first-child{width:34%}"
    "li{margin:2px 0}.small{font-size:8.5pt;color:#444}"
)
_BOXES: Final = (
    "I am of age (at least 18 years old, or older where my law says so).",
    "I am the person in the photos, and they may be used for this.",
    "I agree that a face encoder measures my photos, which makes biometric data of me, for the"
    " purpose and the time named above.",
    "I have been told how to take this back.",
)
_NOTE: Final = (
    "This page was made by facekit from what was filled in. It is no legal advice and may not be"
    " enough where you work; ask somebody who knows the law that applies."
)


def request_markdown(content: Mapping[str, Any], name: str) -> str:
    """The page as Markdown.

    Args:
        content: As of `ConsentRecord`, of which whatever is missing stays blank.
        name: Of the character.
    """
    rows = [f"| {field} | {text.replace('|', '/')} |" for field, text in _rows(content, name)]
    boxes = [f"- [ ] {text}" for text in _BOXES]
    lines = [
        f"# Consent to make and use a likeness: {name}",
        "",
        "| | |",
        "|---|---|",
        *rows,
        "",
        *boxes,
        "",
        f"Name: {_BLANK}",
        "",
        f"Place and date: {_BLANK}",
        "",
        f"Signature: {_BLANK}",
        "",
        _NOTE,
    ]
    return "\n".join(lines) + "\n"


def request_html(content: Mapping[str, Any], name: str) -> str:
    """The page as HTML that prints on one sheet; as `request_markdown`."""
    rows = "".join(
        f"<tr><td>{html.escape(field)}</td><td>{html.escape(text)}</td></tr>"
        for field, text in _rows(content, name)
    )
    boxes = "".join(f"<li>&#9744; {html.escape(text)}</li>" for text in _BOXES)
    signed = "".join(
        f"<p>{field}: {_BLANK}</p>" for field in ("Name", "Place and date", "Signature")
    )
    title = f"Consent to make and use a likeness: {html.escape(name)}"
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{title}</title>'
        f"<style>{_STYLE}</style><h1>{title}</h1><table>{rows}</table>"
        f'<ul style="list-style:none;padding:0">{boxes}</ul>{signed}'
        f'<p class="small">{html.escape(_NOTE)}</p></html>\n'
    )


def _rows(content: Mapping[str, Any], name: str) -> list[tuple[str, str]]:
    uses, keep = content.get("uses", {}), content.get("retention", {})
    taken, train = content.get("revocation", {}), content.get("train", {})
    paid = content.get("compensation", {})
    where = _list(content.get("territory"))
    if without := content.get("territory_exclude"):
        where += f", without {_list(without)}"
    made = [
        text
        for key, text, default in (
            ("zero_shot", "measure my face and draw from that", True),
            ("adapter", "train a model on my photos", True),
        )
        if train.get(key, default)
    ]
    unit = {"none": "nothing is paid", "per-second": "by second on screen", "per-shot": "by shot"}
    effect = {
        "stop-new": "no new shots are made",
        "withdraw": "no new shots are made, and what was made of my photos is deleted",
    }
    notice = f"{taken.get('notice_days', 0)} days after I say so"
    return [
        ("Character", name),
        ("Who asks, and keeps this", _text(content.get("controller"))),
        ("Purpose", _text(content.get("purpose"))),
        ("May be used for", _list(uses.get("allow"))),
        ("Must not be used for", _list(uses.get("deny"))),
        ("Production", _text(content.get("project"))),
        ("May be shown in", where),
        ("Media", _list(content.get("media"))),
        ("From, until", f"{_text(content.get('valid_from'))}, {_text(content.get('valid_until'))}"),
        ("What is made of my photos", "; ".join(made) or "nothing"),
        ("Paid", unit.get(str(paid.get("unit", "none")), _text(paid.get("ref")))),
        ("What was made is kept until", str(keep.get("templates_until") or "the end, as above")),
        ("My photos are kept until", str(keep.get("photos_until") or "the end, as above")),
        ("To take it back, tell", _text(taken.get("contact"))),
        ("What happens then", f"{effect[str(taken.get('effect', 'stop-new'))]}, {notice}"),
        ("Reference", _text(content.get("subject_ref"))),
    ]


def _text(value: object) -> str:
    return str(value) if value else _BLANK


def _list(values: Sequence[str] | None) -> str:
    return ", ".join(values) if values else _BLANK
