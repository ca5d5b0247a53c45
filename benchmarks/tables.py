"""How tables of results are written in markdown."""

from collections.abc import Callable, Sequence
from typing import TypeAlias

Measured: TypeAlias = tuple[str, str, float | None, Callable[[float], str]]
"""Title, goal, value and how it is written."""


def percent(value: float) -> str:
    """Write a part of 1 as a percentage."""
    return f"{100 * value:.1f} %"


def number(value: float) -> str:
    """Write it with two digits."""
    return f"{value:.2f}"


def points(value: float) -> str:
    """Write a difference of parts of 1, in points of a percentage."""
    return f"{100 * value:+.1f} points"


def with_goal(value: float | None, write: Callable[[float], str], goal: str) -> str:
    """Write a value, bold where it misses a goal such as "at least 97 %" or "0.60 to 1.50"."""
    if value is None:
        return "not measured"
    numbers = [float(word) for word in goal.split() if word.replace(".", "").isdigit()]
    scaled = 100 * value if "%" in goal or "points" in goal else value
    if goal.startswith("at least"):
        good = scaled >= numbers[0]
    elif goal.startswith("at most"):
        good = scaled <= numbers[0]
    else:
        good = numbers[0] <= scaled <= numbers[1]
    return write(value) if good else f"**{write(value)}**"


def measured_rows(measured: Sequence[Measured]) -> list[list[str]]:
    """Write a row of each: title, goal, value."""
    return [[title, goal, with_goal(value, write, goal)] for title, goal, value, write in measured]


def markdown_table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Write a table in markdown."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
