import pytest

from facekit.errors import UsageError
from facekit.evaluation.gates import build_gates, judge, tell_verdict, verdict


def judged(figures, **thresholds):
    return judge(figures, build_gates(thresholds))


def test_the_first_word_says_on_which_side_to_be():
    results = judged({"xmin": 0.5, "m_cp": 0.2}, min_xmin=0.45, max_m_cp=0.15)

    assert [result.verdict for result in results] == ["pass", "fail"]
    assert [str(result.gate) for result in results] == ["xmin >= 0.45", "m_cp <= 0.15"]
    assert verdict(results) == "fail"


def test_a_figure_on_the_mark_passes():
    assert verdict(judged({"xmin": 0.45, "m_cp": 0.15}, min_xmin=0.45, max_m_cp=0.15)) == "pass"


def test_what_was_not_measured_neither_passes_nor_fails():
    results = judged({"motion_ratio": None}, min_motion_ratio=0.75)

    assert results[0].verdict == verdict(results) == "not measured"
    assert verdict([]) == "not measured"


@pytest.mark.parametrize(
    ("figures", "overall", "told"),
    [
        ({"xmin": 0.5, "m_cp": 0.1, "drift": 0.0}, "pass", "All 3 gates passed"),
        (
            {"xmin": 0.5, "m_cp": 0.1, "drift": None},
            "incomplete",
            "2 of 3 gates measured, all passed",
        ),
        ({"xmin": 0.5, "m_cp": 0.2, "drift": 0.0}, "fail", "1 of 3 gates failed"),
        ({"xmin": 0.5, "m_cp": 0.2, "drift": None}, "fail", "1 of 3 gates failed, 1 not measured"),
        ({"xmin": None, "m_cp": None, "drift": None}, "not measured", "No gate measured"),
    ],
)
def test_a_verdict_does_not_hide_what_was_not_measured(figures, overall, told):
    """A report of which half the gates were measured said "pass" and "all gates passed"."""
    results = judged(figures, min_xmin=0.45, max_m_cp=0.15, max_drift=0.05)

    assert verdict(results) == overall
    assert tell_verdict(results) == told


def test_unknown_gates_are_refused_with_the_known_figures():
    with pytest.raises(UsageError, match=r"gates\.likeness: no such gate, expected min_<figure>"):
        build_gates({"likeness": 0.8})
    with pytest.raises(UsageError, match="nothing measures that, expected one of xmin; rename"):
        judged({"xmin": 0.4}, min_beauty=0.5)


def test_every_gate_of_a_recipe_names_a_figure_that_is_measured():
    from facekit.evaluation.scores import FIGURES
    from facekit.recipe import Recipe

    gates = build_gates(Recipe().gates.model_dump())

    assert {gate.figure for gate in gates} <= set(FIGURES)


def test_the_toon_recipe_leaves_copying_to_the_gate_that_knows_the_truth():
    """The drawn character itself missed the gate that is made for photographs."""
    from facekit.recipe import load_recipe

    gates = build_gates(load_recipe("toon/train").gates.model_dump())
    drawn = {gate.figure: None for gate in gates} | {"m_cp": 0.27, "m_cp_over_truth": 0.0}

    assert verdict(judge(drawn, gates)) == "incomplete"
    assert tell_verdict(judge(drawn, gates)) == "1 of 9 gates measured, all passed"
    assert verdict(judge(drawn | {"m_cp_over_truth": 0.2}, gates)) == "fail"


def test_a_gate_that_is_off_is_told_as_off_and_does_not_count():
    """Switched off by a mark that nothing misses, it counted as passed."""
    results = judged({"m_cp": 0.3, "drift": 0.0}, max_m_cp=None, max_drift=0.05)

    assert [result.verdict for result in results] == ["off", "pass"]
    assert str(results[0].gate) == "m_cp off"
    assert results[0].to_json()["value"] == 0.3
    assert tell_verdict(results) == "All 1 gates passed"
    assert verdict(results) == "pass"
    assert verdict(results[:1]) == "not measured"


def test_a_gate_says_why_it_was_not_measured():
    gates = build_gates({"min_xmin": 0.45, "max_drift": 0.05})
    results = judge({"xmin": None, "drift": None}, gates, {"xmin": "one shot only"})

    assert [result.reason for result in results] == ["one shot only", "not scorable"]
    assert results[0].to_json()["reason"] == "one shot only"
    assert judged({"drift": 0.0}, max_drift=0.05)[0].to_json()["reason"] is None
