"""Clips in `facekit train`: refused and warned of in the plan, cut and learned from in the run."""

from pathlib import Path
from zipfile import ZipFile

import numpy as np
import pytest

from facekit.adapters.character_file import CharacterFile
from facekit.errors import UsageError
from facekit.faces import vendors
from facekit.faces.align import align
from facekit.identity.photo_set import Photo, PhotoSet
from facekit.media.scan import scan_sources
from facekit.media.video import write_clip
from facekit.recipe import Recipe, load_recipe
from facekit.training.trainer import Validation
from facekit.types import Clip, NoProgress
from facekit.workflows import train as workflow
from facekit.workflows import train_clips
from facekit.workflows.check import plan_check, run_check
from facekit.workflows.masks import MasksUsed
from facekit.workflows.train import TrainOutcome, TrainPlan, plan_train, run_train
from facekit.workflows.train_clips import add_excerpts, excerpt_parser
from tests.tiny.faces import RED, DiscFaces, draw_photo
from tests.tiny.parsers import tiny_parser
from tests.tiny.photos import good_photos
from tests.tiny.training import TinyFaces, make_photo

CLIPS = ("clips.num_frames=5", "train.steps=2", "validate.every=0", "photos.duplicate_distance=0")


@pytest.fixture(autouse=True)
def _discs(monkeypatch: pytest.MonkeyPatch) -> None:
    """The encoder of the recipes here; and the last weights are kept."""
    monkeypatch.setitem(vendors._loaders, "discs", DiscFaces)
    judge = lambda step: Validation(score=float(step))  # noqa: E731
    monkeypatch.setattr(workflow, "likeness_validation", lambda *_: judge)


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Four photos; a clip of a turning head with a caption, and one of three frames."""
    folder = tmp_path / "photos"
    good_photos(folder, 4)
    for name, count in (("turning", 13), ("short", 3)):
        turns = np.linspace(-0.7, 0.7, count)
        frames = [draw_photo(RED, seed=50 + count, turn=turn, diameter_px=50) for turn in turns]
        write_clip(folder / f"{name}.mp4", Clip(frames=np.stack(frames), fps=8.0))
    (folder / "turning.txt").write_text("@mira in the park, turning the head")
    return folder


def recipe(*overrides: str) -> Recipe:
    return load_recipe("tiny/train", ["encoder.train=discs", *CLIPS, *overrides])


def plan(photos: Path, out: Path, *overrides: str) -> TrainPlan:
    return plan_train([photos], name="mira", recipe=recipe(*overrides), out=out)


def train(photos: Path, out: Path, *overrides: str) -> TrainOutcome:
    return run_train(plan(photos, out, *overrides), NoProgress())


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("clips.num_frames=6", r"clips\.num_frames is 6, expected 4 \* n \+ 1 up to \d+ .*; use 5"),
        ("clips.num_frames=1", r"clips\.num_frames is 1, expected several .* set it to 5, or to 0"),
        ("clips.share=0", r"clips\.share is 0 .*; set clips\.num_frames to 0"),
    ],
)
def test_what_the_backbone_cannot_learn_from_is_refused_in_the_plan(
    photos: Path, tmp_path: Path, override: str, message: str
) -> None:
    with pytest.raises(UsageError, match=message):
        plan(photos, tmp_path / "out", override)


def test_the_plan_says_how_clips_are_cut_and_which_are_too_short(
    photos: Path, tmp_path: Path
) -> None:
    planned = plan(photos, tmp_path / "out", "clips.fps=4", "clips.share=0.25")
    told = planned.describe()
    assert "clips: up to 2 excerpts of each, 5 frames at 4 per second; 25% of all tokens" in told
    (line,) = [line for line in planned.warnings if "short.mp4" in line]
    assert "0.25 s from its first to its last frame, expected at least 1.00 s" in line
    without = plan(photos, tmp_path / "out", "clips.num_frames=0")
    assert "clips: up to" not in without.describe()
    assert not [line for line in without.warnings if "short.mp4" in line]


def test_clips_that_are_asked_for_and_not_there_are_told(photos: Path, tmp_path: Path) -> None:
    for clip in photos.glob("*.mp4"):
        clip.unlink()
    (line,) = [w for w in plan(photos, tmp_path / "out").warnings if "clips.num_frames" in w]
    assert "there is no clip" in line


def test_photos_and_clips_are_learned_from_and_their_dataset_gives_the_same(
    photos: Path, tmp_path: Path
) -> None:
    outcome = train(photos, tmp_path / "out")
    training = CharacterFile.load(outcome.adapter).header.training
    assert training["num_excerpts"] == 2
    captions = training["captions"]
    assert isinstance(captions, list)
    assert captions[-1] == "a person in the park, turning the head"
    assert len([line for line in outcome.warnings if "short.mp4" in line]) == 1
    checking = plan_check([photos], recipe=recipe(), name="mira", out=tmp_path / "checked")
    assert run_check(checking).accepted
    again = train(tmp_path / "checked", tmp_path / "again")
    assert again.adapter.read_bytes() == outcome.adapter.read_bytes()


def test_clips_in_an_archive_are_cut_too(photos: Path, tmp_path: Path) -> None:
    with ZipFile(tmp_path / "all.zip", "w") as archive:
        for path in photos.iterdir():
            archive.write(path, path.name)
    sources = scan_sources([tmp_path / "all.zip"])
    frame = draw_photo(RED)
    face = DiscFaces().detect([frame])[0][0]
    crop = align(frame, face, size_px=DiscFaces.crop_size_px, margin=DiscFaces.crop_margin)
    own = Photo(
        source=f"{tmp_path}/all.zip/turning.mp4@00:00.000",
        file=Path("frame.png"),
        image=frame,
        face=face,
        crop=crop,
        embedding=DiscFaces().encode([crop])[0],
    )
    found, told = add_excerpts(
        recipe(), PhotoSet(train=(own,)), sources, None, DiscFaces(), NoProgress()
    )
    assert {excerpt.source.partition("@")[0] for excerpt in found.excerpts} == {
        f"{tmp_path}/all.zip/turning.mp4"
    }
    assert {excerpt.photo for excerpt in found.excerpts} == {0}
    assert [line for line in told if "short.mp4" in line]


def test_excerpts_get_the_masks_of_the_photos_parser_or_say_why_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    parser, photo = tiny_parser(), make_photo(0, TinyFaces())
    monkeypatch.setattr(train_clips, "load_parser", lambda _: parser)
    none = PhotoSet(train=(photo,))
    some = PhotoSet(train=(photo,), excerpts=(None,))  # type: ignore[arg-type]
    used = MasksUsed(parser=parser.name, digest=parser.digest)
    faces = TinyFaces()
    assert excerpt_parser(none, used, faces) == (None, ())
    assert excerpt_parser(some, MasksUsed(parser="ellipse"), faces) == (None, ())
    assert excerpt_parser(some, MasksUsed(parser=""), faces) == (None, ())
    assert excerpt_parser(some, used, faces) == (parser, ())
    drawn, (line,) = excerpt_parser(some, MasksUsed(parser=parser.name, digest="f" * 64), faces)
    assert drawn is None
    assert "face masks of excerpts are the ellipse" in line
