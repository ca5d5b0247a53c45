"""What a run takes, as it is told before and when it went wrong."""

from pathlib import Path

import pytest
import torch

from facekit.errors import OutOfMemory, UsageError
from facekit.faces import vendors
from facekit.recipe import Recipe, load_recipe
from facekit.training.objective import Objective
from facekit.types import NoProgress
from facekit.workflows import cost
from facekit.workflows.cost import RunCost, Saving, estimate_run, recipe_for_device
from facekit.workflows.train import plan_train, run_train
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
    assert "on cpu (training" in told
    assert "4 steps of" in told
    assert "measured here just now" in told
    assert asked.cost is not None
    assert asked.cost.step.peak < 2**26
    assert asked.to_json()["cost"] == asked.cost.to_json()
    plain = plan_train([tmp_path / "photos"], name="mira", recipe=recipe, out=tmp_path)
    assert plain.cost is None


def test_what_does_not_fit_and_what_takes_days_is_warned_of() -> None:
    found = estimate_run(load_recipe("tiny/train", SMALL), torch.device("cpu"), num_photos=3)
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


def test_no_memory_left_says_what_would_need_less_and_keeps_the_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(vendors._loaders, TinyFaces.name, TinyFaces)
    good_photos(tmp_path / "photos")
    recipe = load_recipe("tiny/train", SMALL)
    plan = plan_train([tmp_path / "photos"], name="mira", recipe=recipe, out=tmp_path)
    real, calls = Objective.backward, []

    def fails(self: Objective, batch: object) -> object:
        calls.append(1)
        if len(calls) == 3:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")
        return real(self, batch)  # type: ignore[arg-type]

    monkeypatch.setattr(Objective, "backward", fails)
    found = (Saving(setting="memory.checkpointing_every=1", peak=3 * 2**30),)
    monkeypatch.setattr(cost, "savings", lambda *_, **__: found)
    with pytest.raises(OutOfMemory, match=r"^training ran out of memory") as error:
        run_train(plan, NoProgress())
    assert "Tried to allocate 2.00 GiB" in str(error.value)
    assert error.value.next_step.startswith("set one of memory.checkpointing_every=1 (3.0 GB)")
    assert "the last checkpoint is kept in" in error.value.next_step
    # The same recipe goes on from there once there is room.
    monkeypatch.setattr(Objective, "backward", real)
    assert run_train(plan, NoProgress()).steps == 4


def test_settings_that_save_are_estimated_the_best_first() -> None:
    recipe = load_recipe("tiny/train", [*SMALL, "train.batch_size=4", "loss.identity=0"])
    found = cost.savings(recipe, device="cpu")
    assert [saving.peak for saving in found] == sorted(saving.peak for saving in found)
    assert "train.batch_size=2" in {saving.setting for saving in found}
    assert "memory.checkpointing_every=1" in {saving.setting for saving in found}


def test_no_setting_is_advised_that_the_plan_refuses(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Recipe] = []

    class Peak:
        def __init__(self, recipe: Recipe, **_: object) -> None:
            asked.append(recipe)
            self.peak = 100 - len(asked)

    monkeypatch.setattr(cost, "recipe_cost", Peak)
    waiting = load_recipe("tiny/train", [*SMALL, "memory.offloaded_blocks=2"])
    told = {saving.setting for saving in cost.savings(waiting)}
    assert "memory.base_weights=float8" in told
    assert not told & {"memory.base_weights=nf4", "memory.offloaded_blocks=20"}
    assert len(asked) == 1 + len(told)


def test_memory_chooses_the_recipe() -> None:
    assert recipe_for_device(None, None, "cpu", None) == "toon/train"
    assert recipe_for_device("mine.toml", "toon", "cpu", None) == "mine.toml"
    assert recipe_for_device(None, "animatediff_sd15", "cpu", None) == "animatediff_sd15/train"
    assert recipe_for_device(None, "animatediff_sd15", "cpu", 24).endswith("/train_24gb")
    with pytest.raises(UsageError, match="--vram chooses a recipe"):
        recipe_for_device("toon/train", None, "cpu", 24)
    with pytest.raises(UsageError, match="cannot be trained in 4 GB"):
        recipe_for_device(None, "animatediff_sd15", "cpu", 4)
