"""Stretches of clips to learn from: where they are cut, and what is told of bad clips."""

from collections.abc import Sequence
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import av
import numpy as np
import pytest
from av.video.frame import VideoFrame

from facekit.curation import seen_frames
from facekit.curation.clips import mine_clip
from facekit.curation.excerpts import Cutting, cut_times, find_excerpts, too_short
from facekit.faces.align import align
from facekit.identity.excerpt import Excerpt
from facekit.identity.photo_set import Photo, PhotoSet
from facekit.media.frames import frame_name, frame_times
from facekit.media.kinds import Kind
from facekit.media.scan import Source
from facekit.recipe import PhotosSection
from facekit.types import Image, NoProgress
from tests.tiny.faces import BLUE, RED, DiscFaces, draw_photo

RULES = PhotosSection(duplicate_distance=0)
EVEN = Cutting(num_frames=5, per_clip=2, fps=8.0)
FACES = DiscFaces()


def clip_of(
    folder: Path, frames: Sequence[Image], times_ms: Sequence[int] = (), *, rotation_deg: int = 0
) -> Source:
    """Write frames at these times, each a key frame; eight of them a second by default."""
    path = folder / "a.mp4"
    times_ms = times_ms or [125 * index for index in range(len(frames))]
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=8)
        stream.height, stream.width, stream.pix_fmt = *frames[0].shape[:2], "yuv420p"
        stream.time_base = stream.codec_context.time_base = Fraction(1, 1000)
        stream.options = {"qp": "4", "g": "1", "threads": "1"}
        if rotation_deg:
            stream.set_display_rotation(rotation_deg)
        for pixels, at_ms in zip(frames, times_ms, strict=True):
            frame = VideoFrame.from_ndarray(pixels, format="rgb24").reformat(format="yuv420p")
            frame.pts, frame.time_base = at_ms, Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return Source(name=str(path), path=path, kind=Kind.CLIP)


def photo_of(source: str, colour: tuple[int, int, int] = RED, sidecar: str = "") -> Photo:
    image = draw_photo(colour)
    face = FACES.detect([image])[0][0]
    crop = align(image, face, size_px=FACES.crop_size_px, margin=FACES.crop_margin)
    return Photo(
        source=source,
        file=Path(source),
        image=image,
        face=face,
        crop=crop,
        embedding=FACES.encode([crop])[0],
        sidecar=sidecar or None,
    )


def frames_of(clip: Source, train: Sequence[int], held_out: Sequence[int] = ()) -> PhotoSet:
    """A photo of its own, and frames of the clip."""
    return PhotoSet(
        train=(photo_of("own.png"), *(photo_of(frame_name(clip.name, at)) for at in train)),
        held_out=tuple(photo_of(frame_name(clip.name, at)) for at in held_out),
    )


def faces_at(turns: Sequence[float], **options: object) -> list[Image]:
    return [draw_photo(RED, turn=turn, **options) for turn in turns]  # type: ignore[arg-type]


TURNING = tuple(np.linspace(-0.8, 0.8, 17))


def find(
    clip: Source, photos: PhotoSet, cutting: Cutting = EVEN
) -> tuple[tuple[Excerpt, ...], tuple[str, ...]]:
    return find_excerpts([clip], photos, cutting, RULES, FACES, NoProgress())


def test_excerpts_lie_evenly_over_a_clip_and_know_their_faces(tmp_path: Path) -> None:
    clip = clip_of(tmp_path, faces_at(TURNING))
    found, told = find(clip, frames_of(clip, [250, 1500]))
    assert told == ()
    assert [excerpt.times_ms for excerpt in found] == [
        (0, 125, 250, 375, 500),
        (1500, 1625, 1750, 1875, 2000),
    ]
    assert [excerpt.source for excerpt in found] == [
        f"{clip.name}@00:00.000",
        f"{clip.name}@00:01.500",
    ]
    assert [excerpt.photo for excerpt in found] == [1, 2], "the frame nearest in time"
    assert {excerpt.size_px for excerpt in found} == {(96, 96)}
    noses = [face.landmarks_px[2, 0] for e in found for face in e.faces if face is not None]
    assert len(noses) == 10
    assert noses == sorted(noses), "each face is that of its own frame"


