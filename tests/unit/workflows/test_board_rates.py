import pytest

from facekit.media.cache import cache_dir
from facekit.workflows.board_rates import RATES_FILE, Rate, estimate_pass, load_rates, record_rate


def rate(**changes):
    content = {
        "backbone": "b",
        "device": "cpu",
        "height": 96,
        "width": 96,
        "num_frames": 9,
        "seconds_per_pass": 0.5,
    }
    return Rate(**{**content, **changes})


def test_rates_are_kept_and_replaced():
    assert load_rates() == ()
    record_rate(rate())
    record_rate(rate(num_frames=17, seconds_per_pass=1.0))
    record_rate(rate(seconds_per_pass=0.25))
    assert sorted(x.seconds_per_pass for x in load_rates()) == [0.25, 1.0]


@pytest.mark.parametrize(
    "text", ["", "[]", '{"rates": [{"device": "cpu"}]}', '{"rates": 3}', "\xff"]
)
def test_a_damaged_file_counts_as_none(text):
    cache_dir().mkdir(parents=True)
    (cache_dir() / RATES_FILE).write_bytes(text.encode("latin-1"))
    assert load_rates() == ()
    record_rate(rate())
    assert load_rates() == (rate(),)


def test_just_this_size_or_the_nearest_by_pixels():
    known = [rate(), rate(num_frames=90, seconds_per_pass=8.0)]
    exact = estimate_pass(known, "b", "cpu", 96, 96, 9)
    assert (exact.seconds, exact.is_measured) == (0.5, True)
    scaled = estimate_pass(known, "b", "cpu", 96, 192, 9)
    assert (scaled.seconds, scaled.is_measured) == (1.0, False)
    assert estimate_pass(known, "b", "cuda", 96, 96, 9) is None
    assert estimate_pass(known, "other", "cpu", 96, 96, 9) is None
