"""Which take is made next, and which one is delivered."""

from types import SimpleNamespace
from typing import Any

import pytest

from facekit.generation.storyboard_parts import Gates
from facekit.generation.units import (
    TakeRecord,
    decide,
    take_name,
    take_number,
    take_seed,
    unit_name,
)


def shot(seeds: int = 1, max_takes: int = 3) -> Any:
    numbers = tuple((2**31 - 2 + take) % 2**31 for take in range(seeds))
    return SimpleNamespace(name="A", seeds=numbers, gates=Gates(max_takes=max_takes))


def take(number: int, verdict: Any, score: float | None = 0.5, **more: Any) -> TakeRecord:
    return TakeRecord(
        number=number, fingerprint=str(number), verdict=verdict, score=score,
        reasons=(f"why {number}",), **more,
    )  # fmt: skip


def test_takes_have_names_and_seeds_that_follow_each_other() -> None:
    assert [take_number(take_name(n)) for n in (1, 12, 100)] == [1, 12, 100]
    assert [take_number(x) for x in ("t00", "x01", "t", "t1.json")] == [None] * 4
    assert unit_name("SEQ_SH", 2) == "SEQ_SH:t02"
    assert [take_seed(shot(), n) for n in (1, 2, 3)] == [2**31 - 2, 2**31 - 1, 0]


def test_what_the_board_and_people_ask_for_is_made_in_any_case() -> None:
    assert decide(shot(2), []).make == (1, 2)
    assert decide(shot(2), [take(2, "pass")]).make == (1,)
    assert decide(shot(1), [take(1, "pass")], asked=3, may_retake=False).make == (2, 3)


def test_a_failing_shot_is_made_again_until_a_limit_and_the_best_is_kept() -> None:
    made = [take(1, "fail", 0.4)]
    again = decide(shot(), made)
    assert (again.make, again.reason) == ((2,), "the take failed; why 1")
    assert "budget is spent" in decide(shot(), made, may_retake=False).reason
    made += [take(2, "fail", 0.6), take(3, "fail", None)]
    kept = decide(shot(), made)
    assert kept.chosen == made[1]
    assert kept.reason == "all 3 takes failed; why 2; max_takes is reached, so the best one is kept"


def test_the_best_of_those_that_pass_is_delivered_unless_somebody_picks() -> None:
    made = [take(1, "pass", 0.5), take(2, "fail", 0.9), take(3, "pass", 0.7)]
    assert decide(shot(3), made).chosen == made[2]
    assert decide(shot(3), made, picked=2).chosen == made[1]
    assert decide(shot(3), made, picked=9).chosen == made[2]


def test_what_somebody_must_look_at_is_not_made_again() -> None:
    looked = decide(shot(), [take(1, "review", None)])
    assert looked.chosen is not None
    assert (looked.make, looked.reason) == ((), "why 1")


def test_a_take_that_cannot_be_drawn_is_never_delivered() -> None:
    void = [take(n, "fail", None, is_drawn=False) for n in (1, 2, 3)]
    assert decide(shot(), void[:1]).make == (2,)
    none = decide(shot(), void, picked=1)
    assert (none.make, none.chosen) == ((), None)
    drawn = take(3, "fail", 0.1)
    assert decide(shot(), [*void[:2], drawn]).chosen == drawn


@pytest.mark.parametrize("verdict", ["pass", "review", "fail"])
def test_equal_takes_are_told_apart_by_their_number(verdict: Any) -> None:
    made = [take(2, verdict), take(1, verdict), take(3, verdict)]
    chosen = decide(shot(3), made).chosen
    assert chosen is not None
    assert chosen.number == 1


def test_of_takes_in_which_nobody_is_recognised_the_nearest_is_kept() -> None:
    made = [
        take(1, "fail", None, closest=0.1),
        take(2, "fail", None, closest=0.3),
        take(3, "fail", None),
    ]
    assert decide(shot(), made).chosen == made[1]
    recognised = take(3, "fail", 0.2)
    assert decide(shot(), [*made[:2], recognised]).chosen == recognised
