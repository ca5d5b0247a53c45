"""What a take reaches, and what its gates say."""

import dataclasses
from typing import Any

import numpy as np
import pytest

from facekit.evaluation.cast_report import report_cast
from facekit.evaluation.take_figures import CharacterFigures, TakeFigures, TakeLimits, take_figures
from facekit.evaluation.take_gates import judge_take
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


def test_who_cannot_be_told_is_not_the_wrong_person() -> None:
    """Of a cast of which one has no photos; her face was somebody else's, and the shot failed."""
    limits = dataclasses.replace(LIMITS, demanded=frozenset({"zoe", "mira"}), on_na="fail")
    alone = figures(drawn("nobody"), ["zoe"])
    assert alone.wrong_person == 0
    assert judge_take(alone, limits).reasons == ("zoe: no photos at hand to compare with",)
    assert judge_take(alone, limits).verdict == "review"
    both = figures(drawn("mira", "nobody"), ["mira", "zoe"])
    assert (both.wrong_person, judge_take(both, limits).verdict) == (0, "review")
    assert figures(drawn("nobody"), ["mira", "zoe"]).wrong_person == 0  # it may be zoe's
    assert figures(drawn("tom"), ["zoe"]).wrong_person == FRAMES


def mixed(*parts: tuple[Clip, slice]) -> Clip:
    return Clip(frames=np.concatenate([clip.frames[at] for clip, at in parts]), fps=8.0)


def told(clip: Clip, present: list[str], **masks: Any) -> tuple[str, str]:
    judged = judge_take(figures(clip, present, **masks), LIMITS)
    return judged.verdict, "; ".join(judged.reasons)


@pytest.mark.parametrize("other", ["tom", "nobody"])
def test_a_face_that_becomes_somebody_elses_fails_by_person_and_by_likeness(other: str) -> None:
    clip = mixed((drawn("mira"), slice(0, 3)), (drawn(other), slice(3, 5)))
    verdict, why = told(clip, ["mira"])
    assert verdict == "fail"
    assert why.startswith("somebody else's face in 2 frames; mira: likeness ")
    assert "mira: likeness changes by -" in why


def test_a_face_that_fades_into_another_fails_by_drift_alone() -> None:
    share = np.linspace(0, 0.5, FRAMES)[:, None, None, None]
    frames = (1 - share) * drawn("mira").frames + share * drawn("tom").frames
    found = figures(Clip(frames=frames.astype(np.uint8), fps=8.0), ["mira"])
    strict = dataclasses.replace(LIMITS, drift_slope=-0.2)
    assert judge_take(found, LIMITS).verdict == "pass"
    (why,) = judge_take(found, strict).reasons
    assert why.startswith("mira: likeness changes by -0.3")
    assert why.endswith("a second, at least -0.2 asked")


def test_two_who_change_places_on_the_way_fail() -> None:
    clip = mixed((drawn("mira", "tom"), slice(0, 2)), (drawn("tom", "mira"), slice(2, 5)))
    verdict, why = told(clip, ["mira", "tom"], mira=LEFT, tom=1 - LEFT)
    assert verdict == "fail"
    assert why.startswith(f"two characters are swapped in {FRAMES} frames; somebody else's face")
    assert "mira: likeness 0." in why
    assert "tom: likeness 0." in why


def hidden(clip: Clip, first: int) -> Clip:
    """Hair where the face was, from a frame on: the back of a head."""
    frames = clip.frames.copy()
    frames[first:, 15:72, 20:76] = (90, 50, 30)
    return Clip(frames=frames, fps=clip.fps)


def shrunk(clip: Clip) -> Clip:
    """A sixth as large, far away."""
    frames = np.full_like(clip.frames, 120)
    frames[:, 40:56, 40:56] = clip.frames[:, 3::6, 3::6]
    return Clip(frames=frames, fps=clip.fps)


@pytest.mark.parametrize("on_na", ["review", "fail", "pass"])
def test_faces_that_cannot_be_scored_are_what_the_board_says(on_na: str) -> None:
    limits = dataclasses.replace(LIMITS, on_na=on_na)
    for clip in (hidden(drawn("mira"), 0), shrunk(drawn("mira"))):
        found = figures(clip, ["mira"])
        assert (found.score, found.closest, found.wrong_person) == (None, None, 0)
        judged = judge_take(found, limits)
        words = "mira: face scored in 0% of the frames, 60% asked"
        assert (judged.verdict, judged.reasons) == (on_na, (words,))
        free = dataclasses.replace(limits, demanded=frozenset())
        assert judge_take(found, free).verdict == "pass"  # a wide shot demands no face


def test_a_head_that_turns_away_needs_a_look_and_what_was_seen_counts() -> None:
    found = figures(hidden(drawn("mira"), 2), ["mira"])
    assert found.score is not None
    judged = judge_take(found, LIMITS)
    assert judged.verdict == "review"
    assert judged.reasons == ("mira: face scored in 40% of the frames, 60% asked",)


@pytest.mark.parametrize(
    ("gate", "frames"), [("swap", "swapped"), ("wrong_person", "somebody else's")]
)
def test_a_gate_that_is_off_does_not_count(gate: str, frames: str) -> None:
    found = figures(drawn("tom", "mira"), ["mira", "tom"], mira=LEFT, tom=1 - LEFT)
    off = judge_take(found, dataclasses.replace(LIMITS, **{gate: "off"}))
    assert not any(frames in reason for reason in off.reasons)
    assert any(frames in reason for reason in judge_take(found, LIMITS).reasons)
    every = TakeLimits(
        p05={"mira": "off", "tom": "off"}, coverage="off", on_na="fail", wrong_person="off",
        swap="off", drift_slope="off", demanded=frozenset({"mira", "tom"}),
    )  # fmt: skip
    bad = CharacterFigures(p05=-1.0, mean=-1.0, coverage=0.0, slope_per_s=-9.0)
    worst = dataclasses.replace(found, characters={"mira": bad, "tom": bad})
    assert judge_take(worst, every).verdict == "pass"
    assert judge_take(worst, LIMITS).verdict == "fail"


def test_of_faces_that_nobody_recognises_the_nearest_is_known() -> None:
    """Else of three takes below the threshold the first would be delivered, not the best."""
    cast = cast_of("mira", "tom", "ines")
    near, far = (
        take_figures(
            report_cast(drawn(name), cast, load_faces("toon-b"), floor=0.97), ["mira"], FRAMES
        )
        for name in ("mira", "nobody")
    )
    assert (near.score, far.score) == (None, None)
    assert near.closest is not None
    assert far.closest is not None
    assert near.closest > 0.8 > 0.0 > far.closest
    (why,) = judge_take(near, dataclasses.replace(LIMITS, coverage=0.0)).reasons
    assert why == f"somebody else's face in {FRAMES} frames, at best {near.closest:.2f} like mira"
    assert TakeFigures.from_json(near.to_json()) == near
