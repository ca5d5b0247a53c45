"""Planning for several processes: what is refused before they are joined, and what is told."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from facekit.errors import UsageError
from facekit.media.images import write_image
from facekit.recipe import load_recipe
from facekit.training.processes import ALONE, Processes
from facekit.workflows import processes as under_test
from facekit.workflows.processes import leave, load_alike, plan_together, running, share_out
from facekit.workflows.train import TrainPlan, plan_train


class Pair(Processes):
    """The first of two; the other one agrees with everything."""

    count = 2
    device = torch.device("cpu")

    def __init__(self) -> None:
        self.compared: list[str] = []
        self.left = False

    def require_same(self, what: str, value: str) -> None:
        self.compared.append(what)

    def leave(self) -> None:
        self.left = True


@pytest.fixture
def pair(monkeypatch: pytest.MonkeyPatch) -> Pair:
    made = Pair()

    def join(kind: str, *, shards: bool) -> Pair:
        made.shards = shards
        return made

    monkeypatch.setattr(under_test, "launched", lambda: 2)
    monkeypatch.setattr(under_test, "join_processes", join)
    monkeypatch.setattr(under_test, "_joined", [])
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    for name in ("ACCELERATE_USE_FSDP", "ACCELERATE_USE_DEEPSPEED", "ACCELERATE_MIXED_PRECISION"):
        monkeypatch.delenv(name, raising=False)
    return made


class Planner:
    """Plans the tiny recipe, and keeps the device that it was asked for."""

    def __init__(self, folder: Path, *overrides: str) -> None:
        self.folder, self.overrides = folder, overrides
        self.device = ""
        write_image(folder / "photos" / "0.png", np.zeros((32, 32, 3), np.uint8))

    def __call__(self, device: str) -> TrainPlan:
        self.device = device
        return plan_train(
            [self.folder / "photos"],
            name="mira",
            recipe=load_recipe("tiny/train", self.overrides),
            out=self.folder,
            device=device,
        )


def test_a_single_process_plans_as_ever(tmp_path: Path) -> None:
    planner = Planner(tmp_path)
    plan = plan_together(planner, device="cpu")
    assert plan == planner("cpu")
    assert "processes" not in plan.describe()
    assert plan.to_json()["processes"] == 1
    assert plan.to_json()["samples_of_each"] == [2]
    assert running() is ALONE
    with pytest.raises(UsageError, match=r"--shard with a single process.*nproc-per-node 2"):
        plan_together(planner, shards=True)


def test_the_plan_tells_the_samples_of_each(tmp_path: Path, pair: Pair) -> None:
    plan = plan_together(Planner(tmp_path, "train.batch_size=3"), shards=True)
    assert (
        "processes: 2, 2 + 1 samples of each step; each holds a part of the backbone's weights"
        " (FSDP2)"
    ) in plan.describe()
    assert any("3 is no multiple of 2 processes" in line for line in plan.warnings)
    told = plan.to_json()
    assert (told["processes"], told["samples_of_each"], told["shards"]) == (2, [2, 1], True)
    assert running() is pair
    leave()
    assert pair.left
    assert running() is ALONE


def test_level_l0_needs_no_samples(tmp_path: Path, pair: Pair) -> None:
    overrides = ("identity.level=L0", "train.batch_size=1")
    plan = plan_together(Planner(tmp_path, *overrides))
    assert any("one would do" in line for line in plan.warnings)
    with pytest.raises(UsageError, match="batch_size is 1 and there are 2 processes"):
        plan_together(Planner(tmp_path / "b", "train.batch_size=1"))


@pytest.mark.parametrize(
    ("overrides", "got"),
    [
        (["memory.base_weights=float8"], "base_weights is float8"),
        (["memory.offloaded_blocks=1"], "offloaded_blocks 1"),
    ],
)
def test_weights_that_cannot_be_shared_out(
    tmp_path: Path, pair: Pair, overrides: list[str], got: str
) -> None:
    with pytest.raises(UsageError, match=got):
        plan_together(Planner(tmp_path, *overrides), shards=True)
    assert plan_together(Planner(tmp_path / "b")).shards is False


def test_what_accelerate_was_told(
    tmp_path: Path, pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ACCELERATE_USE_FSDP", "true")
    monkeypatch.setenv("ACCELERATE_MIXED_PRECISION", "fp16")
    plan = plan_together(Planner(tmp_path))
    assert plan.shards
    assert any("mixed precision fp16" in line for line in plan.warnings)
    monkeypatch.setenv("ACCELERATE_USE_DEEPSPEED", "true")
    with pytest.raises(UsageError, match="told to use DeepSpeed"):
        plan_together(Planner(tmp_path / "b"))


def test_each_process_gets_a_card(
    tmp_path: Path, pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    planner = Planner(tmp_path)
    for device in ("cuda:1", "mps"):
        with pytest.raises(UsageError, match=r"for 2 processes, expected auto, cpu or cuda"):
            plan_together(planner, device=device)
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "2")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    with pytest.raises(UsageError, match=r"finds 1 graphics cards.*at most 1"):
        plan_together(planner)
    plan_together(planner, device="cpu")
    assert planner.device == "cpu"


def test_processes_compare_what_each_has_loaded(pair: Pair) -> None:
    recipe: Any = load_recipe("tiny/train")
    backbone = load_alike(recipe, torch.device("cpu"), pair)
    assert pair.compared == ["weights of toon", "version of facekit"]
    before = dict(backbone.network.named_parameters())
    share_out(backbone, torch.device("cpu"), pair)  # told to hold all of them
    assert all(each is before[name] for name, each in backbone.network.named_parameters())
