"""How fast training goes: tokens and operations per second, and the memory that it has taken."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from math import prod
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode

from facekit.training.batches import Batch
from facekit.training.ledger import operations
from facekit.training.rates import peak_rate
from facekit.training.settings import Precision
from facekit.training.shortage import held_bytes_now

__all__ = ["Throughput"]


class _Operations(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Counts the floating point operations of a block."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.flops = 0

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        out = func(*args, **(kwargs or {}))
        self.flops += operations(func, args, kwargs or {}, out)
        return out


class Throughput:
    """Measures the steps of one sitting.

    Operations are counted once for every kind of batch, on the first step that has one.

    Args:
        network: What is trained; its device is measured, its patches are the tokens.
        precision: Of its arithmetic.
    """

    def __init__(self, network: Any, precision: Precision) -> None:
        self._device: torch.device = network.device
        patch = network.config.get("patch_size") or 1
        if isinstance(patch, int):
            patch = (network.config.get("patch_size_t") or 1, patch, patch)
        self._patch = prod(patch)
        self._peak = None
        if self._device.type == "cuda" and precision == "bfloat16":
            self._peak = peak_rate(torch.cuda.get_device_name(self._device))
        self._known: dict[tuple[Any, ...], int] = {}
        self._seconds = self._tokens = self._flops = 0.0

    @contextmanager
    def step(self, batch: Batch, low_noise: int) -> Iterator[dict[str, float]]:
        """Measure one step; what it gives is filled in when the block ends.

        Args:
            batch: That is learned from.
            low_noise: Samples that the identity loss looks at.
        """
        row: dict[str, float] = {}
        kind = (tuple(batch.latents_BCFHW.shape), batch.preserve, low_noise)
        began = time.monotonic()
        if kind in self._known:
            yield row
        else:
            with _Operations() as counted:
                yield row
            self._known[kind] = counted.flops
        seconds = time.monotonic() - began
        tokens = batch.latents_BCFHW.shape[0] * prod(batch.latents_BCFHW.shape[2:]) / self._patch
        flops = self._known[kind]
        self._seconds += seconds
        self._tokens += tokens
        self._flops += flops
        row |= self._told(tokens, flops, seconds)

    def summary(self) -> dict[str, float]:
        """The same over all steps so far; empty before the first."""
        if not self._seconds:
            return {}
        return self._told(self._tokens, self._flops, self._seconds)

    def _told(self, tokens: float, flops: float, seconds: float) -> dict[str, float]:
        rate = flops / max(seconds, 1e-9)
        told = {
            "tokens_per_s": round(tokens / max(seconds, 1e-9), 3),
            "tflops": round(rate / 1e12, 6),
            "peak_memory_gb": round(self._peak_memory() / 2**30, 3),
        }
        return told if self._peak is None else {**told, "mfu": round(rate / self._peak, 4)}

    def _peak_memory(self) -> int:
        if self._device.type == "cuda":
            return int(torch.cuda.max_memory_allocated(self._device))
        return held_bytes_now()
