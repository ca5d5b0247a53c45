from benchmarks.check_table import check_tables
from benchmarks.readme import CHECK_PHOTOS, with_check
from benchmarks.results import RESULTS_DIR

SPEED = {
    "photos": 8,
    "photos_per_s_cold": 4.0,
    "photos_per_s_warm": 400.0,
    "own_share_cold": 0.1,
    "speedup_warm": 100.0,
    "speedup_warm_new_process": 40.0,
    "start_s": 3.0,
}
FOUND = {
    "goal": {"found": 0.95, "false_alarms": 0.03},
    "rates": {
        "clean": {"photos": 9, "false_alarms": 0.0111},
        "bar": {"photos": 9, "found": 0.94, "named": 0.5, "named_first": 0.25},
    },
}


def test_what_misses_its_goal_is_bold():
    told = check_tables(FOUND)
    assert "| bar | 9 | **94%** | 50% | 25% |" in told
    assert "Of 9 clean photos 1.1 % were refused" in told
    goal = {"own_share_cold": 0.25, "speedup_warm": 50}
    large = {**SPEED, "own_share_cold": 0.3}
    told = check_tables({**FOUND, "speed": {**SPEED, "goal": goal, "large_photos": large}})
    assert "| drawings of 192 px | 8 | 4.0 | 10% | 400 | 100 | **40** |" in told
    assert "| large photos | 8 | 4.0 | **30%** | 400 | 100 | **40** |" in told


def test_the_how_to_holds_what_was_measured():
    text = CHECK_PHOTOS.read_text(encoding="utf-8")
    assert with_check(text, RESULTS_DIR) == text
