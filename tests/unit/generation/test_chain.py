"""Units are drawn by a function that says what it was asked and paints what it is told to."""

import dataclasses

import numpy as np
import pytest

from facekit.errors import FaceError, UsageError
from facekit.faces.align import template
from facekit.generation.chain import draw_chain
from facekit.generation.chunks import Drawn, LongShot, chunk_seed
from facekit.generation.hand_over import ChainRule
from facekit.types import Clip

RULE = ChainRule(
    min_same_person=0.3, min_share=0.8, window=1, redraws=1, colours=0.0, soften_px=0.0
)


class Painter:
    """Gives every frame of a unit the grey level of its place in the chain, and a likeness."""

    def __init__(self, likeness=lambda unit, frame: 0.6):
        self.likeness = likeness
        self.units = []

    def __call__(self, unit):
        self.units.append(unit)
        level = 0 if unit.start is None else int(unit.start[0, 0, 0])
        levels = np.arange(level, level + unit.num_frames, dtype=np.uint8)
        frames = np.broadcast_to(levels[:, None, None, None], (len(levels), 2, 2, 3))
        scores = np.array([self.likeness(unit, frame) for frame in range(unit.num_frames)])
        return Drawn(clip=Clip(frames=frames.copy(), fps=8.0), scores_F=scores)


def shot(num_frames=21, **options):
    return LongShot(seed=5, num_frames=num_frames, chunk_frames=9, **options)


def levels(chained):
    return chained.clip.frames[:, 0, 0, 0].tolist()


def test_chunks_join_without_a_repeated_frame_and_end_where_they_should():
    painter = Painter()

    chained = draw_chain(shot(), RULE, 4, painter)

    assert levels(chained) == list(range(21))
    assert [unit.num_frames for unit in painter.units] == [9, 9, 5]
    assert [chunk.first_frame for chunk in chained.chunks] == [0, 9, 17]
    assert [chunk.num_frames for chunk in chained.chunks] == [9, 8, 4]
    assert [unit.seed for unit in painter.units] == [chunk_seed(5, index, 0) for index in range(3)]
    assert (chained.requested_frames, chained.drawn_frames, chained.stopped) == (21, 23, "")


def test_a_length_between_two_grid_points_is_drawn_longer_and_cut():
    painter = Painter()

    chained = draw_chain(shot(num_frames=12), RULE, 4, painter)

    assert levels(chained) == list(range(12))
    assert [unit.num_frames for unit in painter.units] == [9, 5]
    assert chained.chunks[-1].drawn_frames == 5
    assert chained.chunks[-1].num_frames == 3


def test_a_bad_end_of_a_chunk_is_dropped_and_drawn_anew():
    painter = Painter(lambda unit, frame: 0.1 if unit.index == 1 and frame > 6 else 0.6)

    chained = draw_chain(shot(), RULE, 4, painter)

    assert levels(chained) == list(range(21)), "nothing is missing, and the bad frames are not in"
    assert chained.chunks[1].num_frames == 6
    assert "2 frames back" in chained.chunks[1].reason


def test_a_chunk_that_is_lost_is_drawn_again_with_another_seed():
    painter = Painter(lambda unit, frame: 0.1 if (unit.index, unit.attempt) == (1, 0) else 0.6)

    chained = draw_chain(shot(), RULE, 4, painter)

    again = chained.chunks[1]
    assert (again.attempt, again.seed) == (1, chunk_seed(5, 1, 1))
    assert again.redrawn == (f"seed {chunk_seed(5, 1, 0)}: at best 0.10, expected 0.48",)
    assert chained.drawn_frames == 9 + 9 + 9 + 5


def test_when_the_budget_is_spent_the_best_that_is_the_character_goes_on():
    painter = Painter(lambda unit, frame: 0.4 - unit.attempt / 50 if unit.index == 1 else 0.6)

    chained = draw_chain(shot(), RULE, 4, painter)

    assert not chained.stopped
    assert chained.chunks[1].attempt == 0
    assert len(chained.chunks[1].redrawn) == 2


