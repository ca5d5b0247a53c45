import pytest

from benchmarks.tables import number, percent, with_goal


@pytest.mark.parametrize(
    ("value", "write", "goal", "told"),
    [
        (0.971, percent, "at least 97 %", "97.1 %"),
        (0.969, percent, "at least 97 %", "**96.9 %**"),
        (0.05, number, "at most 0.05", "0.05"),
        (0.06, number, "at most 0.05", "**0.06**"),
        (0.048, percent, "at most 3 points", "**4.8 %**"),
        (5.07, number, "0.60 to 1.50", "**5.07**"),
        (1.0, number, "0.60 to 1.50", "1.00"),
        (None, number, "at least 30", "not measured"),
    ],
)
def test_what_misses_its_goal_is_bold(value, write, goal, told):
    assert with_goal(value, write, goal) == told
