import json
from pathlib import Path
from typing import Any

import pytest

from benchmarks.check import draw_confusion, measure_rates, rates
from benchmarks.planted import DEFECTS, NUM_CLEAN, TUNING_SEED

CHARACTERS = 2


@pytest.fixture(scope="module")
def values() -> dict[str, Any]:
    """The small version of the benchmark, on characters of its own."""
    return measure_rates(TUNING_SEED + 200, CHARACTERS, "toon-a")


def test_planted_defects_are_found_and_clean_photos_are_used(values: dict[str, Any]):
    table, counts = values["rates"], values["confusion"]
    assert sum(counts.values()) == CHARACTERS * (NUM_CLEAN + len(DEFECTS) + 1)
    assert table["clean"]["false_alarms"] <= 0.08
    missed = {kind for kind in DEFECTS if table[kind]["found"] < 1.0}
    assert len(missed) <= 1, counts
    for kind in ("blurred", "dark", "bars", "posterised", "nobody"):
        assert table[kind]["named"] == 1.0
    for kind in ("small", "burnt", "cut off", "stranger"):  # a face that was not found is explained
        assert table[kind]["named"] >= 0.3, counts


def test_rates_tell_found_from_named_and_named_first():
    table = rates(
        {
            ("clean", ("used",)): 9,
            ("clean", ("blurred",)): 1,
            ("bar", ("no_face",)): 1,
            ("bar", ("used",)): 1,
            ("bar", ("occluded", "wrong_person")): 1,
            ("bar", ("wrong_person", "occluded")): 1,
        }
    )
    assert table["clean"] == {"photos": 10, "false_alarms": 0.1}
    assert table["bar"] == {"photos": 4, "found": 0.75, "named": 0.5, "named_first": 0.25}


def test_what_is_published_adds_up(tmp_path: Path, values: dict[str, Any]):
    json.dumps(values, allow_nan=False)
    assert values["characters"] == CHARACTERS
    false = sum(values["false_alarms_by_code"].values())
    assert false == pytest.approx(values["rates"]["clean"]["false_alarms"], abs=1e-3)
    draw_confusion(values["confusion"], tmp_path / "check.png")
    assert (tmp_path / "check.png").stat().st_size > 10_000