def test_somebody_else_is_never_handed_on():
    painter = Painter(lambda unit, frame: 0.1 if unit.index == 1 else 0.6)

    chained = draw_chain(shot(), RULE, 4, painter)

    assert levels(chained) == list(range(9))
    assert chained.stopped == (
        "after 9 of 21 frames: chunk 1 shows nobody who could be handed on, 2 times"
        " (at best 0.10, expected 0.48)"
    )


def test_every_chunk_has_its_part_of_the_keyframes():
    painter = Painter()

    draw_chain(shot(strength=(0.0, 1.0)), RULE, 4, painter)

    first, second, third = (unit.strength for unit in painter.units)
    assert first[-1] == second[0] == pytest.approx(8 / 20)
    assert second[-1] == third[0] == pytest.approx(16 / 20)
    assert third[-1] == 1.0


def test_colours_of_what_is_handed_on_go_back_to_the_first_chunk():
    painter = Painter()
    kept = ChainRule(min_same_person=0.3, colours=1.0, window=1)

    chained = draw_chain(shot(), kept, 4, painter)

    assert painter.units[1].start[0, 0, 0] == 4, "the mean of 0 to 8"
    assert chained.reference == pytest.approx(0.6)


def test_a_picture_begins_the_first_chunk_and_is_part_of_the_shot():
    painter = Painter()
    picture = np.full((2, 2, 3), 50, np.uint8)

    chained = draw_chain(shot(num_frames=9, picture=picture), RULE, 4, painter)

    assert np.array_equal(painter.units[0].start, picture)
    assert levels(chained) == list(range(50, 59))


def before(num_frames, likeness):
    frames = np.zeros((num_frames, 2, 2, 3), np.uint8)
    frames += np.arange(num_frames, dtype=np.uint8)[:, None, None, None]
    clip = Clip(frames=frames, fps=8.0)
    return Drawn(clip=clip, scores_F=np.array([likeness(frame) for frame in range(num_frames)]))


def test_a_clip_is_made_longer_from_its_last_good_frame():
    painter = Painter()
    clip = before(12, lambda frame: 0.6 if frame < 11 else 0.1)

    chained = draw_chain(shot(num_frames=20, before=clip, first_index=2), RULE, 4, painter)

    assert levels(chained) == list(range(20))
    assert painter.units[0].index == 2
    assert painter.units[0].start[0, 0, 0] == 10
    assert chained.chunks[0].first_frame == 11


def test_a_clip_that_ends_with_somebody_else_is_refused():
    clip = before(12, lambda frame: 0.6 if frame < 4 else 0.1)

    with pytest.raises(FaceError, match=r"somebody else than .* at best 0\.10"):
        draw_chain(shot(num_frames=20, before=clip), RULE, 4, Painter())


def test_a_clip_of_somebody_else_is_refused():
    with pytest.raises(FaceError, match=r"its beginning is at 0\.20 of likeness"):
        draw_chain(shot(before=before(12, lambda _: 0.2)), RULE, 4, Painter())


def test_what_ends_with_a_cut_goes_on_from_its_last_frame_or_not_at_all():
    painter = Painter()
    turned = before(12, lambda frame: 0.6 if frame < 11 else np.nan)

    chained = draw_chain(shot(num_frames=20, before=turned, before_is_cut=True), RULE, 4, painter)

    assert levels(chained) == list(range(20)), "nothing of it is left out"
    assert painter.units[0].start[0, 0, 0] == 11, "nobody says that a turned face is another's"
    assert [unit.num_before for unit in painter.units] == [12]
    assert painter.units[0].first_frame == 11
    other = before(12, lambda frame: 0.6 if frame < 11 else 0.1)
    with pytest.raises(FaceError, match=r"shows somebody else .* 0\.10 .* 0\.30; make"):
        draw_chain(shot(num_frames=20, before=other, before_is_cut=True), RULE, 4, Painter())


