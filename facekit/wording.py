"""How numbers, choices and errors of others are written in messages."""

import difflib
from collections.abc import Iterable, Sequence

__all__ = ["counted", "in_words", "nearest", "one_of"]


def counted(number: int, word: str) -> str:
    """Write how many: `1 take`, `2 takes`."""
    return f"{number} {word}" + ("" if number == 1 else "s")


def one_of(known: Iterable[str], what: str) -> str:
    """Write a choice, `one of its channels (dev, prod)`, or that there is nothing to choose from.

    Args:
        known: What there is.
        what: What these are, in the plural, with `its` or `the show's` before it.
    """
    names = ", ".join(known)
    return f"one of {what} ({names})" if names else f"one of {what}, of which there are none"


def nearest(word: str, known: Sequence[str]) -> str:
    """Write ` (did you mean mira?)`, or nothing where no known word is near."""
    near = difflib.get_close_matches(word, known, n=3, cutoff=0.5)
    return f" (did you mean {' or '.join(near)}?)" if near else ""


def in_words(error: Exception) -> str:
    """What an error of Python or of a library says, without the name that its class has."""
    if isinstance(error, OSError) and error.strerror:
        return str(error.strerror)
    if isinstance(error, KeyError):
        return f"no {error}"
    return " ".join(str(error).split()) or "no reason given"
