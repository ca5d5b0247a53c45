import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
import torch

from facekit.adapters.character import load_character
from facekit.backbones.wan import TOON
from facekit.errors import FaceError, UsageError
from facekit.generation.hand_over import ChainRule
from facekit.generation.sample import SampleSettings
from facekit.media.images import read_image, write_image
from facekit.media.video import read_clip, write_clip
from facekit.types import Clip, NoProgress
from facekit.workflows import chain_units, shoot_plan
from facekit.workflows import shoot as shooting
from facekit.workflows.frame_likeness import Likeness, make_likeness
from facekit.workflows.shoot import plan_shoot, run_shoot
from facekit.workflows.shot_start import check_continues, plan_start


@pytest.fixture(autouse=True)
def short_chunks(monkeypatch):
    monkeypatch.setattr(shoot_plan, "chunk_frames", lambda spec: 5)


PROMPT = "close-up of @mira in the kitchen"


@pytest.fixture
def alike(monkeypatch):
    """A training encoder that finds every frame alike; the tiny one sees nobody in noise."""
    given = Likeness(
        encoder="tiny", min_same_person=0.3, score=lambda frames: np.full(len(frames), 0.6)
    )
    monkeypatch.setattr(shooting, "make_likeness", lambda *_: given)


def plan(trained, out, prompts=(PROMPT,), **options):
    options.setdefault("rule", ChainRule(redraws=1))
    return plan_shoot(
        prompts, character=str(trained.adapter), out=out, recipe=trained.recipe, **options
    )


def shoot(trained, made):
    return run_shoot(made, NoProgress(), pipe=trained.backbone.pipe)


def record_of(path):
    return json.loads(path.with_suffix(".json").read_text())


def test_a_shot_longer_than_the_backbone_draws_is_one_take(trained, tmp_path, alike):
    made = plan(trained, tmp_path, num_frames=13)

    result = shoot(trained, made)

    (clip,) = result.clips
    assert read_clip(clip).num_frames == 13
    record = record_of(clip)
    chain = record["chain"]
    assert record["shot"]["num_frames"] == 13
    assert (chain["requested_frames"], chain["delivered_frames"]) == (13, 13)
    assert [chunk["index"] for chunk in chain["chunks"]] == list(range(len(chain["chunks"])))
    assert chain["seams"] == [chunk["first_frame"] for chunk in chain["chunks"][1:]]
    assert chain["encoder"] == "tiny"
    assert sorted(path.suffix for path in tmp_path.iterdir()) == [".json", ".mp4", ".png"]
    assert result.exit_code == 0
    assert shoot(trained, plan(trained, tmp_path, num_frames=13)).clips == result.clips


def test_chunks_that_are_there_are_not_drawn_again(trained, tmp_path, alike, monkeypatch):
    whole = shoot(trained, plan(trained, tmp_path / "whole", num_frames=13)).clips[0]
    real, drawn = chain_units._Drawer._draw, []

    def killed(self, unit):
        if unit.index == 2:
            raise KeyboardInterrupt
        drawn.append(unit.index)
        return real(self, unit)

    with monkeypatch.context() as patch:
        patch.setattr(chain_units._Drawer, "_draw", killed)
        with pytest.raises(KeyboardInterrupt):
            shoot(trained, plan(trained, tmp_path / "two", num_frames=13))
    assert drawn == [0, 1]
    (chunks,) = (tmp_path / "two").iterdir()
    (chunks / "001-0.npz").write_bytes(b"cut short")

    monkeypatch.setattr(
        chain_units._Drawer,
        "_draw",
        lambda self, unit: (drawn.append(unit.index), real(self, unit))[1],
    )
    again = shoot(trained, plan(trained, tmp_path / "two", num_frames=13)).clips[0]

    assert drawn == [0, 1, 1, 2]
    assert again.read_bytes() == whole.read_bytes()


