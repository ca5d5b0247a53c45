"""What other processes make ahead: the same, in order, and nobody stays behind."""

import os
from collections.abc import Iterator
from multiprocessing import active_children

import numpy as np
import pytest

from facekit.toon import prefetch
from facekit.toon.prefetch import in_order, spare_workers

pytestmark = pytest.mark.filterwarnings("ignore:This DataLoader will create")


def _make(number: int) -> dict[str, np.ndarray]:
    return {"noise": np.random.default_rng(number).standard_normal(3), "by": np.array(os.getpid())}


@pytest.mark.parametrize("numbers", [range(7), range(3, 30, 4), range(0)])
def test_forked_processes_make_the_same_in_order(numbers: range) -> None:
    here = list(in_order(_make, numbers))
    ahead = list(in_order(_make, numbers, num_workers=2))
    assert len(here) == len(ahead) == len(numbers)
    for one, other in zip(here, ahead, strict=True):
        assert np.array_equal(one["noise"], other["noise"])
        assert one["by"] == os.getpid() != other["by"]
    assert len({int(item["by"]) for item in ahead}) == min(2, len(numbers))


def test_without_workers_nothing_is_made_before_it_is_asked_for() -> None:
    made: list[int] = []
    items = in_order(made.append, range(5))
    next(items)
    assert made == [0]


def test_nobody_stays_behind_when_the_work_is_given_up() -> None:
    """As after Ctrl-C, which ends the loop that takes the items."""

    def interrupted(items: Iterator[object]) -> None:
        next(items)
        assert len(active_children()) == 2
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted(in_order(_make, range(10_000), num_workers=2))
    assert not active_children()


def test_what_a_process_raises_is_raised_here() -> None:
    def fails(number: int) -> int:
        if number == 2:
            raise ValueError("this one")
        return number

    items = in_order(fails, range(9), num_workers=2)
    assert [next(items), next(items)] == [0, 1]
    with pytest.raises(ValueError, match="this one"):
        next(items)


def test_workers_are_as_many_as_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prefetch.sys, "platform", "linux")
    monkeypatch.setattr(prefetch.os, "sched_getaffinity", lambda pid: range(3), raising=False)
    assert spare_workers() == 3
    monkeypatch.setattr(prefetch.os, "sched_getaffinity", lambda pid: range(300), raising=False)
    assert spare_workers() == 16
    monkeypatch.setattr(prefetch.sys, "platform", "darwin")
    assert spare_workers() == 0
