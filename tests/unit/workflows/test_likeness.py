"""The shots that judge checkpoints, and the picture of a validation."""

from pathlib import Path

import numpy as np
import pytest

from facekit.backbones import get_spec
from facekit.errors import RecipeError
from facekit.identity.photo_set import PhotoSet
from facekit.media.images import read_image
from facekit.provenance.credentials import read_credentials
from facekit.recipe import load_recipe
from facekit.training.captions import Subject
from facekit.types import Clip
from facekit.workflows.likeness import _side_by_side, likeness_validation, validation_shots
from tests.tiny.training import TinyFaces, make_photo

MIRA = Subject.from_name("mira", trigger="a person with red hair")


def test_shots_take_turns_at_the_aspects_and_do_not_become_more() -> None:
    """A checkpoint that won on square shots alone had lost on wide and tall ones."""
    recipe, spec = load_recipe("toon/train"), get_spec("toon")

    shots = validation_shots(recipe, MIRA, spec)

    assert len(shots) == len(recipe.validate.prompts) * len(recipe.validate.seeds) == 4
    assert [(shot.height, shot.width) for shot in shots] == [
        spec.sizes[aspect] for aspect in ("1:1", "16:9", "9:16", "1:1")
    ]
    assert all("a person with red hair in the" in shot.prompt for shot in shots)
    assert [shot.seed for shot in shots] == [11, 12, 11, 12]


def test_one_aspect_may_be_asked_for() -> None:
    recipe = load_recipe("toon/train", ['validate.aspects=["9:16"]', "sample.aspect=16:9"])
    shots = validation_shots(recipe, MIRA, get_spec("toon"))
    assert {(shot.height, shot.width) for shot in shots} == {(176, 96)}


@pytest.mark.parametrize("aspects", ["[]", '["4:3"]', '"1:1"'])
def test_aspects_that_are_none(aspects: str) -> None:
    with pytest.raises(RecipeError, match=r"validate\.aspects"):
        load_recipe("toon/train", [f"validate.aspects={aspects}"])


def test_frames_of_different_heights_stand_centred_on_white() -> None:
    heights_widths = [(4, 6), (8, 3), (5, 2)]
    clips = [
        Clip(frames=np.full((3, height, width, 3), 10 * index, np.uint8), fps=8.0)
        for index, (height, width) in enumerate(heights_widths)
    ]

    picture = _side_by_side(clips)

    assert picture.shape == (8, 6 + 3 + 2, 3)
    assert (picture[2:6, :6] == 0).all()
    assert (picture[[0, 1, 6, 7], :6] == 255).all()
    assert (picture[:, 6:9] == 10).all()
    assert (picture[1:6, 9:] == 20).all()
    assert (picture[[0, 6, 7], 9:] == 255).all()


def test_a_validation_draws_every_aspect_and_keeps_one_picture(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("FACEKIT_CREDENTIALS")
    monkeypatch.setenv("FACEKIT_KEYS", str(tmp_path / "keys"))
    recipe, spec, faces = load_recipe("tiny/train"), get_spec("toon"), TinyFaces()
    photos = PhotoSet(train=(make_photo(0, faces),), held_out=(), encoder="tiny@0")

    record = {"character": "mira", "backbone": "toon", "consent": "c" * 64}
    judge = likeness_validation(recipe, photos, MIRA, spec.tiny(), spec, faces, tmp_path, record)
    first, second = judge(0), judge(0)

    assert first == second
    assert first.details == {"coverage": 1.0}
    # two prompts and one seed: a square shot and a wide one
    assert read_image(tmp_path / "step-000000.png").shape == (96, 96 + 176, 3)
    found = read_credentials(tmp_path / "step-000000.png")
    assert found.facts is not None
    assert [(one.name, one.consent) for one in found.facts.shown] == [("mira", "c" * 64)]
