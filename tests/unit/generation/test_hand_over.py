import numpy as np
import pytest

from facekit.generation.hand_over import ChainRule, Colours, choose_hand_over, soften

RULE = ChainRule(min_same_person=0.3, min_share=0.8, window=3)
NAN = float("nan")


def choose(scores, reference=0.6, needs_face=True, rule=RULE):
    given = None if scores is None else np.array(scores)
    count = 9 if scores is None else len(scores)
    return choose_hand_over(given, rule, reference, num_frames=count, needs_face=needs_face)


def test_the_likest_of_the_last_frames_is_handed_on():
    here = choose([0.9, 0.9, 0.9, 0.5, 0.6, 0.55])

    assert (here.frame, here.likeness, here.is_good) == (4, 0.6, True)
    assert here.reason == "the likest of the last 3 frames"


def test_of_equal_frames_the_last_is_handed_on():
    assert choose([0.6] * 9).frame == 8


def test_a_chain_without_a_judge_goes_on_from_the_last_frame_and_says_so():
    assert (choose(None).frame, choose(None).reason) == (8, "the last frame, not scored")


def test_an_earlier_frame_takes_the_place_of_somebody_elses_face():
    here = choose([0.6, 0.6, 0.6, 0.6, 0.55, 0.1, NAN, 0.2])

    assert (here.frame, here.is_good) == (4, True)
    assert here.reason == "3 frames back: after it 0.20, expected 0.48"


def test_a_chunk_that_is_lost_in_its_first_half_is_not_handed_on():
    here = choose([0.6, 0.6, 0.6, 0.2, 0.3, 0.2, 0.2, 0.2])

    assert (here.frame, here.is_good) == (4, False)
    assert here.reason == "at best 0.30, expected 0.48"


@pytest.mark.parametrize(("needs_face", "is_good"), [(True, False), (False, True)])
def test_frames_without_a_face_go_on_only_where_none_is_demanded(needs_face, is_good):
    assert choose([0.6, NAN, NAN, NAN, NAN], needs_face=needs_face).is_good is is_good


def test_a_face_of_another_is_never_handed_on_because_none_is_demanded():
    assert not choose([0.6, 0.1, 0.1, 0.1, 0.1], needs_face=False).is_good


def test_what_is_good_is_measured_by_the_first_chunk_and_the_encoder():
    assert RULE.lowest(None) == 0.3
    assert RULE.lowest(0.9) == pytest.approx(0.72)
    assert RULE.lowest(0.35) == 0.3, "a share of it would let a stranger through"
    assert RULE.lowest(0.2) == pytest.approx(0.16), "it is met badly from the start"


def test_colours_go_back_to_those_of_the_first_chunk():
    rng = np.random.default_rng(0)
    first = rng.integers(60, 180, (3, 16, 16, 3), dtype=np.uint8)
    pale = (first[0] * 0.5 + 110).astype(np.uint8)
    wanted = Colours.of(first)

    moved = Colours.of(wanted.put_on(pale, 1.0)[None])

    assert np.abs(moved.mean_3 - wanted.mean_3).max() < 1
    assert np.abs(moved.deviation_3 - wanted.deviation_3).max() < 1
    assert wanted.put_on(pale, 0.0) is pale


def test_edges_are_softened_and_areas_stay():
    frame = np.full((8, 8, 3), 100, np.uint8)
    frame[:, 4:] = 200

    soft = soften(frame, 0.45)

    assert soft[3, :, 0].tolist() == [100, 100, 100, 110, 190, 200, 200, 200]
    assert soften(frame, 0.0) is frame


def test_continued_chunks_are_guided_less():
    rule = ChainRule(guidance=0.5)
    assert [rule.guided(scale) for scale in (3.0, 1.0, 0.0)] == [2.0, 1.0, 0.0]
