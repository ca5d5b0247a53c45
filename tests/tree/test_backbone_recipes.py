"""Every registered backbone has a recipe, and its tiny model runs it from photos to a report.

This is what the README's table claims of a backbone whose weights nobody has run here.
"""

import dataclasses
from pathlib import Path

import pytest

from facekit.adapters.character import load_character
from facekit.backbones import get_spec, spec_names
from facekit.evaluation import plots
from facekit.faces import vendors
from facekit.recipe import list_recipes, load_recipe
from facekit.types import NoProgress
from facekit.workflows import shoot_plan, shoot_warnings
from facekit.workflows.backbone import Backbone
from facekit.workflows.evaluate import plan_evaluate, run_evaluate
from facekit.workflows.shoot import plan_shoot, run_shoot
from facekit.workflows.train import plan_train, run_train
from tests.tiny.photos import good_photos
from tests.tiny.slow import slow_but
from tests.tiny.training import TinyFaces

SMALL = (
    "encoder.train=tiny",
    "encoder.report=judge",
    "identity.level=none",
    "lora.rank=2",
    "photos.holdout=1",
    "photos.min_face_px=16",
    "photos.min_same_person=-1",
    "photos.duplicate_distance=0",
    "train.steps=2",
    "train.batch_size=1",
    "train.checkpoint_every=1",
    'validate.prompts=["close-up of {character}"]',
    'validate.aspects=["1:1"]',
    "validate.seeds=[11]",
    "sample.num_inference_steps=2",
)


OFTEN = ("cogvideox_2b", "hunyuanvideo_1_5", "ltx_video_13b", "toon")
"""Of four families; what is done with a backbone here is the same for all."""


class Judge(TinyFaces):
    """Stands for the report encoder."""

    name = "judge"
    digest = "1" * 64


def test_every_backbone_has_a_recipe() -> None:
    names = {summary.name for summary in list_recipes()}
    assert not [name for name in spec_names() if f"{name}/train" not in names]


@pytest.mark.parametrize("name", slow_but(spec_names(), *OFTEN))
def test_the_recipe_runs_on_the_tiny_model(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plots, "DPI", 20)
    for faces in (TinyFaces, Judge):
        monkeypatch.setitem(vendors._loaders, faces.name, faces)
    spec = get_spec(name)
    side = 2 * spec.spatial_multiple
    sizes = {"1:1": (side, side), "16:9": (side, 2 * side), "9:16": (2 * side, side)}
    spec = dataclasses.replace(spec, sizes=sizes)
    monkeypatch.setattr(shoot_plan, "backbone_spec", lambda recipe: spec)
    backbone = Backbone(spec=spec, pipe=spec.tiny(), digest="")
    monkeypatch.setattr(shoot_warnings, "load_tokenizer", lambda recipe: backbone.pipe.tokenizer)
    frames = f"sample.num_frames={spec.frame_multiple + 1}"
    recipe = load_recipe(f"{name}/train", (*SMALL, frames))
    good_photos(tmp_path / "photos", 4)

    planned = plan_train(
        [tmp_path / "photos"], name="mira", recipe=recipe, out=tmp_path, drawn=True
    )
    trained = run_train(planned, NoProgress(), backbone=backbone)
    header = load_character(trained.adapter).file.header
    shots = plan_shoot(["close-up of @mira"], character=str(trained.adapter), out=tmp_path / "s")
    run_shoot(shots, NoProgress(), pipe=backbone.pipe)
    measured = plan_evaluate([tmp_path / "s"], character=str(trained.adapter), recipe=recipe)
    result = run_evaluate(measured, NoProgress())

    assert (trained.steps, header.backbone, header.level) == (2, name, "none")
    assert shots.recipe == recipe
    assert result.report.is_file()
    assert (trained.adapter.parent / "recipe.toml").is_file()
