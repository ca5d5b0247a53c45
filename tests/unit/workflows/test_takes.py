import json

import numpy as np
import pytest

from facekit.errors import MediaError, OutputExists
from facekit.types import Clip, Shot
from facekit.workflows.takes import ensure_new_takes, read_take, scan_takes, write_take

SHOT = Shot(
    name="01-park",
    prompt="close-up of @mira in the park",
    seed=3,
    num_frames=2,
    height=32,
    width=48,
    kind="close-up",
)
CLIP = Clip(frames=np.full((2, 32, 48, 3), 120, np.uint8), fps=8.0)


def test_a_take_comes_back_as_it_was(tmp_path):
    path = write_take(tmp_path, SHOT, CLIP, {"strength": 0.8})

    take = read_take(path)
    assert take.shot == SHOT
    assert take.clip.fps == 8.0
    assert np.abs(take.clip.frames.astype(int) - 120).max() <= 2
    assert take.record["strength"] == 0.8
    assert path.with_suffix(".png").is_file()


def test_a_take_that_is_there_is_not_replaced(tmp_path):
    write_take(tmp_path, SHOT, CLIP, {})

    with pytest.raises(OutputExists, match="01-park"):
        ensure_new_takes([SHOT], tmp_path, force=False)
    ensure_new_takes([SHOT], tmp_path, force=True)


def test_a_clip_from_elsewhere_needs_no_record(tmp_path):
    write_take(tmp_path, SHOT, CLIP, {})
    (tmp_path / "01-park.json").unlink()
    path = (tmp_path / "01-park.mp4").rename(tmp_path / "my_close_up_07.mp4")

    take = read_take(path)

    assert (take.shot.name, take.shot.kind, take.shot.prompt) == ("my_close_up_07", "close-up", "")
    assert take.record == {}


@pytest.mark.parametrize("text", ["", "{}", '{"shot": {"name": "x"}}', "[]"])
def test_a_damaged_record_is_named(tmp_path, text):
    path = write_take(tmp_path, SHOT, CLIP, {})
    path.with_suffix(".json").write_text(text)

    with pytest.raises(MediaError, match=r"01-park\.json: not the record of a take"):
        read_take(path)


def test_folders_give_their_clips_in_order_and_nothing_else(tmp_path):
    for name in ("b", "a"):
        shot = Shot(**{**json.loads(json.dumps(SHOT_FIELDS)), "name": name})
        write_take(tmp_path, shot, CLIP, {})
    (tmp_path / "base").mkdir()

    found = scan_takes([tmp_path, tmp_path / "a.mp4"])

    assert [path.name for path in found] == ["a.mp4", "b.mp4"]
    with pytest.raises(MediaError, match="no clips found; make some with facekit shoot"):
        scan_takes([tmp_path / "base"])
    with pytest.raises(MediaError, match="no such file or folder"):
        scan_takes([tmp_path / "nothing"])


SHOT_FIELDS = {
    "name": "a",
    "prompt": "p",
    "seed": 1,
    "num_frames": 2,
    "height": 32,
    "width": 48,
    "kind": "wide shot",
}
