"""How what does not fit is told: the first few names, and how many there are."""

from collections.abc import Iterable

__all__ = ["few", "told"]

_SHOWN = 5


def few(names: Iterable[str]) -> str:
    """List the first few names, and how many more there are."""
    ordered = sorted(names)
    more = f" and {len(ordered) - _SHOWN} more" if len(ordered) > _SHOWN else ""
    return ", ".join(ordered[:_SHOWN]) + more


def told(**groups: Iterable[str]) -> str:
    """Say how many keys are missing, unexpected or otherwise wrong, and which; empty groups not.

    Args:
        groups: What is wrong, with ``_`` for a space, to the keys.
    """
    parts = []
    for title, names in groups.items():
        ordered = list(names)
        if ordered:
            noun = "key" if len(ordered) == 1 else "keys"
            parts.append(f"{len(ordered)} {noun} {title.replace('_', ' ')} ({few(ordered)})")
    return ", ".join(parts)
