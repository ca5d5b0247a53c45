"""The processes that a launcher started for one training: joined, planned and parted.

Photos, recipe and output folder belong to the first process alone, so only its machine needs them.
Weights are loaded by every process, from its own machine.
"""

import os
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Literal

import torch
from torch import nn

from facekit import __version__
from facekit.errors import UsageError
from facekit.recipe import Recipe
from facekit.training.processes import ALONE, Processes, join_processes, launched, shares
from facekit.training.sharding import shard
from facekit.workflows.backbone import Backbone, load_backbone
from facekit.workflows.cost import RunCost, estimate_run
from facekit.workflows.device import AUTO

if TYPE_CHECKING:
    from facekit.workflows.train_plan import TrainPlan

__all__ = ["leave", "load_alike", "plan_together", "running", "share_out"]

_WHOLE = ("float32", "bfloat16")
_PRECISIONS = {"no": "float32", "bf16": "bfloat16", "fp16": "float16", "fp8": "float8"}
_joined: list[Processes] = []


def running() -> Processes:
    """The processes of this run, joined by `plan_together`; a single one otherwise."""
    return _joined[-1] if _joined else ALONE


def leave() -> None:
    """Part from the other processes when everything is done."""
    while _joined:
        _joined.pop().leave()


def plan_together(
    make: "Callable[[str], TrainPlan]", *, device: str = AUTO, shards: bool = False
) -> "TrainPlan":
    """Plan once for all processes that a launcher started; for a single one just plan.

    Args:
        make: Plans for a device, given by name. Called in the first process alone.
        device: ``auto``, ``cpu`` or ``cuda``; each process gets a card of its own.
        shards: Whether each process holds only a part of the backbone's weights. Also where
            accelerate was told to use FSDP.

    Raises:
        UsageError: More processes than graphics cards or samples, a device that they cannot share,
            or weights that cannot be shared out.
        ProcessLost: Another process has ended.
    """
    count = launched()
    if count == 1:
        if shards:
            raise UsageError(
                "--shard with a single process, expected several to share the weights out over;"
                " leave it away, or start several: torchrun --nproc-per-node 2 -m"
                " facekit_cli.main train"
            )
        return make(device)
    if os.environ.get("ACCELERATE_USE_DEEPSPEED", "false").lower() == "true":
        raise UsageError(
            "accelerate was told to use DeepSpeed, expected no plugin or FSDP; correct the"
            " configuration with accelerate config, or start with torchrun"
        )
    shards = shards or os.environ.get("ACCELERATE_USE_FSDP", "false").lower() == "true"
    kind = _kind(device, count)
    processes = join_processes(kind, shards=shards)
    _joined.append(processes)
    plan = processes.same(lambda: _plan(make, kind, count, shards))
    return replace(plan, device=processes.device or plan.device)


def _plan(make: "Callable[[str], TrainPlan]", kind: str, count: int, shards: bool) -> "TrainPlan":
    plan = make(kind)
    memory = plan.recipe.memory
    if shards and (memory.base_weights not in _WHOLE or memory.offloaded_blocks):
        raise UsageError(
            f"memory.base_weights is {memory.base_weights} and memory.offloaded_blocks"
            f" {memory.offloaded_blocks}; weights that are shared out can be neither quantised nor"
            f" offloaded, expected {' or '.join(_WHOLE)} and 0; correct them with --set, or train"
            " without --shard"
        )
    has_steps = plan.recipe.identity.level != "L0"
    parts = shares(plan.recipe.train.batch_size, count) if has_steps else (0,) * count
    warnings = [*plan.warnings, *_warnings(plan.recipe, parts)]
    told = replace(plan, parts=parts, shards=shards, warnings=tuple(warnings))
    return replace(told, cost=_cost_of_one(told)) if plan.cost else told


def _cost_of_one(plan: "TrainPlan") -> RunCost | None:
    """What the largest part of a step takes; not known where weights are shared out."""
    if plan.shards or not any(plan.parts):
        return None
    train = plan.recipe.train.model_copy(update={"batch_size": max(plan.parts)})
    own = plan.recipe.model_copy(update={"train": train})
    return estimate_run(own, plan.device, num_photos=len(plan.sources))


def _warnings(recipe: Recipe, parts: tuple[int, ...]) -> list[str]:
    found = []
    if not any(parts):
        found.append("level L0 trains nothing, so the first process does all; one would do")
    elif len(set(parts)) > 1:
        whole = len(parts) * parts[0]
        found.append(
            f"train.batch_size {sum(parts)} is no multiple of {len(parts)} processes, so some wait"
            f" for the others in every step; {whole} would take as long"
        )
    asked = os.environ.get("ACCELERATE_MIXED_PRECISION", "no")
    if asked != "no" and _PRECISIONS.get(asked) != recipe.train.precision:
        found.append(
            f"accelerate was told mixed precision {asked}; what counts is train.precision of the"
            f" recipe, {recipe.train.precision}"
        )
    return found


def _kind(device: str, count: int) -> Literal["cpu", "cuda"]:
    """The kind of device that each of several processes gets one of."""
    cards = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if device not in (AUTO, "cpu", "cuda"):
        raise UsageError(
            f"device {device!r} for {count} processes, expected auto, cpu or cuda, where each gets"
            " a card of its own; correct --device"
        )
    here = int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
    if device == "cpu" or (device == AUTO and not cards):
        return "cpu"
    if here > cards:
        raise UsageError(
            f"{here} processes were started on this machine, torch finds {cards} graphics cards,"
            f" expected one card for each; start at most {cards} with --nproc-per-node, or"
            " choose --device cpu"
        )
    return "cuda"


def load_alike(
    recipe: Recipe, device: torch.device, processes: Processes, given: Backbone | None = None
) -> Backbone:
    """Load the backbone into main memory, the same in all processes.

    Args:
        recipe: Says which.
        device: Where this process computes.
        processes: Of the run.
        given: When it is loaded already.

    Raises:
        UsageError: Another process has loaded other weights, or the name is unknown.
        WeightsError: Its weights are missing or damaged.
    """
    where = None if processes.shards else device
    backbone = given or load_backbone(recipe, where, waits=True)
    if processes.count > 1:
        processes.require_same(f"weights of {backbone.spec.name}", backbone.parts_digest)
        processes.require_same("version of facekit", __version__)
    return backbone


def share_out(backbone: Backbone, device: torch.device, processes: Processes) -> None:
    """Keep a part of each adapted network on this process's device, and all of the rest.

    Nothing happens unless the processes are to share the weights.
    """
    if not processes.shards:
        return
    networks = backbone.spec.family.networks(backbone.pipe)
    for network in networks:
        shard(network, device)
    for part in backbone.pipe.components.values():
        if isinstance(part, nn.Module) and not any(part is network for network in networks):
            part.to(device)
