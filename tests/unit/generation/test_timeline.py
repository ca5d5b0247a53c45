import json
from fractions import Fraction
from pathlib import Path

import pytest

from facekit.errors import UsageError
from facekit.generation.timeline import (
    TimelineMarker,
    TimelineShot,
    build_timeline,
)
from tests.tiny.timelines import cut, shot


def test_handles_are_the_difference_of_two_ranges():
    timeline = build_timeline("ep01", cut(), Fraction(24), timecode="01:00:00:00")
    first, second = timeline.find_clips()
    assert first.name == "SEQ010_SH0010_with_a_long_name"
    assert (first.source_range.start_time.value, first.source_range.duration.value) == (1001, 24)
    available = first.media_reference.available_range
    assert (available.start_time.value, available.duration.value) == (993, 40)
    assert timeline.global_start_time.value == 86400
    assert second.range_in_parent().start_time.value == 24
    assert first.markers[0].marked_range.start_time.value == 1005
    assert (first.markers[0].color, first.markers[0].comment) == ("RED", "slope -0.05")
    assert timeline.duration().value == 48


def test_a_dissolve_lies_half_on_each_side():
    track = build_timeline("ep01", cut(dissolve=5), Fraction(24)).tracks[0]
    assert (track[1].in_offset.value, track[1].out_offset.value) == (2, 3)


def test_paths_are_whole_or_begin_at_the_timeline():
    media = Path("/show/renders/a b.mov")
    (whole,) = build_timeline("x", [shot(media=media)], Fraction(24)).find_clips()
    assert whole.media_reference.target_url == "file:///show/renders/a%20b.mov"
    (clip,) = build_timeline(
        "x", [shot(media=media)], Fraction(24), relative_to=Path("/show/timeline")
    ).find_clips()
    assert clip.media_reference.target_url == "../renders/a%20b.mov"


@pytest.mark.parametrize(
    ("shots", "said"),
    [
        ([], "no shots"),
        ([shot(source=(992, 24))], "expected inside the media, 993 to 1032"),
        ([shot(source=(1010, 24))], "cut 1010 to 1033"),
        ([shot(source=(1001, 0))], "cut 1001 to 1000"),
        ([shot(dissolve=4)], "a dissolve of 4 frames"),
        ([shot(), shot(name="b", dissolve=18)], "expected 9 and 9"),
    ],
)
def test_a_cut_that_the_media_do_not_hold_is_refused(shots, said):
    with pytest.raises(UsageError, match=said):
        build_timeline("ep01", shots, Fraction(24))


def test_a_shot_comes_back_from_its_record():
    made = shot(
        markers=(TimelineMarker(frame=1002, name="swap", kind="gate", num_frames=3),),
        metadata={"seed": 1},
        dissolve=4,
    )
    assert TimelineShot.from_json(json.loads(json.dumps(made.to_json()))) == made
    with pytest.raises(ValueError, match="unpack"):
        TimelineShot.from_json({**made.to_json(), "source": [1]})
