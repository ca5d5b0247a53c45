"""A pretended graphics card: its tensors hold real numbers and refuse to meet those of the CPU.

So a machine without any other device finds the tensor that was made on the CPU and should not have
been. It says nothing about kernels, precision or memory of a real one.
"""

import json
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from functools import cache
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

__all__ = ["FAR", "assert_same_far_away", "far_device"]

FAR = torch.device("meta")
"""What it is called; torch knows this device everywhere, and nothing else uses it here."""

_MOVES = ("aten._to_copy.", "aten.copy_.")
_TAKES_INDICES = ("aten.index.", "aten.index_put", "aten._index_put", "aten._unsafe_index")
"""A real card takes indices that are on the CPU; the CPU takes none of a card."""


@contextmanager
def far_device() -> Iterator[torch.device]:
    """Make it there inside the block."""
    real = torch.autocast

    def autocast(device_type: str, *args: Any, **kwargs: Any) -> Any:
        """Nothing far away: only devices that compute have it."""
        return nullcontext() if device_type == FAR.type else real(device_type, *args, **kwargs)

    with (
        _PastTheDispatcher(),
        _Pretends(),
        patch.object(torch, "autocast", autocast),
        warnings.catch_warnings(),
    ):
        # True of the device that lends its name, which holds no numbers.
        warnings.filterwarnings("ignore", "for .*: copying from a non-meta parameter")
        yield FAR


def assert_same_far_away(
    train: Callable[[Path, int, torch.device], object], folder: Path, *, rel: float = 1e-3
) -> None:
    """Train two steps, stopped after the first, near and far; the two logs must agree.

    Near is the CPU as it is, with nothing pretended.

    Args:
        train: Takes a path of a checkpoint, the number of steps and a device, as the trainers of
            `facekit.toon` do.
        folder: An empty one.
        rel: Tolerance; both compute in float32.
    """
    logs = []
    for name, device in (("near", torch.device("cpu")), ("far", FAR)):
        path = folder / f"{name}.pt"
        pretence = far_device() if device == FAR else nullcontext()
        with pretence, patch.object(torch, "autocast", lambda *args, **options: nullcontext()):
            for steps in (1, 2):
                train(path, steps, device)
        lines = [json.loads(line) for line in path.with_suffix(".jsonl").read_text().splitlines()]
        logs.append([{k: x for k, x in line.items() if k != "seconds"} for line in lines])
    assert [line["step"] for line in logs[0]] == [0, 1]
    for near, far in zip(*logs, strict=True):
        assert near == pytest.approx(far, rel=rel, abs=1e-4)


class _FarTensor(Tensor):
    inner: Tensor

    @staticmethod
    def __new__(cls, inner: Tensor, requires_grad: bool = False) -> Any:
        made = Tensor._make_wrapper_subclass(  # type: ignore[attr-defined]
            cls,
            inner.size(),
            strides=inner.stride(),
            storage_offset=inner.storage_offset(),
            dtype=inner.dtype,
            device=FAR,
            requires_grad=requires_grad,
        )
        made.inner = inner
        return made

    def __deepcopy__(self, memo: object) -> "_FarTensor":
        return _FarTensor(self.inner.detach().clone(), self.requires_grad)

    @classmethod
    def __torch_dispatch__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return _run(func, args, kwargs or {})


class _Pretends(TorchDispatchMode):
    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return _run(func, args, kwargs or {})


class _PastTheDispatcher(TorchFunctionMode):
    """What writes numbers to a device by itself is led through the CPU."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        device = kwargs.get("device")
        if func is torch.tensor and device is not None and torch.device(device) == FAR:
            return func(*args, **{**kwargs, "device": "cpu"}).to(FAR)
        if func is Tensor.__getitem__ and isinstance(args[1], list):
            args = (args[0], torch.tensor(args[1]))
        return func(*args, **kwargs)


def _run(func: Any, args: Any, kwargs: dict[str, Any]) -> Any:
    """Do it with the real numbers, after a look at where they all are."""
    name = _name(func)
    tensors = list(_tensors(args)) + list(_tensors(kwargs))
    far = [x for x in tensors if isinstance(x, _FarTensor)]
    near = [x for x in tensors if not isinstance(x, _FarTensor)]
    assert FAR not in [x.device for x in near], f"{name}: made past the pretence"
    if far and not name.startswith((*_MOVES, *_TAKES_INDICES)):
        mixed = [tuple(x.shape) for x in near if x.dim()]
        assert not mixed, f"{name}: {mixed} on the CPU, {[tuple(x.shape) for x in far]} far away"
    if far and name.startswith(_TAKES_INDICES):
        assert isinstance(args[0], _FarTensor), f"{name}: of the CPU, its indices far away"
    device = kwargs.pop("device", None)
    goes_far = bool(far) if device is None else torch.device(device) == FAR
    if device is not None:
        kwargs["device"] = torch.device("cpu")
    out = func(*_mapped(_real, args), **_mapped(_real, kwargs))
    if args and isinstance(args[0], Tensor) and out is _real(args[0]):
        return args[0]  # done in place
    return _mapped(_pretend, out) if goes_far else out


@cache
def _name(func: Any) -> str:
    return str(func)


def _tensors(x: Any) -> Iterator[Tensor]:
    """The tensors in what an operation takes: it nests in lists, tuples and dicts alone."""
    if isinstance(x, Tensor):
        yield x
    elif isinstance(x, list | tuple | dict):
        for part in x.values() if isinstance(x, dict) else x:
            yield from _tensors(part)


def _mapped(change: Callable[[Tensor], Tensor], x: Any) -> Any:
    """The same with other tensors in it; `tree_map` of torch takes three times as long."""
    if isinstance(x, Tensor):
        return change(x)
    if isinstance(x, dict):
        return {name: _mapped(change, part) for name, part in x.items()}
    if isinstance(x, list | tuple):
        parts = [_mapped(change, part) for part in x]
        return parts if isinstance(x, list) else tuple(parts)
    return x


def _real(x: Tensor) -> Tensor:
    return x.inner if isinstance(x, _FarTensor) else x


def _pretend(x: Tensor) -> Tensor:
    return x if isinstance(x, _FarTensor) else _FarTensor(x)
