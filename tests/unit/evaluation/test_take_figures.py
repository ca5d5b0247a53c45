"""What a take reaches, and what its gates say."""

import dataclasses
from typing import Any

import numpy as np
import pytest

from facekit.evaluation.cast_report import report_cast
from facekit.evaluation.take_figures import (
    CharacterFigures,
    TakeFigures,
    TakeLimits,
    judge_take,
    take_figures,
)
from facekit.faces.vendors import load_faces
from facekit.types import Clip
from tests.tiny.drawn_cast import FRAMES, cast_of, drawn

LEFT = np.zeros((1, 2, 2), np.float32)
LEFT[..., 0] = 1
LIMITS = TakeLimits(
    p05={"mira": 0.4, "tom": 0.4}, coverage=0.6, on_na="review", wrong_person=0, swap=0,
    drift_slope=-0.5, demanded=frozenset({"mira"}),
)  # fmt: skip
GOOD = TakeFigures(
    characters={"mira": CharacterFigures(p05=0.5, mean=0.6, coverage=1.0, slope_per_s=0.0)},
    wrong_person=0, swap=0, clear_faces=5,
)  # fmt: skip


def figures(clip: Clip, present: list[str], **masks: Any) -> TakeFigures:
    cast = cast_of("mira", "tom", "ines")
    report = report_cast(clip, cast, load_faces("toon-b"), masks_FHW=masks)
    return take_figures(report, present, clip.num_frames)


def test_the_right_people_are_counted_and_pass() -> None:
    found = figures(drawn("mira", "tom"), ["mira", "tom"], mira=LEFT, tom=1 - LEFT)
    assert (found.wrong_person, found.swap, found.clear_faces) == (0, 0, FRAMES)
    assert {one.coverage for one in found.characters.values()} == {1.0}
    assert found.score == min(one.p05 or 0 for one in found.characters.values()) > 0.6
    assert judge_take(found, LIMITS).verdict == "pass"
    assert TakeFigures.from_json(found.to_json()) == found


def test_swapped_people_fail_by_swap_and_by_place() -> None:
    found = figures(drawn("tom", "mira"), ["mira", "tom"], mira=LEFT, tom=1 - LEFT)
    assert (found.swap, found.wrong_person) == (FRAMES, 2 * FRAMES)
    assert judge_take(found, LIMITS).reasons[0] == f"two characters are swapped in {FRAMES} frames"


def test_somebody_else_of_the_cast_or_a_stranger_is_the_wrong_person() -> None:
    assert figures(drawn("tom"), ["mira"]).wrong_person == FRAMES
    stranger = figures(drawn("nobody"), ["mira"])
    assert stranger.wrong_person == FRAMES
    assert (stranger.score, stranger.characters["mira"].coverage) == (None, 0.0)
    assert figures(drawn("mira", "nobody"), ["mira"]).wrong_person == 0  # a bystander may be there


@pytest.mark.parametrize(
    ("changes", "verdict", "words"),
    [
        ({}, "pass", ""),
        ({"p05": 0.3}, "fail", "mira: likeness 0.30, at least 0.40 asked"),
        ({"slope_per_s": -0.6}, "fail", "mira: likeness changes by -0.600 a second"),
        ({"coverage": 0.5}, "review", "mira: face scored in 50% of the frames, 60% asked"),
        ({"p05": None, "mean": None, "coverage": 0.0}, "review", "mira: face scored in 0%"),
    ],
)
def test_each_gate_says_what_it_found(changes: dict[str, Any], verdict: str, words: str) -> None:
    mira = dataclasses.replace(GOOD.characters["mira"], **changes)
    judged = judge_take(dataclasses.replace(GOOD, characters={"mira": mira}), LIMITS)
    assert judged.verdict == verdict
    assert words in "; ".join(judged.reasons)


def test_without_photos_somebody_has_to_look() -> None:
    judged = judge_take(GOOD, dataclasses.replace(LIMITS, p05={}))
    assert (judged.verdict, judged.reasons) == (
        "review",
        ("mira: no photos at hand to compare with",),
    )
