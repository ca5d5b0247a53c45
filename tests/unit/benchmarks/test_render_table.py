"""The table of workers in the how-to comes from the results."""

from benchmarks.readme import RENDER, with_rendering
from benchmarks.results import RESULTS_DIR


def test_the_how_to_holds_the_table_of_the_results() -> None:
    text = RENDER.read_text(encoding="utf-8")
    assert with_rendering(text, RESULTS_DIR) == text, "run python -m benchmarks.readme"
