"""What a run takes, as it is told before and when it went wrong."""

from pathlib import Path

import pytest
import torch

from facekit.errors import UsageError
from facekit.faces import vendors
from facekit.recipe import load_recipe
from facekit.workflows.cost import RunCost, estimate_run, recipe_for_device
from facekit.workflows.train import plan_train
from tests.tiny.photos import good_photos
from tests.tiny.training import TinyFaces

SMALL = (
    "encoder.train=tiny",
    "identity.num_tokens=4",
    "lora.rank=2",
    "photos.min_face_px=16",
    "photos.min_same_person=-1",
    "photos.duplicate_distance=0",
    "train.batch_size=2",
    "train.steps=4",
    "train.checkpoint_every=1",
    'validate.prompts=["close-up of {character}"]',
    "validate.seeds=[11]",
)
NO_LOSSES = ("loss.identity=0", "loss.preservation=0")
"""Beside the one that is always there: fewer operations to count."""


def test_a_plan_tells_memory_and_time_where_it_is_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(vendors._loaders, TinyFaces.name, TinyFaces)
    good_photos(tmp_path / "photos")
    recipe = load_recipe("tiny/train", SMALL)
    asked = plan_train(
        [tmp_path / "photos"], name="mira", recipe=recipe, out=tmp_path, estimate=True
    )
    told = asked.describe()
    assert "memory: about 0.0 GB of" in told
    assert "on cpu, beside what libraries take (training" in told
    assert "4 steps of" in told
    assert "measured here just now" in told
    assert asked.cost is not None
    assert asked.cost.step.peak < 2**26
    assert asked.to_json()["cost"] == asked.cost.to_json()
    plain = plan_train([tmp_path / "photos"], name="mira", recipe=recipe, out=tmp_path, drawn=True)
    assert plain.cost is None


def test_what_does_not_fit_and_what_takes_days_is_warned_of() -> None:
    recipe = load_recipe("tiny/train", (*SMALL, *NO_LOSSES))
    found = estimate_run(recipe, torch.device("cpu"), num_photos=3)
    assert found is not None
    assert found.fits
    assert not list(found.warnings())
    small = RunCost(
        step=found.step,
        device="cuda:0",
        limit=found.step.peak,
        steps=10,
        seconds=(3 * 86400.0, 6 * 86400.0),
        basis="",
    )
    assert not small.fits
    does_not_fit, takes_days = small.warnings()
    assert "will probably not fit" in does_not_fit
    assert "at least 3.0 days" in takes_days
    assert "about 3.0 to 6.0 days for 10 steps" in small.describe()


def test_a_card_that_is_planned_for_is_not_this_machine() -> None:
    recipe = load_recipe("tiny/train", (*SMALL, *NO_LOSSES))
    found = estimate_run(recipe, torch.device("cpu"), num_photos=3, card_gb=24)
    assert found is not None
    assert (found.device, found.limit, found.seconds) == ("a card of 24 GB", 24 * 2**30, None)
    assert "of 24.0 GB on a card of 24 GB (" in found.describe()


def test_memory_chooses_the_recipe() -> None:
    assert recipe_for_device(None, None, "cpu", None) == "toon/train"
    assert recipe_for_device("mine.toml", "toon", "cpu", None) == "mine.toml"
    assert recipe_for_device(None, "animatediff_sd15", "cpu", None) == "animatediff_sd15/train"
    assert recipe_for_device(None, "animatediff_sd15", "cpu", 24).endswith("/train_24gb")
    with pytest.raises(UsageError, match="--vram chooses a recipe"):
        recipe_for_device("toon/train", None, "cpu", 24)
    with pytest.raises(UsageError, match="cannot be trained in 4 GB"):
        recipe_for_device(None, "animatediff_sd15", "cpu", 4)
