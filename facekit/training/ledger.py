"""Counts what a computation holds and does: bytes of living tensors, floating point operations.

It counts alike for real tensors and for the fake ones of torch, which have a shape and no numbers.
So what is estimated with fake tensors and what is measured with real ones are the same quantity.
What libraries allocate inside of one operation is in neither.
"""

import weakref
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_iter
from torch.utils.flop_counter import flop_registry

__all__ = ["Ledger", "fake_ledger", "operations"]

_aten = torch.ops.aten
_FLASH = _aten._scaled_dot_product_flash_attention_for_cpu
_FLASH_BACKWARD = _aten._scaled_dot_product_flash_attention_for_cpu_backward
_BY_VALUE = frozenset(
    {
        _aten._flash_attention_forward,
        _aten._flash_attention_backward,
        _aten._efficient_attention_forward,
        _aten._efficient_attention_backward,
    }
)
"""Attention over sequences whose lengths are numbers in a tensor."""


class Ledger(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Counts while it is entered; tensors that were there before count once they are added."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.live = 0
        """Bytes of the storages that are alive now."""
        self.peak = 0
        """The most of them since `restart`."""
        self.flops = 0
        """Of matrix products, convolutions and attention."""
        self._seen: dict[int, tuple[int, Any]] = {}

    def restart(self) -> None:
        """Forget the peak and the operations; what is alive stays counted."""
        self.peak, self.flops = self.live, 0

    def add(self, tensors: Iterable[Tensor]) -> int:
        """Count tensors that were made before; the bytes that are new."""
        before = self.live
        for tensor in tensors:
            self._count(tensor)
        return self.live - before

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        out = self._call(func, args, kwargs or {})
        for each in tree_iter(out):
            if isinstance(each, Tensor):
                self._count(each)
        self.flops += operations(func, args, kwargs or {}, out)
        return out

    def _call(self, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        return func(*args, **kwargs)

    def _count(self, tensor: Tensor) -> None:
        storage = tensor.untyped_storage()
        key = storage._cdata
        if key in self._seen:
            return
        size = storage.nbytes()
        self._seen[key] = size, weakref.ref(storage, lambda _: self._drop(key))
        self.live += size
        self.peak = max(self.peak, self.live)

    def _drop(self, key: int) -> None:
        self.live -= self._seen.pop(key)[0]


def operations(func: Any, args: tuple[Any, ...], kwargs: dict[str, Any], out: Any) -> int:
    """Floating point operations of one call, as a dispatch mode sees it."""
    packet = func._overloadpacket
    count = _FLOPS.get(packet)
    if count is None:
        return 0
    if packet in _BY_VALUE:
        return int(count(*args, **kwargs, out_val=out))
    # Shapes decide, and a formula takes longer to ask than a small product to compute.
    key = (packet, *map(_shape, args), *((name, _shape(kwargs[name])) for name in kwargs))
    if key not in _known:
        _known[key] = int(count(*args, **kwargs, out_val=out))
    return _known[key]


def _shape(given: Any) -> Any:
    """What an operation's work depends on of one argument, and can be looked up by."""
    if isinstance(given, Tensor):
        return given.shape
    return tuple(given) if isinstance(given, list) else given


_known: dict[tuple[Any, ...], int] = {}
"""Operations by what was called and the shapes of its arguments."""


class _FakeLedger(Ledger):  # type: ignore[no-untyped-call]
    """For fake tensors: where a number is asked for, it answers one that keeps the work whole.

    A condition holds, every sample is chosen, a number is 1 and an index 0.
    """

    def _call(self, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        packet = func._overloadpacket
        if packet is _aten._local_scalar_dense:
            kind: torch.dtype = args[0].dtype
            return True if kind == torch.bool else 1.0 if kind.is_floating_point else 0
        if packet is _aten.equal:
            return False
        if packet is _aten.nonzero:
            return args[0].new_zeros((args[0].numel(), args[0].ndim), dtype=torch.long)
        if packet is _aten.index:
            return func(*_all_chosen(*args[:2]), *args[2:], **kwargs)
        return func(*args, **kwargs)


def _all_chosen(tensor: Tensor, indices: list[Tensor | None]) -> tuple[Tensor, list[Any]]:
    """A mask in front chooses everything."""
    first = indices[0]
    if first is None or first.dtype not in (torch.bool, torch.uint8):
        return tensor, indices
    rows = torch.zeros(first.numel(), dtype=torch.long, device=tensor.device)
    return tensor.flatten(0, first.ndim - 1), [rows, *indices[1:]]


@contextmanager
def fake_ledger() -> Iterator[Ledger]:
    """Make every tensor of a block a fake one, and count them."""
    from torch._subclasses.fake_tensor import FakeTensorMode

    with FakeTensorMode(allow_non_fake_inputs=True), _FakeLedger() as ledger:
        yield ledger


def _flash_flops(query: Any, key: Any, value: Any, *_: Any, out_val: Any, **__: Any) -> int:
    """Two products: of all pairs, and with the values."""
    pairs = query.numel() // query.shape[-1] * key.shape[-2]
    return int(2 * pairs * (query.shape[-1] + value.shape[-1]))


def _flash_backward_flops(
    grad: Any, query: Any, key: Any, value: Any, *_: Any, out_val: Any, **__: Any
) -> int:
    """Five of the same: the scores are computed again."""
    pairs = query.numel() // query.shape[-1] * key.shape[-2]
    return int(2 * pairs * (3 * query.shape[-1] + 2 * value.shape[-1]))


_FLOPS: dict[Any, Callable[..., int]] = {
    **flop_registry,
    _FLASH: _flash_flops,
    _FLASH_BACKWARD: _flash_backward_flops,
}
