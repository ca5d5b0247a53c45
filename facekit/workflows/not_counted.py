"""How statements and pointers that do not count are told: always, and never as an error."""

from collections.abc import Iterable, Mapping, Sequence

from facekit.presets.states import Ignored

__all__ = ["facts_by_id", "ignored_by_id", "ignored_facts", "ignored_lines"]


def ignored_lines(ignored: Iterable[Ignored]) -> list[str]:
    """A line for each statement or pointer that does not count."""
    return [f"not counted: {one.name[:20]}: {one.reason}" for one in ignored]


def ignored_facts(ignored: Iterable[Ignored]) -> list[dict[str, str]]:
    """The same as plain data."""
    return [{"name": one.name, "reason": one.reason} for one in ignored]


def ignored_by_id(ignored: Mapping[str, Sequence[Ignored]]) -> list[str]:
    """The lines of several presets, each with its name."""
    return [f"{name}: {line}" for name, some in ignored.items() for line in ignored_lines(some)]


def facts_by_id(ignored: Mapping[str, Sequence[Ignored]]) -> dict[str, object]:
    """The same as plain data; presets without any are left out."""
    return {name: ignored_facts(some) for name, some in ignored.items() if some}
