"""The page of a rendered sequence: whole, without anything from elsewhere."""

import dataclasses
import re
from html.parser import HTMLParser

import numpy as np

from facekit.evaluation.metrics import cross_shot
from facekit.evaluation.sequence_page import build_sequence_page
from facekit.evaluation.sequence_pictures import allowance
from tests.tiny.sequences import character, pictures, sequence, shot

VOID = ("area", "base", "br", "col", "img", "input", "link", "meta")


class Page(HTMLParser):
    """Checks that tags close, and gathers what a page fetches, leads to and shows."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.open: list[str] = []
        self.alts: list[str | None] = []
        self.ways: list[str] = []
        self.places: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        told = dict(attrs)
        self.tags.append(tag)
        if tag == "img":
            self.alts.append(told.get("alt"))
            assert str(told["src"]).startswith("data:image/"), told["src"]
        if tag == "a":
            self.ways.append(str(told["href"]))
        if told.get("id"):
            assert told["id"] not in self.places
            self.places.add(str(told["id"]))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_the_worst_comes_first_and_nothing_is_fetched() -> None:
    drawn = pictures()
    shots = [
        shot("A", drawn=drawn), shot("B", "review", None, drawn=drawn),
        shot("C", "fail", 0.1, drawn=drawn), shot("D", "to do", None),
    ]  # fmt: skip
    faces = [np.eye(2)[0], None, np.asarray([0.6, 0.8])]
    mira = dataclasses.replace(character("mira", shots[:3]), cross_shot=cross_shot(faces))
    page = build_sequence_page(sequence(shots, [mira]))
    first = page[page.index("Look here first</h2>") :]
    assert first.index("<b>C</b>") < first.index("<b>B</b>") < first.index("<b>A</b>")
    assert "The &lt;Letter&gt;" in page
    assert "why &lt;C&gt;" in page
    assert "1 of 4 shots pass" in page
    assert "1 misses a gate, 1 needs somebody to look, 1 is not done." in page
    assert "Between two shots it is 0.60 on average and 0.60 at least." in page
    assert 'src="http' not in page
    assert "url(" not in page
    assert "<script" not in page
    assert "@import" not in page
    # strip, still, clip and two takes of three shots, three looks, two faces and two plots
    assert page.count("data:image/webp") == 3 * 5 + 3 + 2 + 2


def test_every_way_leads_somewhere_and_every_picture_is_told() -> None:
    shots = [shot("A", drawn=pictures()), shot("B c", "fail", 0.1, drawn=pictures())]
    found = Page(build_sequence_page(sequence(shots, [character("mira", shots)])))
    assert not found.open
    inside = [way[1:] for way in found.ways if way.startswith("#")]
    assert inside
    assert set(inside) <= found.places
    outside = {way for way in found.ways if not way.startswith("#")}
    assert outside == {"../S/a%20b.mp4", "../timeline/ep01.otio"}
    assert None not in found.alts
    assert "How alike mira is in every two of 2 shots; least alike are A and B c" in str(found.alts)
    assert found.tags.count("h1") == 1
    assert found.tags.count("h2") == 7


def test_a_card_says_how_its_shot_was_made_and_judged() -> None:
    only = shot("A", drawn=pictures(), goes_on_from=("Z",))
    page = build_sequence_page(sequence([only], [character("mira", [only])]))
    card = re.sub(r"<[^>]+>", " ", page[page.index("<article") : page.index("</article>")])
    words = " ".join(card.split())
    for told in (
        "16:9, 1.5 s, t02 of 2, seed 42",
        "9 frames drawn in chunks of 5 + 5; seams at 1010",
        "27 frames at 24 a second with handles of 3 and 0",
        "Goes on from Z",
        "mira 0.64, by chunk 0.61, 0.66; dashed: 0.35 asked",
        "mira likeness 0.60 at least 0.35 pass",
        "t01 fail seed 41, likeness 0.60, 2.0 s too &lt;little&gt;",
        "t02, delivered pass seed 42, likeness 0.60, retake, 2.0 s",
    ):
        assert told in words, told


def test_what_is_not_there_is_left_out_or_said() -> None:
    """One shot, nobody in it; a shot that could not be drawn; a character in no shot."""
    void = dataclasses.replace(
        shot("A", drawn=pictures()).takes[0], is_drawn=False, reasons=["nobody stands there"]
    )
    alone = shot("A", "fail", None, takes=[void])
    page = build_sequence_page(sequence([alone], [character("mira", [])], floor=None, encoder=""))
    assert not Page(page).open
    assert "nobody stands there" in page
    assert "with nobody at hand to judge faces" in page
    assert "In no shot that is drawn." in page
    assert "nobody was measured" in page
    calm = build_sequence_page(sequence([shot("A", "pass", None, drawn=pictures(), people=())], []))
    assert "Look here first" not in calm
    assert "1 of 1 shots pass" in calm


def test_three_hundred_shots_can_be_mailed() -> None:
    limit = 12_000_000
    most_bytes = allowance(limit, 300, 3)
    drawn = pictures(most_bytes)
    assert drawn.num_bytes <= most_bytes
    shots = [shot(f"S{number:03}", drawn=drawn) for number in range(300)]
    page = build_sequence_page(sequence(shots, [character("mira", shots[:100])]))
    # what is left of the limit is the pictures' own
    assert len(page) - 300 * drawn.num_bytes < limit - 300 * most_bytes
