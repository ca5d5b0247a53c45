import pytest

from benchmarks import sampling
from benchmarks.results import RESULTS_DIR
from benchmarks.rounds import cpu_seconds, ratio
from benchmarks.sampling import GOAL_SWITCH_SECONDS, measure_tiny
from tests.tiny.backbones import FAMILIES
from tests.tiny.slow import slow_but


@pytest.mark.parametrize("name", slow_but(FAMILIES, "cogvideox_2b"))
def test_every_family_can_be_measured(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The measurement asks nothing else of a backbone than its family."""
    monkeypatch.setattr(sampling, "PASSES", 2)
    found = measure_tiny(name, rounds=1)

    assert set(found) == {
        "base_cpu_seconds_median",
        "folded_ratio_median",
        "unfolded_ratio_median",
        "switch_cpu_seconds_median",
        "attach_cpu_seconds_median",
        "detach_cpu_seconds_median",
    }
    assert all(value > 0 for value in found.values())


def test_a_switch_of_the_shipped_backbone_is_quick_enough() -> None:
    """What was published; other weights or another machine publish anew."""
    import json

    found = json.loads((RESULTS_DIR / "sampling.json").read_text(encoding="utf-8"))

    assert found["toon_as_it_ships"]["switch_cpu_seconds_median"] < GOAL_SWITCH_SECONDS


def test_ways_run_in_turn_after_a_warm_up() -> None:
    ran: list[str] = []

    taken = cpu_seconds({name: lambda name=name: ran.append(name) for name in "ab"}, rounds=2)

    assert "".join(ran) == "ab" + "abab"
    assert [len(seconds) for seconds in taken.values()] == [2, 2]
    assert ratio({"a": [2.0, 4.0, 9.0], "b": [1.0, 2.0, 3.0]}, "a", "b") == 2.0
