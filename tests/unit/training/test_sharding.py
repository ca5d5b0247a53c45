"""The weights of the base over two processes against a single process that holds them all."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn
from torch.distributed.tensor import DTensor

from facekit.errors import TrainingError
from facekit.recipe import MemorySection
from facekit.training.processes import ALONE, Processes
from facekit.training.sharding import shard
from tests.tiny.processes import together, train
from tests.tiny.training import TinyRun

CHANGES: dict[str, Any] = {
    "steps": 4,
    "batch_size": 2,
    "memory": MemorySection(checkpointing_every=2),
}


def train_sharded(processes: Processes, folder: Path) -> Any:
    """Everything that shards take part in; then how much of the weights this process holds."""
    result = train(processes, folder, CHANGES)
    run = TinyRun(folder / "whole")
    network: Any = run.pipe.transformer
    whole = sum(each.numel() for each in network.parameters())
    shard(network, torch.device("cpu"))
    assert all(isinstance(each, DTensor) for each in network.parameters())
    here = sum(each.to_local().numel() for each in network.parameters())
    return result, here / whole


def test_weights_over_two_processes_train_what_one_does(tmp_path: Path) -> None:
    single = train(ALONE, tmp_path / "one", CHANGES)
    ended = together(2, train_sharded, tmp_path, shards=True)
    assert [each.error for each in ended] == [None, None]
    for each in ended:
        (tokens, lora, best_step, score), part = each.value
        assert part == pytest.approx(0.5, abs=0.05)
        torch.testing.assert_close(tokens, single[0], atol=1e-5, rtol=1e-4)
        for name, tensor in lora.items():
            torch.testing.assert_close(tensor, single[1][name], atol=1e-4, rtol=1e-3)
        assert (best_step, score) == (single[2], pytest.approx(single[3], abs=1e-4))


def shard_without_blocks(processes: Processes) -> None:
    shard(nn.Linear(2, 2), torch.device("cpu"))


def test_a_network_without_blocks_is_refused() -> None:
    ended = together(2, shard_without_blocks)
    assert all(isinstance(each.error, TrainingError) for each in ended)
    assert "Linear: no lists of blocks" in str(ended[0].error)
