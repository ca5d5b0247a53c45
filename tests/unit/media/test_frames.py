from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from av.video.frame import VideoFrame

from facekit.errors import MediaError
from facekit.media import frames
from facekit.media.frames import (
    frame_name,
    frame_times,
    read_frame,
    read_frames,
    sample_frames,
    split_frame_name,
)
from facekit.media.images import MAX_SIDE_PX


def video(
    path: Path,
    times_ms: list[int],
    *,
    size: tuple[int, int] = (32, 48),
    rotation_deg: int = 0,
    shape: Fraction | None = None,
    transfer: int = 1,
    key_every: int = 12,
    codec: str = "libx264",
) -> Path:
    """Write frames at these times; frame i is grey 10 + 4 i, its top left quarter white."""
    height, width = size
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=30)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        stream.time_base = stream.codec_context.time_base = Fraction(1, 1000)
        if codec == "libx264":
            stream.options = {"qp": "10", "g": str(key_every), "threads": "1"}
        stream.codec_context.color_trc = transfer
        if shape is not None:
            stream.codec_context.sample_aspect_ratio = shape
        if rotation_deg:
            stream.set_display_rotation(rotation_deg)
        for index, at_ms in enumerate(times_ms):
            pixels = np.full((height, width, 3), 10 + 4 * index, np.uint8)
            pixels[: height // 2, : width // 2] = 255
            frame = VideoFrame.from_ndarray(pixels, format="rgb24").reformat(format="yuv420p")
            frame.pts, frame.time_base = at_ms, Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def grey(image: np.ndarray) -> int:
    return int(image[-4:, -4:].mean())


@pytest.mark.parametrize(
    ("at_ms", "text"),
    [(0, "00:00.000"), (1240, "00:01.240"), (61_005, "01:01.005"), (3_725_500, "01:02:05.500")],
)
def test_a_frame_is_called_by_its_time(at_ms: int, text: str) -> None:
    assert frame_name("a/clip.mp4", at_ms) == f"a/clip.mp4@{text}"
    assert split_frame_name(f"a@b.mp4@{text}") == ("a@b.mp4", at_ms)


@pytest.mark.parametrize("name", ["clip.mp4", "me@home.jpg", "clip.mp4@1.240", "@00:01.240"])
def test_other_names_are_no_frames(name: str) -> None:
    assert split_frame_name(name) is None


def test_a_few_frames_of_each_second_at_their_own_times(tmp_path: Path) -> None:
    path = video(tmp_path / "a.mp4", list(range(0, 2000, 40)))
    found = list(sample_frames(path))
    assert [frame.at_ms for frame in found] == [0, 280, 520, 760, 1000, 1280, 1520, 1760]
    assert [abs(grey(frame.image) - (10 + frame.at_ms // 10)) <= 3 for frame in found] == [True] * 8


def test_a_changing_rate_is_no_matter(tmp_path: Path) -> None:
    times = [0, 10, 20, 30, 500, 510, 1700, 1710, 1720, 2400]
    found = list(sample_frames(video(tmp_path / "a.mp4", times)))
    assert [frame.at_ms for frame in found] == [0, 500, 1700, 2400]
    for frame in found:
        again = read_frame(tmp_path / "a.mp4", frame.at_ms)
        np.testing.assert_array_equal(again.image, frame.image)


def test_a_clip_that_does_not_begin_at_nought(tmp_path: Path) -> None:
    path = video(tmp_path / "a.mkv", [5000, 5100, 5400, 5600])
    assert [frame.at_ms for frame in sample_frames(path)] == [0, 400, 600]
    assert grey(read_frame(path, 400).image) == grey(list(sample_frames(path))[1].image)


def test_a_long_clip_is_sampled_over_its_whole_length(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(frames, "MOST_FRAMES", 5)
    path = video(tmp_path / "a.mp4", list(range(0, 20_000, 500)))
    sought = list(sample_frames(path))
    assert [frame.at_ms for frame in sought] == [0, 4000, 8000, 12_000, 16_000]
    assert [abs(grey(f.image) - (10 + f.at_ms // 125)) <= 3 for f in sought] == [True] * 5
    monkeypatch.setattr(frames, "_SEEK_FROM_S", 99.0)
    decoded = list(sample_frames(path))
    assert [frame.at_ms for frame in decoded] == [frame.at_ms for frame in sought]
    for one, other in zip(sought, decoded, strict=True):
        np.testing.assert_array_equal(one.image, other.image)


@pytest.mark.parametrize(("rotation_deg", "corner"), [(90, (1, 0)), (180, (1, 1)), (270, (0, 1))])
def test_the_rotation_that_phones_write_is_applied(
    tmp_path: Path, rotation_deg: int, corner: tuple[int, int]
) -> None:
    """Counterclockwise: the white corner, top left as stored, goes to (row, column)."""
    (frame,) = sample_frames(video(tmp_path / "a.mp4", [0], rotation_deg=rotation_deg))
    height, width = (32, 48) if rotation_deg == 180 else (48, 32)
    assert frame.image.shape == (height, width, 3)
    quarter = frame.image[corner[0] * (height - 4) :, corner[1] * (width - 4) :][:4, :4]
    assert quarter.mean() > 240


def test_pixels_that_are_not_square_are_widened(tmp_path: Path) -> None:
    (frame,) = sample_frames(video(tmp_path / "a.mp4", [0], shape=Fraction(4, 3)))
    assert frame.image.shape == (32, 64, 3)


def test_large_frames_are_made_smaller(tmp_path: Path) -> None:
    (frame,) = sample_frames(video(tmp_path / "a.mp4", [0], size=(64, 2560)))
    assert frame.image.shape[1] == MAX_SIDE_PX


def test_high_dynamic_range_is_told(tmp_path: Path) -> None:
    (frame,) = sample_frames(video(tmp_path / "a.mp4", [0], transfer=18))
    assert "high dynamic range (HLG)" in frame.remarks[0]
    (frame,) = sample_frames(video(tmp_path / "b.mp4", [0]))
    assert frame.remarks == ()


@pytest.mark.parametrize(("suffix", "codec"), [("avi", "mpeg4"), ("mpg", "mpeg2video")])
def test_old_containers(tmp_path: Path, suffix: str, codec: str) -> None:
    path = tmp_path / f"a.{suffix}"
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=25)
        stream.width, stream.height, stream.pix_fmt = 48, 32, "yuv420p"
        for index in range(50):
            pixels = np.full((32, 48, 3), 10 + 4 * index, np.uint8)
            container.mux(stream.encode(VideoFrame.from_ndarray(pixels, format="rgb24")))
        container.mux(stream.encode(None))
    found = list(sample_frames(path))
    assert len(found) == 8
    for frame in found:
        np.testing.assert_array_equal(read_frame(path, frame.at_ms).image, frame.image)


def test_what_is_no_clip(tmp_path: Path) -> None:
    (tmp_path / "empty.mp4").touch()
    (tmp_path / "note.mp4").write_text("a note")
    whole = video(tmp_path / "whole.mp4", list(range(0, 2000, 40)))
    (tmp_path / "cut.mp4").write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    with av.open(str(tmp_path / "sound.mp4"), "w") as container:
        sound = container.add_stream("aac", rate=8000, layout="mono")
        silence = np.zeros((1, 1024), np.float32)
        frame = av.AudioFrame.from_ndarray(silence, format="fltp", layout="mono")
        frame.rate, frame.pts = 8000, 0
        container.mux(sound.encode(frame))
        container.mux(sound.encode(None))
    for name, said in (
        ("none.mp4", "no such file"),
        ("empty.mp4", r"empty \(0 bytes\)"),
        ("note.mp4", "not a clip that can be read to its end"),
        ("cut.mp4", "not a clip that can be read to its end"),
        ("sound.mp4", "no picture in it"),
    ):
        with pytest.raises(MediaError, match=f"{name}: {said}"):
            list(sample_frames(tmp_path / name))


def test_frames_too_large_to_decode_are_refused(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(frames, "MAX_PIXELS", 1000)
    with pytest.raises(MediaError, match=r"frames of 0 megapixels, expected at most 0; make"):
        list(sample_frames(video(tmp_path / "a.mp4", [0])))


TIMES = [0, 10, 20, 30, 500, 510, 1700, 1710, 1720, 2400]


def test_all_times_of_a_clip_without_decoding_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = video(tmp_path / "a.mp4", TIMES)
    monkeypatch.setattr(frames, "_timed", None)
    assert frame_times(path) == tuple(TIMES)
    assert frame_times(path, until_ms=25)[-1] < 1000, "B-frames come out of order, not far"


def test_times_of_a_clip_that_does_not_say_them_are_counted(tmp_path: Path) -> None:
    path = tmp_path / "a.h264"
    with (
        av.open(str(video(tmp_path / "a.mp4", [0, 40, 80]))) as container,
        av.open(str(path), "w", format="h264") as raw,
    ):
        copied = raw.add_stream_from_template(container.streams.video[0])
        for packet in container.demux(container.streams.video[0]):
            if packet.size:
                packet.stream = copied
                raw.mux(packet)
    times = frame_times(path)
    assert len(times) == 3
    assert [frame.at_ms for frame in read_frames(path, times)] == list(times)


@pytest.mark.parametrize("key_every", [1, 4, 100])
def test_frames_at_times_of_a_changing_rate(tmp_path: Path, key_every: int) -> None:
    path = video(tmp_path / "a.mp4", TIMES, key_every=key_every)
    wanted = [20, 30, 30, 500, 1720, 1720, 2400]
    found = list(read_frames(path, wanted))
    assert [frame.at_ms for frame in found] == wanted
    for frame in found:
        assert abs(grey(frame.image) - (10 + 4 * TIMES.index(frame.at_ms))) <= 3


def test_frames_at_times_are_upright(tmp_path: Path) -> None:
    path = video(tmp_path / "a.mp4", [0, 40, 80], rotation_deg=90)
    (whole,) = (read_frame(path, 40),)
    (frame,) = read_frames(path, [40])
    assert frame.image.shape == (48, 32, 3)
    np.testing.assert_array_equal(frame.image, whole.image)


def test_a_time_without_a_frame_is_told(tmp_path: Path) -> None:
    path = video(tmp_path / "a.mp4", [0, 40, 80])
    with pytest.raises(MediaError, match=r"a\.mp4: the frame at 0\.060 s is damaged"):
        list(read_frames(path, [0, 60]))
    with pytest.raises(MediaError, match=r"the frame at 9\.000 s"):
        list(read_frames(path, [9000]))


def test_a_clip_without_frames_has_no_times(tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    path.write_bytes(b"")
    with pytest.raises(MediaError, match="empty"):
        frame_times(path)
