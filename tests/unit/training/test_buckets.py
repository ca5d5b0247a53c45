"""Which views share a step: one size, the share of tokens, everything reached."""

import pytest

from facekit.training.batches import choose_samples
from facekit.training.buckets import choose_bucket, clip_probability, fewest_samples
from facekit.training.chance import uniform
from facekit.training.settings import TrainSettings
from tests.tiny.training import RECIPE_SETTINGS

PHOTO, WIDE = (16, 1, 6, 6), (16, 1, 6, 11)
CLIP, LONG, WIDE_CLIP = (16, 3, 6, 6), (16, 21, 6, 6), (16, 3, 6, 11)
MIXES = {
    "few long clips": [PHOTO] * 5 + [WIDE] * 2 + [LONG] * 2,
    "clips of two sizes": [PHOTO] * 3 + [CLIP] * 4 + [WIDE_CLIP] * 3,
    "one photo": [PHOTO] + [CLIP] * 6 + [LONG],
}


def tokens(size: tuple[int, ...]) -> int:
    return size[1] * size[2] * size[3]


def clips_of(sizes: list[tuple[int, ...]]) -> set[int]:
    return {index for index, size in enumerate(sizes) if size[1] > 1}


@pytest.mark.parametrize("mix", MIXES.values(), ids=MIXES)
@pytest.mark.parametrize("share", [0.2, 0.5, 0.9])
@pytest.mark.parametrize("batch_size", [1, 8])
def test_clips_have_their_share_of_the_tokens_in_the_long_run(
    mix: list[tuple[int, ...]], share: float, batch_size: int
) -> None:
    clips, given = clips_of(mix), {True: 0, False: 0}
    for step in range(1000):
        members, count = choose_bucket(3, step, mix, clips, batch_size, share)
        given[members[0] in clips] += count * tokens(mix[members[0]])
    assert given[True] / sum(given.values()) == pytest.approx(share, abs=0.06)


@pytest.mark.parametrize("mix", MIXES.values(), ids=MIXES)
def test_a_step_holds_one_size_of_one_kind_and_reaches_every_view(
    mix: list[tuple[int, ...]],
) -> None:
    clips, reached = clips_of(mix), set()
    for step in range(400):
        members, count = choose_bucket(0, step, mix, clips, 4, 0.5)
        assert len({mix[view] for view in members}) == 1
        assert len({view in clips for view in members}) == 1
        assert count >= 1
        reached |= set(members)
    assert reached == set(range(len(mix)))


def test_a_step_of_clips_has_about_as_many_tokens_as_one_of_photos() -> None:
    mix = [PHOTO, PHOTO, CLIP, LONG]
    counts = {}
    for step in range(200):
        members, count = choose_bucket(0, step, mix, {2, 3}, 8, 0.5)
        counts[mix[members[0]]] = count
    assert counts == {PHOTO: 8, CLIP: 3, LONG: 1}


def test_photos_that_stand_still_for_several_frames_are_no_clips() -> None:
    """A clip and a photo of the same size never share a step: their shares would not hold."""
    mix = [CLIP, CLIP, CLIP]
    kinds = {tuple(choose_bucket(0, step, mix, {2}, 4, 0.5)[0]) for step in range(60)}
    assert kinds == {(0, 1), (2,)}


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_the_ends_of_the_share(share: float) -> None:
    mix = [PHOTO, PHOTO, CLIP]
    assert clip_probability(mix, {2}, 4, share) == share
    drawn = {tuple(choose_bucket(0, step, mix, {2}, 4, share)[0]) for step in range(40)}
    assert drawn == ({(0, 1)} if share == 0 else {(2,)})


def test_clips_alone_fill_every_step() -> None:
    assert choose_bucket(0, 0, [CLIP, CLIP], {0, 1}, 4, 0.5) == ([0, 1], 4)


def test_without_clips_nothing_is_drawn_otherwise_than_before_there_were_any() -> None:
    """The rule as it was: a bucket by its number of views, and the batch size as it is."""
    mix = [PHOTO, WIDE, PHOTO, WIDE, PHOTO]
    for step in range(50):
        size = mix[int(uniform(7, "bucket", step) * len(mix))]
        expected = [view for view in range(len(mix)) if mix[view] == size]
        assert choose_bucket(7, step, mix, (), 6, 0.5) == (expected, 6)


def _drawn(step: int, settings: TrainSettings = RECIPE_SETTINGS) -> object:
    mix = MIXES["few long clips"]
    return choose_samples(step, settings, [0] * 9, mix, 5, clips=clips_of(mix))


def test_a_step_does_not_depend_on_the_steps_before_it() -> None:
    forward = [_drawn(step) for step in range(20)]
    backward = [_drawn(step) for step in reversed(range(20))]
    assert forward == backward[::-1]


def test_samples_of_clips_number_what_the_bucket_says() -> None:
    mix = MIXES["few long clips"]
    numbers = {len(_drawn(step)) for step in range(60)}  # type: ignore[arg-type]
    assert numbers == {RECIPE_SETTINGS.batch_size, 1}
    assert RECIPE_SETTINGS.batch_size * tokens(WIDE) < 2 * tokens(LONG)
    assert tokens(mix[-1]) == tokens(LONG)


@pytest.mark.parametrize("mix", MIXES.values(), ids=MIXES)
@pytest.mark.parametrize("batch_size", [1, 8])
def test_no_step_has_fewer_samples_than_are_told(
    mix: list[tuple[int, ...]], batch_size: int
) -> None:
    clips = clips_of(mix)
    drawn = [choose_bucket(3, step, mix, clips, batch_size, 0.5)[1] for step in range(200)]
    assert fewest_samples(mix, clips, batch_size) == min(drawn)
