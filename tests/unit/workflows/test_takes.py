import dataclasses
import errno
import os
from pathlib import Path

import numpy as np
import pytest

from facekit.errors import MediaError, OutputError, OutputExists
from facekit.types import Clip, Shot
from facekit.workflows import takes
from facekit.workflows.takes import find_done, is_done, read_take, scan_takes, write_take

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


def test_what_cannot_be_removed_ends_as_an_error_with_a_next_step(tmp_path):
    """It was a traceback."""
    (tmp_path / "01-park.mp4").mkdir()
    with pytest.raises(OutputError, match=r"01-park\.mp4: not written .*; choose another --out"):
        write_take(tmp_path, SHOT, CLIP, {})


OWN, OTHER = "a" * 64, "b" * 64
NEXT = dataclasses.replace(SHOT, name="02-park")


def test_a_take_that_was_made_in_this_way_is_done(tmp_path):
    write_take(tmp_path, SHOT, CLIP, {"fingerprint": OWN})

    assert find_done([SHOT, NEXT], [OWN, OWN], tmp_path, force=False) == (True, False)
    assert find_done([SHOT, NEXT], [OWN, OWN], tmp_path, force=True) == (False, False)
    assert is_done(tmp_path, SHOT, OWN)
    assert not is_done(tmp_path, SHOT, OTHER)


@pytest.mark.parametrize("record", [{}, {"fingerprint": OTHER}])
def test_a_take_that_was_made_otherwise_is_not_replaced(tmp_path, record):
    write_take(tmp_path, SHOT, CLIP, record)

    with pytest.raises(OutputExists, match=r"01-park\.mp4: exists and is not what this"):
        find_done([SHOT], [OWN], tmp_path, force=False)
    assert find_done([SHOT], [OWN], tmp_path, force=True) == (False,)


def test_a_clip_without_a_record_is_nobodys(tmp_path):
    write_take(tmp_path, SHOT, CLIP, {"fingerprint": OWN})
    (tmp_path / "01-park.json").unlink()

    with pytest.raises(OutputExists, match=r"01-park\.mp4"):
        find_done([SHOT], [OWN], tmp_path, force=False)


@pytest.mark.parametrize("last", ["write_clip", "write_image"])
def test_what_a_kill_left_unfinished_is_made_again(tmp_path, monkeypatch, last):
    """The clip came first, so that a kill left one that the same command refused to replace."""

    def kill(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(takes, last, kill)
        with pytest.raises(KeyboardInterrupt):
            write_take(tmp_path, SHOT, CLIP, {"fingerprint": OWN})
    assert find_done([SHOT], [OWN], tmp_path, force=False) == (False,)
    write_take(tmp_path, SHOT, CLIP, {"fingerprint": OWN})
    assert is_done(tmp_path, SHOT, OWN)


def test_a_kill_while_replacing_leaves_no_clip_with_the_record_of_another(tmp_path, monkeypatch):
    write_take(tmp_path, SHOT, CLIP, {"fingerprint": OTHER})

    def kill(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(takes, "write_clip", kill)
    with pytest.raises(KeyboardInterrupt):
        write_take(tmp_path, SHOT, CLIP, {"fingerprint": OWN})
    assert not is_done(tmp_path, SHOT, OWN)
    assert not is_done(tmp_path, SHOT, OTHER)


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
        write_take(tmp_path, dataclasses.replace(SHOT, name=name), CLIP, {})
    (tmp_path / "base").mkdir()

    found = scan_takes([tmp_path, tmp_path / "a.mp4"])

    assert [path.name for path in found.clips] == ["a.mp4", "b.mp4"]
    assert found.names == ("a", "b")
    assert found.root == tmp_path
    with pytest.raises(MediaError, match="no clips found; make some with facekit shoot"):
        scan_takes([tmp_path / "base"])
    with pytest.raises(MediaError, match="no such file or folder"):
        scan_takes([tmp_path / "nothing"])


def test_a_file_that_is_no_video_is_refused_before_anything_is_measured(tmp_path):
    write_take(tmp_path, SHOT, CLIP, {})
    (tmp_path / "notes.md").write_text("notes")
    renamed = tmp_path / "take.backup"
    renamed.write_bytes((tmp_path / "01-park.mp4").read_bytes())

    with pytest.raises(
        MediaError, match=r"notes\.md: not a video, expected a file ending in \.3gp \.avi"
    ):
        scan_takes([tmp_path / "notes.md"])
    assert scan_takes([renamed]).clips == (renamed,)


def touch(root, *names):
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


def test_subfolders_are_searched_in_natural_order(tmp_path):
    """Clips in folders of their own, as day by day, were not seen at all."""
    touch(tmp_path, "day 10/1.mp4", "day 2/10.MOV", "day 2/9.mp4", "day 2/late/1.webm", "zoom.mp4")

    found = scan_takes([tmp_path])

    assert found.names == ("day 2/9", "day 2/10", "day 2/late/1", "day 10/1", "zoom")
    assert [path.relative_to(tmp_path).as_posix() for path in found.clips] == [
        "day 2/9.mp4",
        "day 2/10.MOV",
        "day 2/late/1.webm",
        "day 10/1.mp4",
        "zoom.mp4",
    ]


def test_what_is_beside_the_takes_is_none(tmp_path):
    touch(tmp_path, "1.mp4", "base/1.mp4", "truth/1.mp4", "report/1.mp4", "report/report.html")
    touch(tmp_path, "b/1.mp4", "b/base/1.mp4", "b/report/old.mp4", ".trash/1.mp4", "b/._1.mp4")

    assert scan_takes([tmp_path]).names == ("1", "b/1")
    assert scan_takes([tmp_path / "base"]).names == ("1",)


def test_names_of_several_folders_begin_where_they_part(tmp_path, monkeypatch):
    touch(tmp_path, "a/1.mp4", "b/c/1.mp4")
    monkeypatch.chdir(tmp_path / "a")

    found = scan_takes(["../b", ".", tmp_path / "a" / "1.mp4"])

    assert found.names == ("b/c/1", "a/1")
    assert found.root == tmp_path
    assert scan_takes(["."]).root == Path()
    assert scan_takes([tmp_path / "b" / "c" / "1.mp4"]).names == ("1",)


def test_a_folder_that_cannot_be_listed_is_named(tmp_path, monkeypatch):
    """The walk passes over such a folder by itself, and its clips would be missing unnoticed."""
    touch(tmp_path, "1.mp4", "closed/2.mp4")
    real = os.scandir

    def refuse(path):
        if Path(path).name == "closed":
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return real(path)

    with monkeypatch.context() as patch:
        patch.setattr(os, "scandir", refuse)
        with pytest.raises(MediaError, match=r"closed: cannot be listed \(Permission denied\)"):
            scan_takes([tmp_path])
