import json
from pathlib import Path

import pytest

from facekit.errors import MediaError
from facekit.media.delivery import plan_delivery
from facekit.media.facts import read_facts
from facekit.media.movies import write_mezzanine
from facekit.media.video import write_clip
from tests.tiny.bt709 import smooth_clip


def test_facts_are_those_of_the_file(tmp_path: Path) -> None:
    """A take has its index last and no timecode."""
    write_clip(tmp_path / "a.mp4", smooth_clip(3))
    facts = read_facts(tmp_path / "a.mp4")
    assert (facts.codec, facts.num_frames, facts.rate, facts.timecode) == ("h264", 3, 8, None)
    assert not facts.index_first
    assert json.loads(json.dumps(facts.to_json()))["rate"] == [8, 1]


def test_frames_that_contradict_the_file_are_noticed(tmp_path: Path) -> None:
    """Each ProRes frame says its own colours; a player believes either."""
    clip = smooth_clip(1)
    write_mezzanine(tmp_path / "a.mov", clip, plan_delivery(clip))
    content = bytearray((tmp_path / "a.mov").read_bytes())
    frame = content.index(b"icpf")
    assert content[frame + 18 : frame + 21] == b"\1\1\1"
    content[frame + 18 : frame + 21] = b"\6\6\6"
    (tmp_path / "b.mov").write_bytes(content)
    assert read_facts(tmp_path / "a.mov").frames_agree
    assert not read_facts(tmp_path / "b.mov").frames_agree


def test_frames_are_counted_and_not_believed(tmp_path: Path) -> None:
    clip = smooth_clip(4)
    write_mezzanine(tmp_path / "a.mov", clip, plan_delivery(clip, fps=24))
    assert read_facts(tmp_path / "a.mov").num_frames == 12


def test_what_is_no_movie_is_told(tmp_path: Path) -> None:
    with pytest.raises(MediaError, match="no such file"):
        read_facts(tmp_path / "a.mov")
    (tmp_path / "a.mov").write_bytes(b"no movie at all")
    with pytest.raises(MediaError, match=r"not a movie that can be read \(.*\); make it again"):
        read_facts(tmp_path / "a.mov")
