"""One resumable loop for every weight of the toon world: VAE, encoders, probe, backbone."""

import dataclasses
import json
import math
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import torch
from torch import Tensor, nn

from facekit.errors import NonFiniteLoss, OutputExists, WeightsMissing
from facekit.toon.prefetch import in_order, spare_workers

__all__ = ["CPU", "Batch", "FitSettings", "fit", "load_average", "seed_checkpoint"]

CPU = torch.device("cpu")

_WORK_AHEAD = ("cuda",)
"""Kinds of devices for which other processes make batches; a CPU that trains has no cores left."""

Batch: TypeAlias = Mapping[str, Tensor]
"""What one step sees, by name, on the device of the model."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class FitSettings:
    """How long and how fast to fit.

    Attributes:
        steps: Number of optimiser steps in all, over all sittings.
        lr: Peak learning rate of AdamW.
        muon_lr: Peak learning rate of Muon on the matrices named by `muon`; 0 leaves them to AdamW.
        warmup: Steps of linear warm-up; afterwards the rate falls along a cosine.
        final: Last learning rate as a part of the peak.
        weight_decay: Decoupled weight decay of AdamW.
        ema: Decay of the moving average that is kept as the result; 0 keeps the last weights.
        clip: Largest gradient norm.
        checkpoint_s: Seconds between checkpoints.
    """

    steps: int
    lr: float
    muon_lr: float = 0.0
    warmup: int = 100
    final: float = 0.03
    weight_decay: float = 0.01
    ema: float = 0.0
    clip: float = 1.0
    checkpoint_s: float = 120.0


def fit(
    model: nn.Module,
    batch_of: Callable[[int], Mapping[str, np.ndarray]],
    losses_of: Callable[[int, Batch], Mapping[str, Tensor]],
    settings: FitSettings,
    checkpoint_path: Path,
    *,
    device: torch.device = CPU,
    muon: Callable[[str], bool] = lambda name: False,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
) -> None:
    """Train `model` in place, going on from `checkpoint_path` where that exists.

    Args:
        model: Its trainable parameters are fitted; on return it is on `device` and holds the
            averaged weights when `settings.ema` is on.
        batch_of: Makes the arrays of a step and draws its chance from the step alone. With CUDA
            other processes call it some steps ahead.
        losses_of: Maps a step number and its arrays, as tensors on `device`, to named losses, which
            are summed; there is no chance in it, so that none depends on the device.
        settings: Steps and rates.
        checkpoint_path: Where model, optimiser and step are kept; a log in JSON lines lies beside.
        device: Where the model is fitted. A checkpoint may be of another one.
        muon: Which parameter names (matrices only) Muon updates.
        on_progress: Called with (done, total) now and then.

    Raises:
        NonFiniteLoss: Gradients stayed non-finite for ten steps in a row.
    """
    model.to(device)
    named = [
        (name, parameter) for name, parameter in model.named_parameters() if parameter.requires_grad
    ]
    matrices = [p for name, p in named if settings.muon_lr > 0 and p.ndim == 2 and muon(name)]
    chosen = {id(p) for p in matrices}
    rest = [p for _, p in named if id(p) not in chosen]
    optimizers: list[torch.optim.Optimizer] = [
        torch.optim.AdamW(
            rest,
            lr=settings.lr,
            weight_decay=settings.weight_decay,
            betas=(0.9, 0.98),
            fused=device.type in ("cpu", "cuda"),
        )
    ]
    peaks = [settings.lr]
    if matrices:
        optimizers.append(torch.optim.Muon(matrices, lr=settings.muon_lr, weight_decay=0.0))
        peaks.append(settings.muon_lr)
    average: dict[str, Tensor] | None = None
    start = 0
    if checkpoint_path.is_file():
        saved = torch.load(checkpoint_path, map_location="cpu", weights_only=True)
        model.load_state_dict(saved["model"])
        if saved["optimizers"]:
            for optimizer, state in zip(optimizers, saved["optimizers"], strict=True):
                optimizer.load_state_dict(state)
            average = {name: value.to(device) for name, value in saved["average"].items()}
        start = int(saved["step"])
    if average is None:
        average = {name: p.detach().clone() for name, p in named} if settings.ema > 0 else {}
    log_path = checkpoint_path.with_suffix(".jsonl")
    saved_at = time.monotonic()
    bad = 0
    steps = range(start, settings.steps)
    # One core is for this process, which keeps the card busy.
    workers = min(spare_workers() - 1, len(steps)) if device.type in _WORK_AHEAD else 0
    for step, arrays in zip(steps, in_order(batch_of, steps, num_workers=workers), strict=True):
        rate = _schedule(step, settings)
        for optimizer, peak in zip(optimizers, peaks, strict=True):
            for group in optimizer.param_groups:
                group["lr"] = peak * rate
            optimizer.zero_grad(set_to_none=True)
        batch = {name: torch.from_numpy(array).to(device) for name, array in arrays.items()}
        losses = losses_of(step, batch)
        total = torch.stack(list(losses.values())).sum()
        total.backward()  # type: ignore[no-untyped-call]
        norm = nn.utils.clip_grad_norm_([p for _, p in named], settings.clip)
        if not bool(torch.isfinite(norm)):
            bad += 1
            if bad >= 10:
                raise NonFiniteLoss(
                    f"{checkpoint_path}: step {step} is the tenth in a row with gradients that are"
                    " not finite; lower the learning rate, or move the checkpoint away to begin"
                    " again"
                )
            continue
        bad = 0
        for optimizer in optimizers:
            optimizer.step()
        if average:
            decay = min(settings.ema, (step + 1) / (step + 10))
            with torch.no_grad():
                torch._foreach_lerp_(
                    [average[name] for name, _ in named],
                    [p.detach() for _, p in named],
                    1.0 - decay,
                )
        if step % 50 == 0 or step + 1 == settings.steps:
            line = {
                "step": step,
                "seconds": round(time.monotonic(), 1),
                "norm": round(norm.item(), 4),
            }
            line |= {name: round(value.item(), 5) for name, value in losses.items()}
            with log_path.open("a") as log:
                log.write(json.dumps(line) + "\n")
            on_progress(step + 1, settings.steps)
        if time.monotonic() - saved_at > settings.checkpoint_s:
            _save(checkpoint_path, model, optimizers, average, step + 1)
            saved_at = time.monotonic()
    _save(checkpoint_path, model, optimizers, average, max(start, settings.steps))
    with torch.no_grad():
        for name, parameter in named:
            if average:
                parameter.copy_(average[name])


def seed_checkpoint(model: nn.Module, checkpoint_path: Path, *, step: int) -> None:
    """Write weights that come from elsewhere as a checkpoint; its optimisers start anew.

    Args:
        model: Holds the weights.
        checkpoint_path: Must not exist yet.
        step: Steps that count as done.

    Raises:
        OutputExists: There is a checkpoint already.
    """
    if checkpoint_path.exists():
        raise OutputExists(
            f"{checkpoint_path}: a checkpoint is there already, expected none; move it away, or go"
            " on with it"
        )
    _save(checkpoint_path, model, (), {}, step)


def load_average(model: nn.Module, checkpoint_path: Path) -> int:
    """Fill a model with the (averaged) weights of a checkpoint and return its step.

    Raises:
        WeightsMissing: There is no checkpoint.
    """
    if not checkpoint_path.is_file():
        raise WeightsMissing(
            f"{checkpoint_path}: no such checkpoint, expected what an earlier part of the build"
            " makes; name that part with --part too, or add --from-shipped"
        )
    saved = torch.load(checkpoint_path, map_location="cpu", weights_only=True)
    model.load_state_dict(saved["model"])
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if name in saved["average"]:
                parameter.copy_(saved["average"][name])
    return int(saved["step"])


def _schedule(step: int, settings: FitSettings) -> float:
    if step < settings.warmup:
        return (step + 1) / settings.warmup
    progress = (step - settings.warmup) / max(1, settings.steps - settings.warmup)
    return settings.final + (1.0 - settings.final) * 0.5 * (
        1.0 + math.cos(math.pi * min(1.0, progress))
    )


def _on_cpu(state: Any) -> Any:
    """Bring the tensors inside dictionaries and lists to the CPU, for machines without a card."""
    if isinstance(state, Tensor):
        return state.cpu()
    if isinstance(state, Mapping):
        return {key: _on_cpu(value) for key, value in state.items()}
    return [_on_cpu(value) for value in state] if isinstance(state, list) else state


def _save(
    path: Path,
    model: nn.Module,
    optimizers: Iterable[torch.optim.Optimizer],
    average: dict[str, Tensor],
    step: int,
) -> None:
    temporary = path.with_suffix(".part")
    state = {
        "model": model.state_dict(),
        "optimizers": [optimizer.state_dict() for optimizer in optimizers],
        "average": average,
        "step": step,
    }
    torch.save(_on_cpu(state), temporary)
    temporary.rename(path)