def test_a_take_of_a_render_is_made_longer_where_other_takes_lie(trained, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    kept = tmp_path / "renders/ep01/S/S_A/v001/takes/t01.mp4"
    kept.parent.mkdir(parents=True)
    write_clip(kept, Clip(frames=np.zeros((5, 32, 32, 3), np.uint8), fps=8.0))
    made = plan(trained, None, extend=kept, num_frames=4)
    assert (made.out_dir, made.shots[0].name) == (Path("shots/mira"), "S_A-t01-x2")
    assert "out: shots/mira" in made.describe()
    assert plan(trained, tmp_path / "own", extend=kept, num_frames=4).out_dir == tmp_path / "own"
    beside = kept.rename(kept.with_name("mine.mp4"))
    assert plan(trained, None, extend=beside, num_frames=4).out_dir == beside.parent


def test_a_clip_is_made_longer_again_and_again(trained, tmp_path, alike):
    first = shoot(trained, plan(trained, tmp_path, num_frames=5, seed=3)).clips[0]

    second = shoot(trained, plan(trained, tmp_path, (), extend=first, num_frames=4)).clips[0]
    third = shoot(trained, plan(trained, tmp_path, (PROMPT,), extend=second, seconds=0.5)).clips[0]

    assert (second.stem, third.stem) == (f"{first.stem}-x2", f"{first.stem}-x3")
    assert [read_clip(path).num_frames for path in (first, second, third)] == [5, 9, 13]
    told = record_of(third)
    assert told["shot"]["seed"] == 3
    assert told["chain"]["continues"] == second.name
    assert len(told["chain"]["seams"]) >= 2
    indices = [record_of(path)["chain"]["chunks"][0]["index"] for path in (second, third)]
    assert indices[0] == 1 < indices[1], "no chunk has the seed of another"


def test_a_picture_begins_the_shot(trained, tmp_path, alike):
    write_image(tmp_path / "kitchen.png", np.full((200, 200, 3), 90, np.uint8))
    picture = tmp_path / "kitchen.png"

    made = plan(trained, tmp_path / "s", num_frames=5, first_frame=picture)
    (clip,) = shoot(trained, made).clips

    bare = shoot(trained, plan(trained, tmp_path / "bare", num_frames=5)).clips[0]
    assert f"first frame: {picture}" in made.describe()
    assert record_of(clip)["starts_from"] == str(picture)
    assert not np.array_equal(read_clip(clip).frames, read_clip(bare).frames)


def test_what_shows_nobody_ends_early_and_is_told(trained, tmp_path, monkeypatch):
    lost = Likeness(encoder="tiny", min_same_person=0.3, score=_lost_in_the_second_chunk())
    monkeypatch.setattr(shooting, "make_likeness", lambda *_: lost)

    result = shoot(trained, plan(trained, tmp_path, num_frames=13))

    (clip,) = result.clips
    assert result.exit_code == 5
    assert "after 5 of 13 frames: chunk 1 shows nobody who could be handed on" in result.describe()
    assert record_of(clip)["chain"]["delivered_frames"] == read_clip(clip).num_frames == 5
    assert record_of(clip)["shot"]["num_frames"] == 5


def _lost_in_the_second_chunk():
    calls = iter([0.6, 0.1, 0.1])
    return lambda frames: np.full(len(frames), next(calls))


def test_without_the_character_nobody_scores(trained, tmp_path, monkeypatch):
    monkeypatch.setattr(shooting, "make_likeness", lambda *_: pytest.fail("nobody is looked for"))

    (clip,) = shoot(trained, plan(trained, tmp_path, num_frames=13, strength=0.0)).clips

    assert record_of(clip)["chain"]["encoder"] is None
    assert record_of(clip)["chain"]["chunks"][0]["reason"] == "the last frame, not scored"


def test_keyframes_go_over_the_whole_shot(trained, tmp_path, alike, monkeypatch):
    real, seen = chain_units._Drawer._draw, []
    monkeypatch.setattr(
        chain_units._Drawer,
        "_draw",
        lambda self, unit: (seen.append(unit.strength), real(self, unit))[1],
    )
    made = plan(trained, tmp_path, num_frames=13, strength=(0.0, 1.0))

    (clip,) = shoot(trained, made).clips

    assert record_of(clip)["strength"] == [0.0, 1.0]
    assert "strength 0,1" in made.describe()
    assert seen[0][0] == 0.0
    assert [later[0] for later in seen[1:]] == [earlier[-1] for earlier in seen[:-1]]
    assert max(seen[-1]) == 1.0


def test_the_gallery_of_the_file_scores(trained):
    likeness = make_likeness(load_character(trained.adapter), torch.device("cpu"), trained.faces)

    assert likeness is not None
    frames = np.zeros((2, 32, 32, 3), np.uint8)
    assert likeness.score(frames).shape == (2,)
    assert likeness.min_same_person == trained.faces.min_same_person


def test_faces_are_located_so_that_they_can_be_put_back(trained, tmp_path, monkeypatch):
    likeness = make_likeness(load_character(trained.adapter), torch.device("cpu"), trained.faces)
    assert likeness is not None
    face = read_image(min(trained.photos.iterdir()))
    marks = likeness.locate(np.stack([face, np.zeros_like(face)]))
    assert np.array_equal(marks[0], trained.faces.detect([face])[0][0].landmarks_px)

    seen = []
    monkeypatch.setattr(
        shooting,
        "make_likeness",
        lambda *_: dataclasses.replace(
            likeness,
            score=lambda frames: np.full(len(frames), 0.6),
            locate=lambda frames: seen.append(len(frames)) or np.full((len(frames), 5, 2), np.nan),
        ),
    )
    shoot(trained, plan(trained, tmp_path, num_frames=9))
    assert seen == [5, 5], "the frames of both chunks"


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"seconds": 2.0, "num_frames": 9}, "9 frames and 2 seconds, expected one of them"),
        ({"seconds": -1.0}, "-1 seconds, expected more than 0"),
        ({"strength": (1.0, 9.0)}, "strength is 1,9, expected 0 to 3"),
        ({"strength": ()}, "strength is nothing, expected 0 to 3"),
        ({"last_frame": "end.png"}, "toon cannot end with a given picture"),
        ({"extend": "a.mp4", "first_frame": "b.png"}, "--extend and --first-frame both given"),
    ],
)
def test_what_contradicts_itself_is_refused_by_the_plan(trained, tmp_path, options, said):
    with pytest.raises(UsageError, match=said):
        plan(trained, tmp_path, **options)


