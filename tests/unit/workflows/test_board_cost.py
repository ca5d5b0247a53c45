import pytest

from facekit.workflows.board_cost import cost_of, shot_seconds, time_words
from facekit.workflows.board_rates import Rate
from tests.tiny.boards import plans, shots

RATE = Rate(
    backbone="d" * 64, device="cpu", height=96, width=96, num_frames=17, seconds_per_pass=0.1
)


def planned():
    return tuple(
        plans(
            shots(
                "id: SH0010, frames: 17, place: a, takes: 2",
                "id: SH0020, frames: 33, place: a, gates: {max_takes: 1}",
                more="deliver: {handles: 0}",
            )
        ).values()
    )


def test_chunks_steps_passes_and_takes_are_counted():
    first, second = planned()
    assert shot_seconds(first, [RATE], "cpu") == (pytest.approx(0.1 * 20 * 2), True)
    assert second.frames.chunks == (17, 17)
    cost = cost_of((first, second), [RATE], "cpu")
    assert (cost.shots, cost.takes, cost.chunks, cost.drawn_frames) == (2, 3, 4, 68)
    assert cost.seconds == pytest.approx(4 * 2 + 8)
    assert cost.worst_seconds == pytest.approx(4 * 4 + 8)
    assert "16 s, at most 24 s with retakes (measured on cpu)" in cost.describe()
    assert cost.to_json()["delivered_frames"] == 50


def test_the_pass_that_looks_for_regions_is_counted():
    pair = "characters: [{id: mira}, {id: tom}]"
    given = "characters: [{id: mira, region: left}, {id: tom, region: right}]"
    pinned = f"{pair}, first_frame: {{image: a.png}}"
    found = plans(
        shots(
            *(f"id: SH00{n}0, frames: 17, {x}" for n, x in enumerate((pair, given, pinned), 1)),
            more="deliver: {handles: 0}",
        )
    )
    took = [shot_seconds(shot, [RATE], "cpu")[0] for shot in found.values()]
    assert took == [pytest.approx(0.1 * 2 * steps) for steps in (28, 20, 20)]


def test_unknown_time_is_called_unknown():
    cost = cost_of(planned(), [], "cpu")
    assert cost.seconds is None
    assert "time unknown" in cost.describe()
    assert "--measure" in cost.basis


@pytest.mark.parametrize(("seconds", "words"), [(40.4, "40 s"), (720, "12 min"), (12600, "3.5 h")])
def test_times_are_told_in_words(seconds, words):
    assert time_words(seconds) == words
