"""AdamW over named parameters with a learning rate per group, warm-up, clipping and averaging."""

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn

__all__ = ["Group", "Optimizer"]


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
    """

    def __init__(
        self, groups: tuple[Group, ...], *, warmup: int, grad_clip: float, ema: float = 0.0
    ) -> None:
        self.groups = tuple(group for group in groups if group.parameters)
        self.warmup = warmup
        self.grad_clip = grad_clip
        self.ema = ema
        self.parameters: dict[str, nn.Parameter] = {}
        for group in self.groups:
            self.parameters.update(group.parameters)
        self._adam = torch.optim.AdamW(
            [
                {
                    "params": list(group.parameters.values()),
                    "lr": group.lr,
                    "weight_decay": group.weight_decay,
                }
                for group in self.groups
            ],
            betas=(0.9, 0.99),
            foreach=False,
        )
        self._initial = self.snapshot()
        self._average = self.snapshot() if ema > 0 else {}

    def step(self, step: int) -> dict[str, float] | None:
        """Apply the gradients, unless one of them is not finite.

        Args:
            step: Counts from 0; decides the warm-up.

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
        scale = min(1.0, (step + 1) / self.warmup) if self.warmup else 1.0
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
                tensors[f"adam.{key}/{name}"] = value.detach().clone()
        return tensors

    def load_state(self, tensors: Mapping[str, Tensor]) -> None:
        """Take back what `state` gave."""
        self.put({name: tensors[f"weight/{name}"] for name in self.parameters})
        for name in self._average:
            self._average[name] = tensors[f"average/{name}"].to(self._average[name])
        for name, parameter in self.parameters.items():
            kept = {
                key: tensors[f"adam.{key}/{name}"].clone()
                for key in ("step", "exp_avg", "exp_avg_sq")
                if f"adam.{key}/{name}" in tensors
            }
            if kept:
                # The counter stays on the CPU, where AdamW keeps it.
                self._adam.state[parameter] = {
                    key: value if key == "step" else value.to(parameter)
                    for key, value in kept.items()
                }

    @torch.no_grad()
    def _update_average(self, step: int) -> None:
        # Early steps count more, or the average would stay near the start for long.
        decay = min(self.ema, (step + 1) / (step + 10))
        for name, average in self._average.items():
            average.lerp_(self.parameters[name].detach(), 1 - decay)