@pytest.mark.parametrize(
    ("times", "cutting", "expected"),
    [
        (
            range(0, 1001, 125),
            Cutting(num_frames=9, per_clip=4, fps=8),
            [tuple(range(0, 1001, 125))],
        ),
        # 25 frames a second brought to 5: every fifth.
        (range(0, 1000, 40), Cutting(num_frames=5, per_clip=1, fps=5), [(80, 280, 480, 680, 880)]),
        # 24 brought to 16: two of three.
        (
            [round(1000 * i / 24) for i in range(7)],
            Cutting(num_frames=5, per_clip=1, fps=16),
            [(0, 42, 125, 167, 250)],
        ),
        # A changing rate: the frame nearest to each moment.
        (
            [0, 10, 20, 240, 490, 500, 760, 1000],
            Cutting(num_frames=5, per_clip=1, fps=4),
            [(0, 240, 500, 760, 1000)],
        ),
        (range(0, 375, 125), Cutting(num_frames=5, per_clip=1, fps=8), []),
        ([0], Cutting(num_frames=5, per_clip=1, fps=8), []),
    ],
    ids=["whole", "slower", "24 to 16", "changing rate", "too short", "one frame"],
)
def test_frames_are_brought_to_one_rate(
    times: Sequence[int], cutting: Cutting, expected: list[tuple[int, ...]]
) -> None:
    assert cut_times(list(times), [], cutting) == expected


