"""AdamW over named parameters: a learning rate per group and step, clipping and averaging."""

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn

from facekit.training.adamw import OptimizerKind, build_adamw

__all__ = ["Group", "LrSchedule", "Optimizer", "lr_factor"]

LrSchedule = Literal["constant", "linear", "cosine"]

_COUNTERS = ("k", "weight_sum", "lr_max")
"""What the schedule-free optimizer counts for a group, beside its tensors."""


def lr_factor(schedule: LrSchedule, step: int, total_steps: int, warmup: int) -> float:
    """Part of the learning rate that a step learns with, 0..1; a function of the step alone.

    Args:
        schedule: What follows the warm-up; the linear and the cosine one reach 0 after the last
            step.
        step: Counts from 0.
        total_steps: Of the run.
        warmup: Steps until the learning rate is reached.
    """
    if step < warmup:
        return (step + 1) / warmup
    done = (step - warmup) / max(total_steps - warmup, 1)
    if schedule == "linear":
        return max(0.0, 1.0 - done)
    if schedule == "cosine":
        return 0.5 * (1.0 + math.cos(math.pi * min(done, 1.0)))
    return 1.0


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Group:
    """Parameters that learn alike."""

    name: str
    parameters: Mapping[str, nn.Parameter]
    lr: float
    weight_decay: float = 0.0


