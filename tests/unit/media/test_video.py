from pathlib import Path

import numpy as np
import pytest

from facekit.errors import MediaError, UsageError
from facekit.media.video import read_clip, write_clip
from facekit.types import Clip


def drawn(num_frames: int = 9, height: int = 96, width: int = 96) -> Clip:
    """A red square that wanders over a grey slope."""
    frames = np.empty((num_frames, height, width, 3), np.uint8)
    frames[:] = np.linspace(40, 200, width, dtype=np.uint8)[:, None]
    for index in range(num_frames):
        frames[index, 20:50, 4 * index : 4 * index + 30] = (200, 40, 30)
    return Clip(frames=frames, fps=8.0)


@pytest.mark.parametrize("size", [(96, 96), (96, 176), (176, 96)])
def test_round_trip_keeps_size_speed_and_colour(tmp_path: Path, size: tuple[int, int]) -> None:
    clip = drawn(9, *size)
    write_clip(tmp_path / "a.mp4", clip)
    read = read_clip(tmp_path / "a.mp4")
    assert read.frames.shape == clip.frames.shape
    assert read.fps == clip.fps
    difference = np.abs(read.frames.astype(int) - clip.frames)
    assert difference.mean() < 1.5
    assert np.abs(read.frames[4, 35, 30].astype(int) - (200, 40, 30)).max() <= 6


def test_single_frame(tmp_path: Path) -> None:
    write_clip(tmp_path / "a.mp4", drawn(1))
    assert read_clip(tmp_path / "a.mp4").num_frames == 1


def test_same_clip_same_bytes(tmp_path: Path) -> None:
    for index in range(5):
        write_clip(tmp_path / f"{index}.mp4", drawn())
    assert len({path.read_bytes() for path in tmp_path.iterdir()}) == 1


def test_first_frames_only(tmp_path: Path) -> None:
    write_clip(tmp_path / "a.mp4", drawn())
    assert read_clip(tmp_path / "a.mp4", max_frames=3).num_frames == 3


def test_odd_size_and_other_suffix_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="15x16, expected even sides"):
        write_clip(tmp_path / "a.mp4", Clip(frames=np.zeros((1, 16, 15, 3), np.uint8), fps=8))
    with pytest.raises(UsageError, match=r"cannot write \.gif; use \.mp4"):
        write_clip(tmp_path / "a.gif", drawn())
    assert not list(tmp_path.iterdir())


def test_missing_empty_and_damaged(tmp_path: Path) -> None:
    with pytest.raises(MediaError, match="no such file"):
        read_clip(tmp_path / "a.mp4")
    (tmp_path / "a.mp4").touch()
    with pytest.raises(MediaError, match=r"empty \(0 bytes\)"):
        read_clip(tmp_path / "a.mp4")
    (tmp_path / "a.mp4").write_text("no video at all")
    with pytest.raises(MediaError, match="not a video that can be read"):
        read_clip(tmp_path / "a.mp4")


def test_truncated(tmp_path: Path) -> None:
    write_clip(tmp_path / "a.mp4", drawn())
    content = (tmp_path / "a.mp4").read_bytes()
    (tmp_path / "a.mp4").write_bytes(content[: len(content) // 2])
    with pytest.raises(MediaError, match=r"a\.mp4: "):
        read_clip(tmp_path / "a.mp4")


def test_what_is_no_video_is_told_without_the_number_of_an_error(tmp_path: Path) -> None:
    (tmp_path / "a.mp4").write_bytes(b"no video at all")
    with pytest.raises(
        MediaError, match=r"can be read \(Invalid data found[^\]\[]*\); make it again"
    ):
        read_clip(tmp_path / "a.mp4")
