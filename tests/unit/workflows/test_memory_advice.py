"""What would need less memory, where there is none left."""

from pathlib import Path

import pytest
import torch

from facekit.errors import OutOfMemory
from facekit.faces import vendors
from facekit.recipe import Recipe, load_recipe
from facekit.training.objective import Objective
from facekit.types import NoProgress
from facekit.workflows import memory_advice
from facekit.workflows.memory_advice import Saving
from facekit.workflows.train import plan_train, run_train
from tests.tiny.photos import good_photos
from tests.tiny.training import TinyFaces
from tests.unit.workflows.test_cost import NO_LOSSES, SMALL


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
    small = Saving(setting="memory.checkpointing_every=1", peak=2**20, before=3 * 2**30 + 2**20)
    found = (small, Saving(setting="lora.rank=1", peak=2**60, before=2**61))
    monkeypatch.setattr(memory_advice, "savings", lambda *_, **__: found)
    with pytest.raises(OutOfMemory, match=r"^training ran out of memory") as error:
        run_train(plan, NoProgress())
    assert "Tried to allocate 2.00 GiB" in str(error.value)
    assert error.value.next_step == (
        "train again with --force and --set one of memory.checkpointing_every=1 (about 0.0 GB,"
        " 3.0 GB less)"
    )
    assert "(the last checkpoint is kept in" in str(error.value)
    # The same recipe goes on from there once there is room.
    monkeypatch.setattr(Objective, "backward", real)
    assert run_train(plan, NoProgress()).steps == 4


@pytest.mark.slow
def test_settings_that_save_are_estimated_the_best_first() -> None:
    recipe = load_recipe("tiny/train", [*SMALL, "train.batch_size=4", *NO_LOSSES])
    found = memory_advice.savings(recipe, device="cpu")
    assert [saving.peak for saving in found] == sorted(saving.peak for saving in found)
    assert "train.batch_size=2" in {saving.setting for saving in found}
    assert "memory.checkpointing_every=1" in {saving.setting for saving in found}


def test_where_no_setting_fits_by_itself_several_do(monkeypatch: pytest.MonkeyPatch) -> None:
    class Peak:
        def __init__(self, recipe: Recipe, **_: object) -> None:
            kept = 0 if recipe.memory.checkpointing_every else 40
            self.peak = 100 * recipe.train.batch_size + kept

    monkeypatch.setattr(memory_advice, "recipe_cost", Peak)
    recipe = load_recipe("tiny/train", [*SMALL, "train.batch_size=8"])
    alone = memory_advice.savings(recipe, device="cpu")
    assert [saving.peak for saving in alone] == [440, 800]
    found = memory_advice.fitting(recipe, alone, 150, device="cpu")
    assert found is not None
    assert (found.peak, found.before) == (100, 840)
    assert found.setting == "train.batch_size=1 --set memory.checkpointing_every=1"
    hopeless = memory_advice.fitting(recipe, alone, 50, device="cpu")
    assert hopeless is not None
    assert hopeless.peak == 100
    assert memory_advice.fitting(recipe, (), 50) is None


def test_no_setting_is_advised_that_the_plan_refuses(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Recipe] = []

    class Peak:
        def __init__(self, recipe: Recipe, **_: object) -> None:
            asked.append(recipe)
            self.peak = 100 - len(asked)

    monkeypatch.setattr(memory_advice, "recipe_cost", Peak)
    waiting = load_recipe("tiny/train", [*SMALL, "memory.offloaded_blocks=2"])
    told = {saving.setting for saving in memory_advice.savings(waiting)}
    assert "memory.base_weights=float8" in told
    assert not told & {"memory.base_weights=nf4", "memory.offloaded_blocks=20"}
    assert len(asked) == 1 + len(told)
