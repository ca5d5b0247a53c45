import pytest

from facekit.errors import UsageError
from facekit.evaluation.gates import build_gates, judge, verdict


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


def test_unknown_gates_are_refused_with_the_known_figures():
    with pytest.raises(UsageError, match=r"gates\.likeness: no such gate, expected min_<figure>"):
        build_gates({"likeness": 0.8})
    with pytest.raises(UsageError, match="nothing measures that; the figures are xmin"):
        judged({"xmin": 0.4}, min_beauty=0.5)


def test_every_gate_of_a_recipe_names_a_figure_that_is_measured():
    from facekit.evaluation.scores import FIGURES
    from facekit.recipe import Recipe

    gates = build_gates(Recipe().gates.model_dump())

    assert {gate.figure for gate in gates} <= set(FIGURES)
