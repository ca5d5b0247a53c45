from facekit.training.pace import Pace


def test_fast_steps_are_counted_per_second_and_slow_ones_in_seconds() -> None:
    pace = Pace()
    assert pace.tell(0.5) == "2.00 steps/s"
    assert pace.tell(0.3) == "2.50 steps/s"
    assert Pace().tell(12.5) == "12.5 s/step"


def test_only_the_last_steps_count() -> None:
    pace = Pace()
    pace.tell(100.0)
    for _ in range(20):
        told = pace.tell(0.25)
    assert told == "4.00 steps/s"