def test_where_nothing_goes_on_the_last_frame_may_be_turned():
    rule = dataclasses.replace(RULE, window=3)
    painter = Painter(lambda unit, frame: np.nan if frame == 8 and unit.index else 0.6)

    chained = draw_chain(shot(num_frames=17, is_final=True, needs_face=True), rule, 4, painter)

    assert [unit.num_frames for unit in painter.units] == [9, 9]
    assert chained.chunks[-1].reason == "the end; the likest of the last 3 frames is good"
    whole = draw_chain(shot(num_frames=17, needs_face=True), rule, 4, painter)
    assert len(whole.chunks) > 2, "else it is drawn until its last frame is good"


def test_a_first_chunk_of_somebody_else_is_drawn_again_and_then_the_measure():
    painter = Painter(lambda unit, frame: 0.2 + unit.attempt / 50)

    chained = draw_chain(shot(), RULE, 4, painter)

    assert not chained.stopped
    assert [chunk.attempt for chunk in chained.chunks] == [1, 0, 0]
    assert chained.reference == pytest.approx(0.22)


def test_nothing_to_draw_is_an_error():
    with pytest.raises(UsageError, match="12 frames asked for and 12 there"):
        draw_chain(shot(num_frames=12, before=before(12, lambda _: 0.6)), RULE, 4, Painter())


MARKS = template(48) + 24.0


class Faces(Painter):
    """Paints pictures with room for a face."""

    def __call__(self, unit):
        drawn = super().__call__(unit)
        frames = np.broadcast_to(drawn.clip.frames[:, :1, :1], (unit.num_frames, 96, 96, 3))
        return Drawn(clip=Clip(frames=frames.copy(), fps=8.0), scores_F=drawn.scores_F)


def locate(frames):
    return np.broadcast_to(MARKS, (len(frames), 5, 2))


def likest_early(unit, frame):
    return {(0, 2): 0.9, (0, 8): 0.7}.get((unit.index, frame), 0.6)


def test_a_chain_that_has_lost_something_goes_back_to_its_likest_face():
    painter = Faces(likest_early)
    chained = draw_chain(shot(), RULE, 4, painter, locate)

    start = painter.units[2].start
    assert start[0, 0, 0] == 16, "surroundings go on"
    assert start[48, 48, 0] == 2, "the face is that of the likest frame"
    assert [chunk.anchored for chunk in chained.chunks] == [False, False, True]


@pytest.mark.parametrize(
    ("rule", "found", "likeness"),
    [
        (RULE, None, likest_early),
        (dataclasses.replace(RULE, anchor=0.0), locate, likest_early),
        (RULE, locate, lambda unit, frame: 0.8 if frame == 2 else 0.6),
    ],
    ids=["nobody locates", "no anchor", "nothing lost"],
)
def test_otherwise_the_face_is_handed_on_as_it_is(rule, found, likeness):
    painter = Faces(likeness)

    chained = draw_chain(shot(), rule, 4, painter, found)

    assert painter.units[2].start[48, 48, 0] == 16
    assert not any(chunk.anchored for chunk in chained.chunks)


def test_a_clip_that_is_made_longer_gets_the_face_of_its_own_beginning():
    painter = Faces()
    frames = (
        np.zeros((12, 96, 96, 3), np.uint8) + np.arange(12, dtype=np.uint8)[:, None, None, None]
    )
    scores = np.array([0.9] + [0.7] * 8 + [0.6] * 3)
    clip = Drawn(clip=Clip(frames=frames, fps=8.0), scores_F=scores)

    draw_chain(shot(num_frames=20, before=clip, first_index=2), RULE, 4, painter, locate)

    assert painter.units[0].start[0, 0, 0] == 11
    assert painter.units[0].start[48, 48, 0] == 0
