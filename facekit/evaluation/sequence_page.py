"""The HTML of a rendered sequence: one text with its style and pictures inside."""

from collections import Counter
from html import escape
from importlib.resources import files

from facekit.evaluation.page_parts import section
from facekit.evaluation.sequence_cards import (
    KINDS,
    anchor,
    film_strip,
    picture_html,
    sequence_cards,
)
from facekit.evaluation.sequence_content import SequenceContent
from facekit.evaluation.sequence_curves import verdict_bar
from facekit.evaluation.sequence_look import Look, first_looks
from facekit.evaluation.sequence_people import character_section
from facekit.evaluation.sequence_tables import all_shots, cost_section, provenance_section

__all__ = ["VERDICTS", "build_sequence_page"]

VERDICTS = ("pass", "review", "fail", "drawn", "waiting", "to do")
"""All that a shot can be, the best first."""


def build_sequence_page(content: SequenceContent) -> str:
    """Return the whole page; it fetches nothing and runs no script."""
    folder = files("facekit.evaluation")
    style = "".join(
        (folder / name).read_text(encoding="utf-8") for name in ("report.css", "sequence.css")
    )
    title = escape(content.title)
    parts = [
        ("Look here first", _first(content)),
        ("The film", film_strip(content)),
        *((one.name, character_section(one, content)) for one in content.characters),
        *((name, sequence_cards(content, name)) for name in content.sequences),
        ("Cost", cost_section(content)),
        ("All shots", all_shots(content)),
        ("The numbers", provenance_section(content)),
    ]
    there = [(f"part-{number}", *part) for number, part in enumerate(parts) if part[1]]
    ways = "".join(f'<li><a href="#{at}">{escape(name)}</a></li>' for at, name, _ in there)
    body = [
        _header(content, title),
        f'<nav aria-label="Parts of this page"><ul class="files">{ways}</ul></nav>',
        _tiles(content),
        *(f'<div id="{at}">{part}</div>' for at, _, part in there),
    ]
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<meta name="color-scheme" content="light dark">'
        f"<title>{title}</title><style>{style}</style></head><body><main>\n"
        + "\n".join(body)
        + "\n</main></body></html>\n"
    )


def _header(content: SequenceContent, title: str) -> str:
    counts = Counter(shot.verdict for shot in content.shots)
    total, passed = len(content.shots), counts["pass"]
    kind = "fail" if counts["fail"] else "pass" if passed == total else "none"
    who = "judged by a face encoder that took no part in training"
    who = who if content.encoder else "with nobody at hand to judge faces"
    lead = f"{content.project}: every shot, {who}."
    told = (
        (counts["fail"], "misses a gate", "miss a gate"),
        (counts["review"], "needs somebody to look", "need somebody to look"),
        (total - passed - counts["fail"] - counts["review"], "is not done", "are not done"),
    )
    words = [f"{count} {one if count == 1 else many}" for count, one, many in told if count]
    if words:
        lead += f" {', '.join(words)}."
    links = "".join(
        f'<li><a href="{escape(way)}">{escape(name)}</a></li>'
        for name, way in content.links.items()
    )
    beside = f'<ul class="files" aria-label="Files of the sequence">{links}</ul>' if links else ""
    return (
        f'<header><div><h1>{title}</h1><p class="lead">{escape(lead)}</p>{beside}</div>'
        f'<div class="verdict {kind}">{passed} of {total} shots pass</div></header>'
    )


def _tiles(content: SequenceContent) -> str:
    shots = content.shots
    counts = Counter(shot.verdict for shot in shots)
    order = [word for word in VERDICTS if counts[word]]
    takes = sum(len(shot.takes) for shot in shots)
    film_s = sum(shot.seconds for shot in shots)
    cross = [
        (one.cross_shot.xmin, one) for one in content.characters if one.cross_shot.xmin is not None
    ]
    least = min(cross, key=lambda pair: pair[0], default=None)
    likeness = [value for one in content.characters for value in one.likeness if value is not None]
    cost = content.cost
    told = ", ".join(f"{counts[word]} {word}" for word in order)
    pair = ""
    if least is not None and least[1].cross_shot.pair is not None:
        names = " and ".join(least[1].shots[place] for place in least[1].cross_shot.pair)
        pair = f"{least[1].name} in {names}"
    share = 100 * cost.wasted_s / cost.draw_s if cost.draw_s else 0.0
    wasted = f"{share:.0f} % of it for takes that are not delivered"
    tiles = [
        ("Shots", str(len(shots)), told, verdict_bar(counts, KINDS, order)),
        ("Cut", f"{film_s:.0f} s", "all aspects together", ""),
        (
            "Likeness",
            "none" if not likeness else f"{sum(likeness) / len(likeness):.2f}",
            "" if content.floor is None else f"mean of all shots; {content.floor:.2f} is the floor",
            "",
        ),
        ("Least alike pair", "none" if least is None else f"{least[0]:.2f}", pair, ""),
        (
            "Takes",
            str(takes),
            f"{cost.retakes} of them retakes" if cost.retakes else "no retakes",
            "",
        ),
        ("Drawing", f"{cost.draw_s / 60:.1f} min", wasted if cost.draw_s else "", ""),
    ]
    return (
        '<div class="tiles six">'
        + "".join(
            f'<div class="tile"><div class="name">{name}</div><div class="value">{value}</div>'
            f'{more}<div class="range">{escape(words) or "&nbsp;"}</div></div>'
            for name, value, words, more in tiles
        )
        + "</div>"
    )


def _first(content: SequenceContent) -> str:
    looks = first_looks(content)
    if not looks:
        return ""
    note = (
        "Shots that fail, faces that change between shots, shots that nobody could judge, people"
        " who are never seen, seams at which a face is lost, then the least alike of what passes."
    )
    named = {look.shot for look in looks}
    left = sum(x.verdict in ("fail", "review") and x.name not in named for x in content.shots)
    if left:
        note += f" Not named here: {left} that fail or need a look."
    listed = "".join(_look(look, content) for look in looks)
    return section("Look here first", f'<ol class="looks">{listed}</ol>', note)


def _look(look: Look, content: SequenceContent) -> str:
    shot = content.named(look.shot)
    kind = KINDS.get(shot.verdict, "none")
    return (
        f'<li><a href="#{anchor(shot.name)}">{picture_html(shot.pictures.small, "")}'
        f'<span><b>{escape(shot.name)}</b><span class="chip {kind}">{escape(shot.verdict)}</span>'
        f"<small>{escape(look.why)}</small></span></a></li>"
    )
