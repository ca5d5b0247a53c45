from pathlib import Path

import numpy as np
import pytest

from facekit.curation import clips
from facekit.curation.clips import choose_frames, mine_clip
from facekit.media.cache import cache_dir
from facekit.media.images import read_image
from facekit.media.kinds import Kind
from facekit.media.scan import Source, scan_sources
from facekit.media.video import write_clip
from facekit.recipe import PhotosSection
from facekit.types import Clip, Image
from tests.tiny.faces import BLUE, RED, DiscFaces, draw_photo

RULES = PhotosSection(duplicate_distance=0)
TURNS = (0.0, 0.0, -0.8, -0.8, 0.8, 0.8, 0.0, 0.0)


def clip_of(path: Path, frames: list[Image]) -> Source:
    write_clip(path, Clip(frames=np.stack(frames), fps=4.0))
    (source,) = scan_sources([path])
    return source


def turning() -> list[Image]:
    return [draw_photo(RED, turn=turn) for turn in TURNS]


def test_frames_spread_over_poses_and_are_photos_of_their_own(tmp_path: Path):
    (tmp_path / "a.txt").write_text("in the park")
    source = clip_of(tmp_path / "a.mp4", turning())
    mined = mine_clip(source, RULES, DiscFaces(), 8)
    assert len(mined) == 3, "one of each pose, and no two alike"
    times = {round(float(name.partition("@00:")[2]) * 4) for name in (m.name for m in mined)}
    assert {TURNS[index] for index in times} == {0.0, -0.8, 0.8}
    for frame in mined:
        assert frame.name.startswith(f"{tmp_path}/a.mp4@00:0")
        assert (frame.kind, frame.clip, frame.refusal) == (Kind.PHOTO, source.name, "")
        assert frame.caption == tmp_path / "a.txt"
        assert cache_dir() in frame.path.parents
        assert read_image(frame.path).shape == (96, 96, 3)
    assert [frame.name for frame in mined] == sorted(frame.name for frame in mined)


def test_no_more_than_asked_the_best_first_and_then_the_farthest(tmp_path: Path):
    source = clip_of(tmp_path / "a.mp4", turning())
    (best,) = mine_clip(source, RULES, DiscFaces(), 1)
    assert TURNS[round(float(best.name.partition("@00:")[2]) * 4)] == 0.0
    assert len(mine_clip(source, RULES, DiscFaces(), 2)) == 2


def test_a_clip_is_looked_through_once_and_again_when_the_rules_change(tmp_path: Path, monkeypatch):
    source = clip_of(tmp_path / "a.mp4", turning())
    seen = []
    real = clips.sample_frames

    def counted(path: Path):
        seen.append(path)
        return real(path)

    monkeypatch.setattr(clips, "sample_frames", counted)
    first = mine_clip(source, RULES, DiscFaces(), 8)
    assert mine_clip(source, RULES, DiscFaces(), 8) == first
    assert len(seen) == 1
    mine_clip(source, RULES.model_copy(update={"min_face_px": 20}), DiscFaces(), 8)
    mine_clip(source, RULES, DiscFaces(), 2)
    assert len(seen) == 3
    other = {"holdout": 1, "min_usable": 2, "max_pitch_deg": 30.0, "people": "refuse"}
    mine_clip(source, RULES.model_copy(update=other), DiscFaces(), 8)
    assert len(seen) == 3, "rules that choose no frame do not decode the clip again"
    for frame in first:
        frame.path.unlink()
    assert mine_clip(source, RULES, DiscFaces(), 8) == first, "frames are found again by their time"


def test_rules_that_the_memory_of_a_clip_leaves_out_are_never_read(tmp_path: Path):
    read: set[str] = set()

    class Watched(PhotosSection):
        def __getattribute__(self, name: str) -> object:
            read.add(name)
            return super().__getattribute__(name)

    frames = [draw_photo(RED, centre=(x, 0.5)) for x in (0.3, 0.4, 0.5, 0.6)]
    source = clip_of(tmp_path / "a.mp4", frames)
    mine_clip(source, Watched(min_sharpness=0.2), DiscFaces(), 8)
    assert {"min_detection_score", "min_sharpness", "duplicate_distance"} <= read
    assert set(PhotosSection.model_fields) >= clips._ABOUT_SETS
    assert not clips._ABOUT_SETS & read


