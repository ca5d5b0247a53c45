from pathlib import Path

from benchmarks.check import TimedFaces, confusion, rates
from benchmarks.planted import DEFECTS, NUM_CLEAN, TUNING_SEED
from facekit.faces.toon import load_toon_faces
from facekit.recipe import load_recipe


def test_planted_defects_are_found_and_clean_photos_are_used(tmp_path: Path):
    """The small version of the benchmark, on characters of its own."""
    faces = TimedFaces(load_toon_faces("toon-a"))
    seeds = range(TUNING_SEED + 200, TUNING_SEED + 203)
    counts = confusion(tmp_path, seeds, load_recipe("toon/train").photos, faces)
    assert sum(counts.values()) == len(seeds) * (NUM_CLEAN + len(DEFECTS) + 1)
    table = rates(counts)
    assert table["clean"]["false_alarms"] <= 0.08
    missed = {kind for kind in DEFECTS if table[kind]["found"] < 1.0}
    assert len(missed) <= 1, counts
    for kind in ("blurred", "bars", "posterised", "nobody"):
        assert table[kind]["named"] == 1.0
    assert faces.seconds > 0


def test_rates_tell_found_from_named():
    table = rates(
        {("clean", "used"): 9, ("clean", "blurred"): 1, ("bar", "no_face"): 1, ("bar", "used"): 1}
    )
    assert table["clean"] == {"photos": 10, "false_alarms": 0.1}
    assert table["bar"] == {"photos": 2, "found": 0.5, "named": 0.0}
