import dataclasses

import pytest

from facekit.backbones.wan import TOON
from facekit.generation.chunks import chunk_frames, chunk_seed, count_chunks, keyframes_between


def test_seeds_are_a_pure_function_and_differ():
    assert chunk_seed(7, 0, 0) == 7, "the first chunk is the shot as it always was"
    seeds = [chunk_seed(7, chunk, attempt) for chunk in range(20) for attempt in range(3)]
    assert len({*seeds, *(chunk_seed(8, chunk, 0) for chunk in range(20))}) == 80
    assert chunk_seed(7, 3, 1) == 1042064180


def test_a_chunk_is_as_long_as_the_backbone_allows():
    assert chunk_frames(TOON) == 17
    assert chunk_frames(dataclasses.replace(TOON, max_frames=20)) == 17
    assert chunk_frames(dataclasses.replace(TOON, max_frames=20, frame_multiple=1)) == 20


@pytest.mark.parametrize(
    ("num_frames", "is_continued", "expected"),
    [(17, False, 1), (18, False, 2), (33, False, 2), (34, False, 3), (16, True, 1), (17, True, 2)],
)
def test_the_chunks_are_counted_with_the_frame_that_two_share(num_frames, is_continued, expected):
    assert count_chunks(num_frames, 17, is_continued=is_continued) == expected


def test_keyframes_go_on_from_chunk_to_chunk():
    keys = (0.0, 1.0, 0.5)

    first = keyframes_between(keys, 101, 0, 51)
    second = keyframes_between(keys, 101, 50, 51)

    assert first == pytest.approx([frame / 50 for frame in range(51)])
    assert second[0] == first[-1] == 1.0
    assert second[-1] == 0.5
    assert keyframes_between(keys, 101, 98, 9)[-5:] == (0.5,) * 5, "what is cut off does not count"
    assert keyframes_between(0.7, 101, 50, 51) == 0.7