class Optimizer:
    """Everything that changes while training, by name, so that a checkpoint can hold it all.

    Args:
        groups: What is trained; names are unique over all groups.
        warmup: Steps until the learning rates are reached.
        grad_clip: Largest norm of the gradient of one group; each group by itself, since tokens
            and LoRA differ by orders of magnitude.
        ema: Decay of the running average that is kept beside the weights; 0 keeps none.
        kind: Which AdamW.
        lr_schedule: What the learning rates do after the warm-up.

    Raises:
        PackageMissing: The kind needs a package that is not installed.
    """

    def __init__(
        self,
        groups: tuple[Group, ...],
        *,
        warmup: int,
        grad_clip: float,
        ema: float = 0.0,
        kind: OptimizerKind = "adamw",
        lr_schedule: LrSchedule = "constant",
    ) -> None:
        self.groups = tuple(group for group in groups if group.parameters)
        self.warmup = warmup
        self.grad_clip = grad_clip
        self.ema = ema
        self.kind = kind
        self.lr_schedule: LrSchedule = lr_schedule
        self.parameters: dict[str, nn.Parameter] = {}
        for group in self.groups:
            self.parameters.update(group.parameters)
        self._adam: Any = build_adamw(
            kind,
            [
                {
                    "params": list(group.parameters.values()),
                    "lr": group.lr,
                    "weight_decay": group.weight_decay,
                }
                for group in self.groups
            ],
            on_cuda=all(p.is_cuda for p in self.parameters.values()),
        )
        self._initial = self.snapshot()
        self._average = self.snapshot() if ema > 0 else {}

    def step(self, step: int, total_steps: int | None = None) -> dict[str, float] | None:
        """Apply the gradients, unless one of them is not finite.

        Args:
            step: Counts from 0; decides the learning rate.
            total_steps: Of the run; a constant learning rate does without.

        Returns:
            The gradient norm of each group before clipping; None when nothing was applied.
        """
        norms = {}
        for group in self.groups:
            grads = [p for p in group.parameters.values() if p.grad is not None]
            norms[group.name] = float(nn.utils.clip_grad_norm_(grads, self.grad_clip))
        if not all(math.isfinite(norm) for norm in norms.values()):
            self.drop_gradients()
            return None
        scale = self._lr_factor(step, total_steps)
        for options, group in zip(self._adam.param_groups, self.groups, strict=True):
            options["lr"] = group.lr * scale
        self._adam.step()
        self.drop_gradients()
        self._update_average(step)
        return norms

    def drop_gradients(self) -> None:
        """Forget the gradients."""
        self._adam.zero_grad(set_to_none=True)

    def snapshot(self) -> dict[str, Tensor]:
        """Copy the weights."""
        return {name: p.detach().clone() for name, p in self.parameters.items()}

    def best_guess(self) -> dict[str, Tensor]:
        """Copy what should be validated and kept: the average, or else the weights."""
        if self.kind == "adamw_schedule_free":
            return self._free_average()
        if not self._average:
            return self.snapshot()
        return {name: tensor.clone() for name, tensor in self._average.items()}

    def unmoved(self) -> tuple[str, ...]:
        """Names of the groups in which no weight differs from its initial value."""
        return tuple(
            group.name
            for group in self.groups
            if all(
                torch.equal(p.detach(), self._initial[name]) for name, p in group.parameters.items()
            )
        )

    @contextmanager
    def using(self, tensors: Mapping[str, Tensor]) -> Iterator[None]:
        """Put other values into the weights for the length of a block."""
        kept = self.snapshot()
        self.put(tensors)
        try:
            yield
        finally:
            self.put(kept)

    @torch.no_grad()
    def put(self, tensors: Mapping[str, Tensor]) -> None:
        """Set the weights."""
        for name, parameter in self.parameters.items():
            parameter.copy_(tensors[name])

    def state(self) -> dict[str, Tensor]:
        """Everything needed to go on exactly, as flat named tensors."""
        tensors = {f"weight/{name}": tensor for name, tensor in self.snapshot().items()}
        tensors |= {f"average/{name}": tensor for name, tensor in self._average.items()}
        for name, parameter in self.parameters.items():
            for key, value in self._adam.state.get(parameter, {}).items():
                if isinstance(value, Tensor):
                    tensors[f"adam.{key}/{name}"] = value.detach().clone()
                else:
                    tensors[f"count.{key}/{name}"] = _as_tensor(value)
        for options, group in zip(self._adam.param_groups, self.groups, strict=True):
            for key in _COUNTERS:
                if key in options:
                    tensors[f"group.{key}/{group.name}"] = _as_tensor(options[key])
        return tensors

    def load_state(self, tensors: Mapping[str, Tensor]) -> None:
        """Take back what `state` gave."""
        self.put({name: tensors[f"weight/{name}"] for name in self.parameters})
        for name in self._average:
            self._average[name] = tensors[f"average/{name}"].to(self._average[name], copy=True)
        kept: dict[str, dict[str, object]] = {name: {} for name in self.parameters}
        for full, tensor in tensors.items():
            kind, _, name = full.partition("/")
            kind, _, key = kind.partition(".")
            if kind == "adam":
                kept[name][key] = tensor.clone()
            elif kind == "count":
                kept[name][key] = tensor.item()
        whole = self._adam.state_dict()
        numbered = enumerate(self.parameters)
        whole["state"] = {index: kept[name] for index, name in numbered if kept[name]}
        for options, group in zip(whole["param_groups"], self.groups, strict=True):
            for key in _COUNTERS:
                if key in options:
                    options[key] = tensors[f"group.{key}/{group.name}"].item()
        self._adam.load_state_dict(whole)

    def _lr_factor(self, step: int, total_steps: int | None) -> float:
        if total_steps is None and self.lr_schedule != "constant":
            raise ValueError(f"total_steps is None, expected a number for {self.lr_schedule}")
        return lr_factor(self.lr_schedule, step, total_steps or 0, self.warmup)

    def _free_average(self) -> dict[str, Tensor]:
        """The weights of the schedule-free optimizer's evaluation; its training goes on as it was.

        Its own way back to training rounds, so what was there is put back by hand.
        """
        kept = self.snapshot()
        self._adam.eval()
        found = self.snapshot()
        self._adam.train()
        self.put(kept)
        return found

    @torch.no_grad()
    def _update_average(self, step: int) -> None:
        # Early steps count more, or the average would stay near the start for long.
        decay = min(self.ema, (step + 1) / (step + 10))
        if self._average:  # in one go: a LoRA is hundreds of small tensors
            weights = [self.parameters[name].detach() for name in self._average]
            torch._foreach_lerp_(list(self._average.values()), weights, 1 - decay)


def _as_tensor(number: float) -> Tensor:
    """A count of an optimizer, exactly; whole numbers stay whole."""
    return torch.tensor(number, dtype=torch.int64 if isinstance(number, int) else torch.float64)
