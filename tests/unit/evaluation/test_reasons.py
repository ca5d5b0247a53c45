"""Three things that were missing had one name, that of a bad frame."""

import dataclasses

import pytest

from facekit.evaluation.measure import measure_character
from facekit.evaluation.reasons import missing_reasons
from facekit.evaluation.scores import FIGURES
from facekit.recipe import Recipe
from tests.tiny.drawn_takes import draw_set


@pytest.fixture(scope="module")
def scores():
    drawn = draw_set(count=2, num_frames=4)
    return measure_character("mira", drawn.takes, drawn.reference)


def reasons(scores, *, base=True, truth=True, photos=True, nothing=FIGURES):
    blank = dataclasses.replace(scores, figures=dict.fromkeys(nothing))
    return missing_reasons(blank, has_base=base, has_truth=truth, has_training_photos=photos)


def test_each_gate_has_the_reason_that_it_has(scores):
    one = dataclasses.replace(scores, shots=scores.shots[:1])
    said = reasons(one, base=False, truth=False)

    assert said["xmin"] == "one shot only"
    assert said["motion_ratio"] == said["prompt_drop"] == "no base clips"
    assert said["xmin_ratio"] == said["m_cp_over_truth"] == "no drawn truth"
    assert said["likeness_ratio"] == said["coverage"] == "not scorable"
    assert {name.partition("_")[2] for name in Recipe().gates.model_dump()} <= said.keys()


def test_where_everything_is_there_the_next_reason_is_told(scores):
    said = reasons(scores, photos=False)

    assert said["xmin"] == "fewer than two shots count"
    assert said["xmin_ungated"] == said["motion_ratio"] == "not scorable"
    assert said["m_cp"] == said["m_cp_over_truth"] == "no training photos at hand"
    assert said["prompt_adherence"].startswith("nothing in the prompts")


def test_figures_that_have_a_value_need_no_reason(scores):
    said = missing_reasons(scores, has_base=False, has_truth=False, has_training_photos=True)

    assert said.keys() == {name for name, value in scores.figures.items() if value is None}
