from fractions import Fraction

from hypothesis import given, settings
from hypothesis import strategies as st

from facekit.generation.storyboard_frames import (
    frames_of_seconds,
    plan_chunks,
    plan_frames,
)
from facekit.media.timecode import exact_rate


def frames(**changes):
    asked = {
        "seconds": None,
        "frames": 13,
        "head": 0,
        "tail": 0,
        "rate": Fraction(8),
        "native": Fraction(8),
        "retime": "repeat",
        "lead": 0,
        "step": 4,
        "most": 17,
    }
    return plan_frames(**{**asked, **changes})


def test_seconds_become_the_nearest_number_of_frames():
    assert frames_of_seconds(4.0, Fraction(24000, 1001)) == 96
    assert frames_of_seconds(0.0625, Fraction(8)) == 1
    assert frames_of_seconds(0.3125, Fraction(8)) == 3  # half a frame counts up
    assert frames_of_seconds(600, Fraction(30000, 1001)) == 17982


def test_what_is_asked_and_what_is_drawn_are_both_told():
    plan = frames(frames=14, head=2, tail=2)
    assert (plan.asked, plan.cut, plan.delivered) == ("14 frames", 14, 18)
    assert plan.chunks == (17, 5)
    assert (plan.drawn, plan.used, plan.trimmed) == (21, 18, 3)
    assert plan.to_json()["rate"] == [8, 1]


def test_frames_repeat_so_that_motion_keeps_its_speed():
    plan = frames(frames=24, rate=Fraction(24))
    assert plan.source_frames() == tuple(index // 3 for index in range(24))
    assert plan.chunks == (9,)
    assert plan.seconds == 1.0


def test_frames_are_left_out_where_the_delivery_is_slower():
    plan = frames(frames=4, rate=Fraction(4))
    assert plan.source_frames() == (0, 2, 4, 6)


def test_conformed_frames_are_each_delivered_once():
    plan = frames(frames=24, rate=Fraction(24), retime="conform")
    assert plan.source_frames() == tuple(range(24))
    assert plan.chunks == (17, 9)


def test_a_shot_that_goes_on_draws_one_frame_that_is_not_delivered():
    plan = frames(frames=8, lead=1)
    assert plan.chunks == (9,)
    assert plan.source_frames() == tuple(range(1, 9))
    assert frames(frames=1, lead=1).chunks == (5,)


def test_what_is_too_much_goes_from_the_start_where_the_end_is_pinned():
    plan = frames(frames=11, ends_pinned=True)
    assert (plan.skipped, plan.trimmed) == (2, 0)
    assert plan.source_frames() == tuple(range(2, 13))


@settings(max_examples=200, deadline=None)
@given(
    needed=st.integers(1, 2000), step=st.integers(1, 8), half=st.integers(1, 20),
    least=st.integers(1, 2),
)  # fmt: skip
def test_chunks_are_legal_and_just_enough(needed, step, half, least):
    most = step * half + 1
    chunks = plan_chunks(needed, step=step, most=most, least=least)
    assert all(1 <= chunk <= most and chunk % step == 1 % step for chunk in chunks)
    assert all(chunk >= 2 for chunk in chunks[1:])
    assert chunks[0] >= least or most < least
    drawn = sum(chunks) - (len(chunks) - 1)
    assert needed <= drawn < max(needed, least) + step


@settings(max_examples=100, deadline=None)
@given(
    cut=st.integers(1, 300), head=st.integers(0, 9), lead=st.integers(0, 1),
    fps=st.sampled_from([4.0, 8.0, 12.5, 23.976, 24.0, 29.97, 60.0]), pinned=st.booleans(),
)  # fmt: skip
def test_every_delivered_frame_is_drawn(cut, head, lead, fps, pinned):
    plan = frames(frames=cut, head=head, lead=lead, rate=exact_rate(fps), ends_pinned=pinned)
    shown = plan.source_frames()
    assert len(shown) == plan.delivered == cut + head
    assert shown[0] == plan.lead + plan.skipped
    assert shown[-1] == plan.drawn - 1 - plan.trimmed
    assert plan.trimmed >= 0
    assert list(shown) == sorted(shown)
