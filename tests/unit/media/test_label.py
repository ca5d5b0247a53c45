from fractions import Fraction

import av
import numpy as np
import pytest

from facekit.errors import MediaError, UsageError
from facekit.media.delivery import plan_delivery
from facekit.media.facts import read_facts
from facekit.media.label import Label, check_label, label_image, label_video
from facekit.media.movies import write_mezzanine, write_review
from facekit.media.video import read_clip, write_clip
from facekit.types import Clip
from tests.tiny.fonts import write_font
from tests.tiny.provenance import frames

GREY = np.full((200, 300, 3), 128, np.uint8)


def box(before, after, tolerance=40):
    """Rows and columns that a label covers."""
    rows, columns = np.nonzero((np.abs(before.astype(int) - after) > tolerance).any(-1))
    return rows.min(), rows.max() + 1, columns.min(), columns.max() + 1


@pytest.mark.parametrize("shape", [(100, 300), (1080, 1920), (1920, 1080), (97, 131)])
def test_letters_are_a_twentieth_of_the_shorter_side_at_least(shape):
    picture = np.full((*shape, 3), 128, np.uint8)

    done = label_image(picture, Label(text="AI"))

    letters = np.nonzero((done > 200).all(-1))
    assert letters[0].max() + 1 - letters[0].min() >= 0.05 * min(shape)
    top, bottom, _, right = box(picture, done)
    assert (top < shape[0] / 10, right > shape[1] * 0.9) == (True, True)
    assert (bottom - top) < 0.2 * max(min(shape), 90)
    assert (picture == 128).all(), "it is a new picture"


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("", "expected 1 to 60 letters"),
        ("a\nb", "in one line"),
        ("A" * 61, "1 to 60"),
        ("AI生成", r"has no 生 成, expected all letters of .* with --font"),
    ],
)
def test_a_text_that_cannot_be_written_is_told(text, match):
    with pytest.raises(UsageError, match=match):
        check_label(Label(text=text))


def test_a_font_that_has_the_letters_writes_them(tmp_path):
    font = write_font(tmp_path / "boxes.ttf", "AI生成")
    check_label(Label(text="AI生成", font=font))
    with pytest.raises(UsageError, match=r"boxes\.ttf: has no 合"):
        check_label(Label(text="AI合成", font=font))
    (tmp_path / "none.ttf").write_bytes(b"none")
    with pytest.raises(UsageError, match="not a font that can be read"):
        check_label(Label(text="AI", font=tmp_path / "none.ttf"))

    done = label_image(GREY, Label(text="AI生成", font=font))

    assert (done > 200).all(-1).sum() > 4 * 10 * 5


def test_a_text_wider_than_the_picture_is_refused():
    with pytest.raises(UsageError, match="expected it to fit into a picture of 300x200"):
        label_image(GREY, Label(text="W" * 60))


def clip(num_frames=8):
    return Clip(frames=frames(0, num_frames, side=96), fps=4.0)


def labelled(before, after):
    """Of each frame, whether its upper right corner differs."""
    change = np.abs(before.astype(int) - after)
    rest = change.copy()
    rest[:, :24, 64:] = 0
    assert rest.max() <= 12
    return [bool(frame[:24, 64:].max() > 60) for frame in change]


def test_a_video_bears_it_to_the_end_or_for_a_time(tmp_path):
    write_clip(tmp_path / "a.mp4", clip())
    before = read_clip(tmp_path / "a.mp4")

    label_video(tmp_path / "a.mp4", tmp_path / "b.mp4", Label(text="AI"))
    label_video(tmp_path / "a.mp4", tmp_path / "c.mp4", Label(text="AI", seconds=1.0))

    whole, begun = read_clip(tmp_path / "b.mp4"), read_clip(tmp_path / "c.mp4")
    assert (whole.fps, whole.num_frames) == (4.0, 8)
    assert labelled(before.frames, whole.frames) == [True] * 8
    # the frame that begins at 1.0 s too, so that it is no less than that
    assert labelled(before.frames, begun.frames) == [True] * 5 + [False] * 3


def test_a_mezzanine_stays_one_with_its_timecode_and_colours(tmp_path):
    plan = plan_delivery(clip(), fps=24, size=(192, 108), timecode="01:00:00:00")
    write_mezzanine(tmp_path / "a.mov", clip(), plan)
    write_review(tmp_path / "a.mp4", clip(), plan)

    for name in ("a.mov", "a.mp4"):
        label_video(tmp_path / name, tmp_path / f"new-{name}", Label(text="AI"))
        old, new = read_facts(tmp_path / name), read_facts(tmp_path / f"new-{name}")
        assert (new.num_frames, new.rate, new.timecode) == (
            old.num_frames,
            Fraction(24),
            "01:00:00:00",
        )
        assert (new.codec, new.color_space) == (old.codec, "bt709")
        first, second = (read_clip(tmp_path / one).frames[0] for one in (name, f"new-{name}"))
        top, bottom, left, right = box(first, second)
        assert (top < 12, right > 180, bottom < 30, left > 120) == (True,) * 4


def test_sound_is_kept(tmp_path):
    with av.open(str(tmp_path / "a.mp4"), "w") as made:
        video, sound = made.add_stream("libx264", rate=4), made.add_stream("aac", rate=8000)
        video.width = video.height = 96
        video.pix_fmt, sound.layout = "yuv420p", "mono"
        for index, pixels in enumerate(clip().frames):
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(pixels), format="rgb24")
            frame.pts, frame.time_base = index, Fraction(1, 4)
            made.mux(video.encode(frame))
        made.mux(video.encode(None))
        tone = (8000 * np.sin(np.arange(16000) / 5)).astype(np.int16)[None]
        piece = av.AudioFrame.from_ndarray(tone, format="s16", layout="mono")
        piece.sample_rate, piece.pts = 8000, 0
        made.mux(sound.encode(piece))
        made.mux(sound.encode(None))

    label_video(tmp_path / "a.mp4", tmp_path / "b.mp4", Label(text="AI"))

    heard = []
    for name in ("a.mp4", "b.mp4"):
        with av.open(str(tmp_path / name)) as file:
            heard.append([bytes(packet) for packet in file.demux(audio=0) if packet.size])
    assert heard[0] == heard[1]
    assert len(heard[0]) > 10


def test_what_is_no_video_is_told_and_leaves_nothing(tmp_path):
    (tmp_path / "a.mp4").write_bytes(b"no video")
    with pytest.raises(MediaError, match=r"a\.mp4: cannot be labelled"):
        label_video(tmp_path / "a.mp4", tmp_path / "b.mp4", Label(text="AI"))
    with av.open(str(tmp_path / "c.mov"), "w") as made:
        stream = made.add_stream("png", rate=4)
        stream.width = stream.height = 96
        stream.pix_fmt = "rgb24"
        frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(clip().frames[0]), format="rgb24")
        made.mux(stream.encode(frame))
        made.mux(stream.encode(None))
    with pytest.raises(MediaError, match="pixels are rgb24, expected planes of YUV"):
        label_video(tmp_path / "c.mov", tmp_path / "d.mov", Label(text="AI"))
    assert {path.name for path in tmp_path.iterdir()} == {"a.mp4", "c.mov"}