@pytest.mark.parametrize("per_clip", [1, 2, 3, 7, 64])
@pytest.mark.parametrize("length", [5, 9, 14, 40, 200])
def test_excerpts_do_not_overlap_and_never_hold_a_frame_that_is_held_out(
    per_clip: int, length: int
) -> None:
    rng = np.random.default_rng(length * 100 + per_clip)
    times = np.cumsum(rng.integers(100, 150, length)).tolist()
    held_out = [int(x) for x in rng.choice(times, size=length // 8, replace=False)]
    cutting = Cutting(num_frames=5, per_clip=per_clip, fps=8)
    found = cut_times(times, held_out, cutting)
    assert len(found) <= per_clip
    for row in found:
        assert len(row) == 5
        assert list(row) == sorted(row)
        assert not any(row[0] <= at_ms <= row[-1] for at_ms in held_out)
    for one, two in pairwise(found):
        assert one[-1] < two[0]


def test_more_excerpts_are_not_cut_than_a_clip_has_room_for() -> None:
    times = [125 * index for index in range(16)]
    assert len(cut_times(times, [], Cutting(num_frames=5, per_clip=64, fps=8))) == 3


def test_a_clip_that_is_held_out_gives_nothing_and_one_without_photos_neither(
    tmp_path: Path,
) -> None:
    clip = clip_of(tmp_path, faces_at(TURNING))
    assert find(clip, frames_of(clip, [], [250])) == (
        (),
        (f"{clip.name}: no excerpt of it is learned from, for its frames are held out",),
    )
    (line,) = find(clip, frames_of(clip, []))[1]
    assert "none of its frames will do as a photo" in line


def test_frames_held_out_of_the_only_clip_are_kept_out(tmp_path: Path) -> None:
    clip = clip_of(tmp_path, faces_at(TURNING))
    found, _ = find(clip, frames_of(clip, [0], [1000]))
    assert len(found) == 2
    assert all(1000 not in excerpt.times_ms for excerpt in found)
    found, (line,) = find(clip, frames_of(clip, [0], [500, 1000, 1500]))
    assert found == ()
    assert "without one that is held out" in line


@pytest.mark.parametrize("count", [1, 3])
def test_a_short_clip_gives_photos_alone_and_is_told(tmp_path: Path, count: int) -> None:
    clip = clip_of(tmp_path, faces_at(TURNING[:count]))
    found, (line,) = find(clip, frames_of(clip, [0]))
    assert found == ()
    assert line == too_short(clip.name, 125.0 * (count - 1), EVEN)
    assert line.startswith(f"{clip.name}: {0.125 * (count - 1):.2f} s")
    assert "expected at least 0.50 s" in line
    assert "photos alone" in line
    assert too_short("a", 500, EVEN) == ""


def test_a_clip_broken_in_the_middle_gives_what_is_whole(tmp_path: Path) -> None:
    """Each frame stands for itself here, so what is behind the damage can be read."""
    clip = clip_of(tmp_path, faces_at(TURNING))
    content = bytearray(clip.path.read_bytes())
    with av.open(str(clip.path)) as container:
        sizes = [(p.pos, p.size) for p in container.demux(container.streams.video[0]) if p.size]
    begin, size = sizes[2]
    content[begin : begin + size] = bytes(size)
    clip.path.write_bytes(bytes(content))
    found, told = find(clip, frames_of(clip, [250, 1500]))
    assert [excerpt.times_ms[0] for excerpt in found] == [1500]
    (line,) = told
    assert line.startswith(f"{clip.name}@00:00.000: this excerpt is left out: ")


def test_a_file_that_is_no_clip_does_not_stop_the_others(tmp_path: Path) -> None:
    good = clip_of(tmp_path, faces_at(TURNING))
    empty = Source(name="b.mp4", path=tmp_path / "b.mp4", kind=Kind.CLIP)
    empty.path.write_bytes(b"")
    photos = PhotoSet(
        train=(photo_of(frame_name(good.name, 0)), photo_of(frame_name("b.mp4", 0))),
    )
    found, told = find_excerpts([empty, good], photos, EVEN, RULES, FACES, NoProgress())
    assert len(found) == 2
    assert told == (
        "b.mp4: no excerpt of it is learned from: empty (0 bytes); make or copy it again",
    )


def test_a_rotated_clip_is_looked_at_upright(tmp_path: Path) -> None:
    lying = [np.ascontiguousarray(np.rot90(f, -1)) for f in faces_at(TURNING, size=(96, 128))]
    clip = clip_of(tmp_path, lying, rotation_deg=90)
    found, told = find(clip, frames_of(clip, [0]))
    assert told == ()
    assert {excerpt.size_px for excerpt in found} == {(96, 128)}
    assert all(face is not None for excerpt in found for face in excerpt.faces)


def test_a_changing_rate_is_brought_to_one(tmp_path: Path) -> None:
    times = [0, 40, 125, 250, 300, 375, 500]
    clip = clip_of(tmp_path, faces_at(TURNING[:7]), times)
    found, told = find(clip, frames_of(clip, [0]))
    assert told == ()
    assert [excerpt.times_ms for excerpt in found] == [(0, 125, 250, 375, 500)]


def test_too_few_frames_a_second_are_told_and_taken(tmp_path: Path) -> None:
    clip = clip_of(tmp_path, faces_at(TURNING[:5]), [0, 250, 500, 750, 1000])
    found, (line,) = find(clip, frames_of(clip, [0]), Cutting(num_frames=5, per_clip=1, fps=8))
    assert len(set(found[0].times_ms)) < 5
    assert line.startswith(f"{clip.name}: fewer than 8 frames per second, so up to 2 of the 5")


BAD = {
    "several people": (
        [
            draw_photo(
                BLUE,
                centre=(0.8, 0.5),
                diameter_px=36,
                canvas=draw_photo(RED, centre=(0.25, 0.5), diameter_px=36),
            )
        ],
        "5 of 5 frames show several people",
    ),
    "no face": ([draw_photo(None)], "0 of 5 frames show a face, expected at least 50%"),
    "another person": ([draw_photo(BLUE)], "another person (similarity"),
}


@pytest.mark.parametrize(("frames", "reason"), BAD.values(), ids=BAD)
def test_what_does_not_show_the_character_alone_is_left_out(
    tmp_path: Path, frames: list[Image], reason: str
) -> None:
    clip = clip_of(tmp_path, frames * 5)
    found, (line,) = find(clip, frames_of(clip, [0]))
    assert found == ()
    assert reason in line


def test_frames_without_a_face_between_others_are_kept_as_such(tmp_path: Path) -> None:
    frames = faces_at(TURNING[:5])
    frames[0] = frames[3] = draw_photo(None)
    clip = clip_of(tmp_path, frames)
    (excerpt,), _ = find(clip, frames_of(clip, [125]))
    assert [face is None for face in excerpt.faces] == [True, False, False, True, False]


def test_what_was_seen_is_remembered_by_content(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clip = clip_of(tmp_path, faces_at(TURNING))
    photos = frames_of(clip, [0])
    first, _ = find(clip, photos)
    monkeypatch.setattr(seen_frames, "read_frames", None)
    again, _ = find(clip, photos)
    assert [excerpt.digest for excerpt in again] == [excerpt.digest for excerpt in first]


def test_the_caption_of_the_clip_is_that_of_its_excerpts(tmp_path: Path) -> None:
    clip = clip_of(tmp_path, faces_at(TURNING))
    photos = PhotoSet(train=(photo_of(frame_name(clip.name, 0), sidecar="in the park, talking"),))
    found, _ = find(clip, photos)
    assert {excerpt.sidecar for excerpt in found} == {"in the park, talking"}


def test_frames_are_called_as_mining_calls_them(tmp_path: Path) -> None:
    """Else no clip would have a frame that trains."""
    clip = clip_of(tmp_path, faces_at(TURNING))
    mined = mine_clip(clip, RULES, FACES, 2)
    photos = PhotoSet(train=tuple(photo_of(source.name) for source in mined))
    assert len(find(clip, photos)[0]) == 2
    assert frame_times(clip.path)[0] == 0
