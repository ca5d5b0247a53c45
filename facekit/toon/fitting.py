"""One resumable loop for every weight of the toon world: VAE, encoders, probe, backbone."""

import dataclasses
import json
import math
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

import torch
from torch import Tensor, nn

from facekit.errors import NonFiniteLoss, WeightsMissing

__all__ = ["FitSettings", "fit", "load_average", "seed_checkpoint"]


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
    losses_of: Callable[[int], Mapping[str, Tensor]],
    settings: FitSettings,
    checkpoint_path: Path,
    *,
    muon: Callable[[str], bool] = lambda name: False,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
) -> None:
    """Train `model` in place, going on from `checkpoint_path` where that exists.

    Args:
        model: Its trainable parameters are fitted; on return it holds the averaged weights when
            `settings.ema` is on.
        losses_of: Maps a step number to named losses, which are summed; must draw its chance from
            the step alone.
        settings: Steps and rates.
        checkpoint_path: Where model, optimiser and step are kept; a log in JSON lines lies beside.
        muon: Which parameter names (matrices only) Muon updates.
        on_progress: Called with (done, total) now and then.

    Raises:
        NonFiniteLoss: Gradients stayed non-finite for ten steps in a row.
    """
    named = [
        (name, parameter) for name, parameter in model.named_parameters() if parameter.requires_grad
    ]
    matrices = [p for name, p in named if settings.muon_lr > 0 and p.ndim == 2 and muon(name)]
    chosen = {id(p) for p in matrices}
    rest = [p for _, p in named if id(p) not in chosen]
    optimizers: list[torch.optim.Optimizer] = [
        torch.optim.AdamW(
            rest, lr=settings.lr, weight_decay=settings.weight_decay, betas=(0.9, 0.98), fused=True
        )
    ]
    peaks = [settings.lr]
    if matrices:
        optimizers.append(torch.optim.Muon(matrices, lr=settings.muon_lr, weight_decay=0.0))
        peaks.append(settings.muon_lr)
    average: dict[str, Tensor] | None = None
    start = 0
    if checkpoint_path.is_file():
        saved = torch.load(checkpoint_path, weights_only=True)
        model.load_state_dict(saved["model"])
        if saved["optimizers"]:
            for optimizer, state in zip(optimizers, saved["optimizers"], strict=True):
                optimizer.load_state_dict(state)
            average = saved["average"]
        start = int(saved["step"])
    if average is None:
        average = {name: p.detach().clone() for name, p in named} if settings.ema > 0 else {}
    log_path = checkpoint_path.with_suffix(".jsonl")
    saved_at = time.monotonic()
    bad = 0
    for step in range(start, settings.steps):
        rate = _schedule(step, settings)
        for optimizer, peak in zip(optimizers, peaks, strict=True):
            for group in optimizer.param_groups:
                group["lr"] = peak * rate
            optimizer.zero_grad(set_to_none=True)
        losses = losses_of(step)
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
        FileExistsError: There is a checkpoint already.
    """
    if checkpoint_path.exists():
        raise FileExistsError(f"{checkpoint_path}: exists, expected no checkpoint; move it away")
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
    saved = torch.load(checkpoint_path, weights_only=True)
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
    torch.save(state, temporary)
    temporary.rename(path)