@pytest.mark.parametrize("what", ["two", "none", "small"])
def test_a_clip_without_a_usable_face_says_what_is_wrong(tmp_path: Path, what: str):
    two = draw_photo(BLUE, size=(96, 176), centre=(0.2, 0.5))
    frames = {
        "two": draw_photo(RED, size=(96, 176), centre=(0.8, 0.5), canvas=two),
        "none": draw_photo(None),
        "small": draw_photo(RED, diameter_px=12),
    }
    said = {"two": "several faces: 6", "none": "no face: 6", "small": "too small: 6"}[what]
    (refused,) = mine_clip(clip_of(tmp_path / "a.mp4", [frames[what]] * 6), RULES, DiscFaces(), 8)
    assert refused.refusal == (
        f"none of the 6 frames that were looked at shows one usable face ({said}); use a clip of"
        " one person, near, in focus and upright"
    )
    assert refused.kind is Kind.CLIP


def test_frames_with_several_people_are_left_out_of_a_clip_with_others(tmp_path: Path):
    two = draw_photo(BLUE, size=(96, 176), centre=(0.2, 0.5))
    two = draw_photo(RED, size=(96, 176), centre=(0.8, 0.5), canvas=two)
    one = draw_photo(RED, size=(96, 176), centre=(0.8, 0.5))
    (frame,) = mine_clip(clip_of(tmp_path / "a.mp4", [two] * 4 + [one]), RULES, DiscFaces(), 8)
    assert frame.name.endswith("a.mp4@00:01.000")


def test_a_damaged_clip_is_refused(tmp_path: Path):
    (tmp_path / "a.mp4").write_bytes(b"not much")
    (source,) = scan_sources([tmp_path / "a.mp4"])
    (refused,) = mine_clip(source, RULES, DiscFaces(), 8)
    assert refused.refusal.startswith("not a clip that can be read to its end (")


def choose(forms: list[float], sharpness: list[float], num_frames: int, **given) -> tuple[int, ...]:
    count = len(forms)
    marks = np.zeros((count, 10), np.float32)
    marks[:, 4] = np.array(forms) * np.sqrt(5.0) * clips.ALIKE_LANDMARKS
    vectors = np.tile(np.array([[1.0, 0.0]], np.float32), (count, 1))
    hashes = given.get("hashes", [index << 8 for index in range(count)])
    weights = given.get("weights", sharpness)
    return choose_frames(
        marks, given.get("vectors", vectors), hashes, sharpness, weights, num_frames, 0
    )


def test_of_frames_that_are_alike_the_sharpest_is_taken():
    assert choose([0, 0.3, 0.6, 5, 5.1], [1, 3, 2, 1, 2], 8) == (1, 4)


def test_then_those_farthest_from_each_other_are():
    assert choose([0, 2, 4, 6, 20], [1] * 5, 2, weights=[1, 1, 9, 1, 1]) == (2, 4)
    assert choose([0, 2, 4, 6, 20], [1] * 5, 3, weights=[1, 1, 9, 1, 1]) == (0, 2, 4)


def test_an_expression_makes_a_difference_too():
    other = np.array([[1, 0], [0.8, 0.6], [1, 0]], np.float32)
    assert choose([0, 0, 0], [1, 1, 1], 8, vectors=other) == (0, 1)


def test_the_same_picture_is_taken_once_whatever_the_landmarks_say():
    assert choose([0, 3], [1, 2], 8, hashes=[7, 7]) == (1,)


def test_nothing_to_choose_from():
    assert choose_frames(np.zeros((0, 10)), np.zeros((0, 2), np.float32), [], [], [], 8, 0) == ()