def test_clips_that_cannot_be_made_longer_are_refused_by_the_plan(trained, tmp_path, alike):
    clip = shoot(trained, plan(trained, tmp_path, num_frames=5)).clips[0]
    with pytest.raises(UsageError, match="2 prompts for one clip"):
        plan(trained, tmp_path, (PROMPT, "@mira"), extend=clip)
    with pytest.raises(UsageError, match=r"96x96, expected 176x96, which --aspect 16:9 asks for"):
        plan(trained, tmp_path, (), extend=clip, aspect="16:9")
    fast = trained.recipe.model_copy(
        update={"sample": trained.recipe.sample.model_copy(update={"fps": 12.0})}
    )
    with pytest.raises(UsageError, match="8 frames per second, expected 12"):
        plan_shoot((), character=str(trained.adapter), extend=clip, recipe=fast)
    clip.with_suffix(".json").unlink()
    with pytest.raises(UsageError, match="nobody has written down what it shows"):
        plan(trained, tmp_path, (), extend=clip)


def test_a_last_frame_wants_a_backbone_that_takes_one(trained, tmp_path):
    """Its chunks would be cut to length, and the picture with them."""
    spec = dataclasses.replace(TOON, ends_with_frame=True)
    size = (96, 96)
    write_image(tmp_path / "a.png", np.full((96, 96, 3), 9, np.uint8))
    given = {"extend": None, "last_frame": tmp_path / "a.png", "aspect": None}
    settings = SampleSettings.of(spec)

    start = plan_start(spec, settings, size, first_frame=tmp_path / "a.png", **given)

    assert start.last is not None
    check_continues(spec, start, 9)
    with pytest.raises(UsageError, match="num_frames is 10"):
        check_continues(spec, start, 10)
    with pytest.raises(UsageError, match="given without --first-frame"):
        plan_start(spec, settings, size, first_frame=None, **given)


def test_a_picture_of_another_shape_is_refused(trained, tmp_path):
    write_image(tmp_path / "wide.png", np.zeros((100, 200, 3), np.uint8))
    with pytest.raises(UsageError, match=r"wide\.png: 200x100, expected the shape of the shot"):
        plan(trained, tmp_path, first_frame=tmp_path / "wide.png")


def test_a_clip_of_somebody_else_is_refused(trained, tmp_path, alike, monkeypatch):
    clip = shoot(trained, plan(trained, tmp_path, num_frames=5)).clips[0]
    other = Likeness(encoder="t", min_same_person=0.3, score=lambda frames: np.zeros(len(frames)))
    monkeypatch.setattr(shooting, "make_likeness", lambda *_: other)
    with pytest.raises(FaceError, match="shows somebody else than the character"):
        shoot(trained, plan(trained, tmp_path, (), extend=clip, num_frames=4))
