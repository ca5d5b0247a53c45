import pytest

from benchmarks.readme import (
    BEGIN,
    END,
    README,
    _film,
    tables,
    with_numbers,
)
from benchmarks.results import RESULTS_DIR


def test_the_numbers_of_the_readme_are_those_of_the_results():
    text = README.read_text(encoding="utf-8")

    assert with_numbers(text, RESULTS_DIR) == text, "run python -m benchmarks.readme"


def test_only_what_stands_between_the_markers_changes():
    text = f"before\n{BEGIN}\nold\n{END}\nafter\n"

    found = with_numbers(text, RESULTS_DIR)

    assert found == f"before\n{BEGIN}\n{tables(RESULTS_DIR)}\n{END}\nafter\n"
    assert with_numbers(found, RESULTS_DIR) == found


def test_a_sequence_that_was_published_is_told():
    people = {"mira": {"mean": 0.6, "ceiling": 0.9, "xmin": None}}
    told = _film(
        {
            "shots": 3, "verdicts": {"pass": 2, "fail": 1}, "takes": 5, "retakes": 2,
            "draw_s": 90.0, "wasted_s": 45.0, "outside_sampler_share": 0.1, "characters": people,
        }
    )  # fmt: skip
    assert "| shots, of three people in three aspects | 3 (2 pass, 1 fail) |" in told
    assert "own likeness; least alike pair, cosine | 66.7 %; none |" in told


def test_a_readme_without_markers_is_refused():
    with pytest.raises(ValueError, match="put them back"):
        with_numbers("nothing here", RESULTS_DIR)
