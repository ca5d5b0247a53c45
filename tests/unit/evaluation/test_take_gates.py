"""Each gate by itself says what all of them say together."""

import dataclasses
import itertools

from facekit.evaluation.take_figures import CharacterFigures, TakeFigures, TakeLimits
from facekit.evaluation.take_gates import gate_checks, judge_take

LIMITS = TakeLimits(
    p05={"mira": 0.4}, coverage=0.6, on_na="review", wrong_person=0, swap=0, drift_slope=-0.1,
    demanded=frozenset(["mira"]),
)  # fmt: skip


def test_the_worst_gate_is_the_verdict_of_the_take() -> None:
    order = ("pass", "review", "fail")
    seen = set()
    for p05, coverage, slope, wrong, swap, name, on_na in itertools.product(
        (None, 0.3, 0.5), (0.5, 0.7), (None, -0.2, 0.0), (0, 1), (0, 1), ("mira", "tomas"),
        ("review", "fail", "pass"),
    ):  # fmt: skip
        one = CharacterFigures(p05=p05, mean=p05, coverage=coverage, slope_per_s=slope)
        figures = TakeFigures(characters={name: one}, wrong_person=wrong, swap=swap, clear_faces=1)
        limits = dataclasses.replace(LIMITS, on_na=on_na)
        checks = gate_checks(figures, limits)
        worst = max((check.verdict for check in checks), key=order.index)
        assert worst == judge_take(figures, limits).verdict
        seen.add(worst)
    assert seen == set(order)


def test_a_gate_tells_what_was_measured_and_what_is_asked() -> None:
    one = CharacterFigures(p05=0.3, mean=0.5, coverage=1.0, slope_per_s=None)
    figures = TakeFigures(characters={"mira": one}, wrong_person=2, swap=0, clear_faces=9)
    told = {
        check.gate: (check.value, check.limit, check.verdict)
        for check in gate_checks(figures, LIMITS)
    }
    assert told == {
        "identity.p05": (0.3, 0.4, "fail"),
        "identity.coverage": (1.0, 0.6, "pass"),
        "drift_slope": (None, -0.1, "pass"),
        "wrong_person": (2.0, 0.0, "fail"),
        "swap": (0.0, 0.0, "pass"),
    }


def test_a_gate_that_is_off_says_so_and_decides_nothing() -> None:
    one = CharacterFigures(p05=0.1, mean=0.1, coverage=0.0, slope_per_s=-9.0)
    figures = TakeFigures(characters={"mira": one}, wrong_person=9, swap=9, clear_faces=9)
    limits = dataclasses.replace(
        LIMITS, p05={"mira": "off"}, coverage="off", wrong_person="off", swap="off",
        drift_slope="off",
    )  # fmt: skip
    checks = gate_checks(figures, limits)
    assert {(check.verdict, check.limit) for check in checks} == {("off", None)}
    assert judge_take(figures, limits).verdict == "pass"
