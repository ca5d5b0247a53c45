"""Cases that the fast suite leaves out, because others of the same test show the same."""

from collections.abc import Iterable
from typing import Any

import pytest

__all__ = ["slow_but"]


def slow_but(cases: Iterable[str], *kept: str) -> list[Any]:
    """All cases as parameters of a test, every one marked slow but those that are kept."""
    found = list(cases)
    gone = set(kept) - set(found)
    assert kept, "a test of which all cases are slow is marked as a whole"
    assert not gone, f"no such cases: {sorted(gone)}"
    return [case if case in kept else pytest.param(case, marks=pytest.mark.slow) for case in found]
