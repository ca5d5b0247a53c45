"""The tables of training in its how-to come from the results."""

from benchmarks.readme import TRAIN, with_training
from benchmarks.results import RESULTS_DIR


def test_the_how_to_holds_the_tables_of_the_results() -> None:
    text = TRAIN.read_text(encoding="utf-8")
    assert with_training(text, RESULTS_DIR) == text, "run python -m benchmarks.readme"
