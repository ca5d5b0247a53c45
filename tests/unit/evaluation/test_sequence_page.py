"""The page of a rendered sequence: whole, without anything from elsewhere."""

import numpy as np

from facekit.evaluation.metrics import cross_shot
from facekit.evaluation.sequence_page import (
    SequenceCharacter,
    SequenceContent,
    SequenceShot,
    build_sequence_page,
)
from facekit.types import Clip


def shot(name: str, verdict: str, likeness: float | None, *, is_drawn: bool = True) -> SequenceShot:
    frames = np.full((3, 8, 12, 3), 90, np.uint8)
    return SequenceShot(
        name=name, sequence="SEQ010", verdict=verdict, take="t01" if is_drawn else "",
        num_takes=2, likeness=likeness, reason=f"why <{name}>", prompt="a person", begins_s=0.0,
        seconds=1.0, draw_s=2.0, clip=Clip(frames=frames, fps=8.0) if is_drawn else None,
    )  # fmt: skip


def test_the_worst_comes_first_and_nothing_is_fetched() -> None:
    shots = [shot("A", "pass", 0.6), shot("B", "review", None), shot("C", "fail", 0.1)]
    shots.append(shot("D", "to do", None, is_drawn=False))
    faces = [np.eye(2)[0], None, np.asarray([0.6, 0.8])]
    picture = np.zeros((4, 4, 3), np.uint8)
    mira = SequenceCharacter(
        name="mira", shots=["A", "B", "C"], likeness=[0.6, None, 0.1], begins_s=[0.0, 1.0, 2.0],
        cross_shot=cross_shot(faces), pair=(picture, picture), trend=-0.5,
    )  # fmt: skip
    page = build_sequence_page(
        SequenceContent(
            title="The <Letter>", shots=shots, characters=[mira], floor=0.35, settings={"host": "x"}
        )
    )
    first = page[page.index("Look here first") :]
    assert first.index("<b>C</b>") < first.index("<b>B</b>") < first.index("<b>A</b>")
    assert "The &lt;Letter&gt;" in page
    assert "why &lt;C&gt;" in page
    assert "1 of 4 shots pass" in page
    assert "0.60 on average, 0.60 at least. From first to last shot it changes by -0.50" in page
    assert 'src="http' not in page
    assert page.count("data:image/webp") == 3
