"""What is written is read again by OpenTimelineIO itself."""

from fractions import Fraction

import pytest

from facekit.errors import UsageError
from facekit.generation.timeline import build_timeline
from facekit.generation.timeline_files import (
    TIMELINE_SUFFIXES,
    lost_in,
    write_timeline,
)
from tests.tiny.timelines import cut, read_timeline, shot

NAMES = ["SEQ010_SH0010_with_a_long_name", "SEQ010_SH0020"]
NTSC = Fraction(24000, 1001)
DROP = Fraction(30000, 1001)


def again(tmp_path, kind, rate=Fraction(24), dissolve=0, shots=None):
    timeline = build_timeline("ep01", shots or cut(dissolve), rate)
    path = write_timeline(timeline, tmp_path / f"ep01{TIMELINE_SUFFIXES[kind]}", kind)
    return read_timeline(path, rate)


def ranges(clips):
    return [(x.source_range.start_time.value, x.source_range.duration.value) for x in clips]


@pytest.mark.parametrize(
    ("kind", "rate"),
    [
        *(("otio", x) for x in (Fraction(24), NTSC, Fraction(25), Fraction(16), Fraction(25, 2))),
        *(("edl", x) for x in (Fraction(24), NTSC, Fraction(25), DROP, Fraction(60))),
        *(("xml", x) for x in (Fraction(24), NTSC, Fraction(25), DROP, Fraction(60))),
        *(("fcpxml", x) for x in (Fraction(24), Fraction(25), Fraction(30), Fraction(50))),
    ],
)
def test_names_and_cuts_come_back(tmp_path, kind, rate):
    clips = again(tmp_path, kind, rate).find_clips()
    assert [clip.name for clip in clips] == NAMES
    assert ranges(clips) == [(1001, 24), (1001, 24)]
    assert all(abs(x.source_range.start_time.rate - float(rate)) < 1e-6 for x in clips)


@pytest.mark.parametrize("kind", ["otio", "xml", "fcpxml"])
def test_handles_and_media_come_back(tmp_path, kind):
    first, second = (x.media_reference for x in again(tmp_path, kind).find_clips())
    available = first.available_range
    assert (available.start_time.value, available.duration.value) == (993, 40)
    assert second.target_url == "file:///show/renders/SEQ010_SH0020_v001.mov"


@pytest.mark.parametrize("kind", ["otio", "xml"])
def test_the_start_and_dissolves_come_back(tmp_path, kind):
    timeline = again(tmp_path, kind, dissolve=6)
    assert timeline.global_start_time.value == 86400
    assert [type(x).__name__ for x in timeline.tracks[0]] == ["Clip", "Transition", "Clip"]
    transition = timeline.tracks[0][1]
    assert (transition.in_offset.value, transition.out_offset.value) == (3, 3)
    assert ranges(timeline.find_clips()) == [(1001, 24), (1001, 24)]


def test_an_edl_begins_at_its_timecode_and_keeps_full_names(tmp_path):
    again(tmp_path, "edl", dissolve=6)
    text = (tmp_path / "ep01.edl").read_text()
    assert "TITLE: ep01" in text
    assert "00:00:41:17 00:00:42:14 01:00:00:00 01:00:00:21" in text
    assert "* FROM CLIP NAME:  SEQ010_SH0010_with_a_long_name" in text
    assert "D 006" in text
    assert "* LOC: 00:00:41:21 RED     DRIFT: SLOPE -0.05" in text


def test_an_edl_has_drop_frames_where_editors_have_them(tmp_path):
    again(tmp_path, "edl", DROP)
    assert "01:00:00;00" in (tmp_path / "ep01.edl").read_text()


@pytest.mark.parametrize(
    ("names", "reels"),
    [
        (["SEQ010_SH0010", "SEQ010_SH0020"], ["10SH0010", "10SH0020"]),
        (["A_SH0010_long_end", "B_SH0010_long_end"], ["R0000001", "R0000002"]),
        (["A1", "B"], ["000000A1", "0000000B"]),
    ],
)
def test_reels_of_an_edl_are_told_apart(tmp_path, names, reels):
    again(tmp_path, "edl", shots=[shot(name=name) for name in names])
    events = [x for x in (tmp_path / "ep01.edl").read_text().splitlines() if x[:3].isdigit()]
    assert [event.split()[1] for event in events] == reels


def test_markers_of_final_cut_7_count_from_the_first_frame_of_the_file(tmp_path):
    again(tmp_path, "xml")
    text = (tmp_path / "ep01.xml").read_text()
    assert "<in>12</in>" in text  # 1005 in a file that begins at 993
    assert "slope -0.05" in text


@pytest.mark.parametrize("kind", ["edl", "xml", "fcpxml"])
@pytest.mark.parametrize("rate", [Fraction(8), Fraction(16), Fraction(25, 2)])
def test_a_rate_without_timecode_is_refused(tmp_path, kind, rate):
    with pytest.raises(UsageError, match="frames per second, expected one of"):
        again(tmp_path, kind, rate)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("kind", TIMELINE_SUFFIXES)
def test_writing_changes_nothing_in_the_timeline(tmp_path, kind):
    timeline = build_timeline("ep01", cut(6), Fraction(24))
    before = timeline.to_json_string()
    write_timeline(timeline, tmp_path / "x", kind)
    assert timeline.to_json_string() == before


def test_what_a_format_cannot_hold_is_told():
    timeline = build_timeline("ep01", cut(6), Fraction(24))
    assert lost_in(timeline, "otio") == ()
    assert any("handles" in text for text in lost_in(timeline, "edl"))
    assert any("colours" in text for text in lost_in(timeline, "xml"))
    assert any("1 dissolves become cuts" in text for text in lost_in(timeline, "fcpxml"))
