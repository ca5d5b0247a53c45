"""Blocks whose frozen weights wait in main memory and come to the device to be computed with.

Weights go one way: what is frozen is never written back. Both passes of a training step find them
there, and a recomputed block finds them a third time. The numbers are those of a network that is
all there, bit for bit.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.autograd.graph import saved_tensors_hooks

from facekit.errors import UsageError

__all__ = ["OffloadedBlocks", "check_offloaded", "move_frozen", "offloaded", "repeated_blocks"]

_BLOCKS_OF_UNETS = ("ResnetBlock2D", "BasicTransformerBlock")
_CPU = torch.device("cpu")


def repeated_blocks(network: nn.Module) -> tuple[nn.Module, ...]:
    """The blocks that a network of diffusers repeats, in the order of its modules.

    They are what gradient checkpointing recomputes as a whole, or larger.
    """
    own = (getattr(network, name, None) for name in ("_repeated_blocks", "_no_split_modules"))
    names = next(filter(None, own), _BLOCKS_OF_UNETS)
    held = (nn.ModuleList, nn.Sequential)
    lists = [module for module in network.modules() if isinstance(module, held)]
    return tuple(block for each in lists for block in each if type(block).__name__ in names)


def check_offloaded(count: int, network: nn.Module) -> None:
    """Refuse more blocks than there are.

    Raises:
        UsageError: Naming how many there are.
    """
    there = len(repeated_blocks(network))
    if count > there:
        raise UsageError(
            f"memory.offloaded_blocks is {count}, expected at most {there}, the blocks of"
            f" {type(network).__name__}; lower it"
        )


@contextmanager
def offloaded(network: nn.Module, count: int, device: torch.device) -> Iterator["OffloadedBlocks"]:
    """Let so many blocks of a network wait in main memory, evenly spread over its depth.

    In between stand blocks that stay: while those compute, the weights of the next one that waits
    are on their way.

    Args:
        network: Frozen, its LoRAs on it. What is trained stays where it is.
        count: How many wait.
        device: Where it computes.

    Raises:
        UsageError: More than there are.
    """
    check_offloaded(count, network)
    blocks = repeated_blocks(network)
    chosen = [blocks[int((place + 0.5) * len(blocks) / count)] for place in range(count)]
    offload = OffloadedBlocks(network, chosen, device)
    try:
        yield offload
    finally:
        offload.remove()


def move_frozen(
    module: nn.Module,
    device: torch.device,
    *,
    but: frozenset[int] = frozenset(),
    recurse: bool = True,
) -> None:
    """Move what does not learn; what learns stays where its optimizer found it.

    Args:
        module: Its buffers go too.
        device: Where to.
        but: Tensors, by `id`, that stay.
        recurse: Whether what is inside moves too.
    """

    def moved(tensor: Tensor) -> Tensor:
        stays = tensor.requires_grad or id(tensor) in but
        return tensor if stays else tensor.to(device)

    module._apply(moved, recurse=recurse)  # type: ignore[no-untyped-call]


@dataclass(frozen=True, slots=True, eq=False)
class _Slot:
    """A weight that waits, and where it is missed."""

    module: nn.Module
    name: str
    host: nn.Parameter

    def put(self, parameter: nn.Parameter) -> None:
        self.module._parameters[self.name] = parameter


@dataclass(slots=True, eq=False)
class _Coming:
    """Copies on their way to the device."""

    copies: list[Tensor]
    arrived: Any = None


@dataclass(frozen=True, slots=True, eq=False)
class _Sent:
    """What the backward pass keeps of a weight: how to fetch it again."""

    host: Tensor
    size: torch.Size
    stride: tuple[int, ...]
    offset: int | torch.SymInt


class OffloadedBlocks:
    """The weights of some blocks in main memory, until ``remove``.

    During a call of its block a weight is another tensor than at rest, so the graph of a block
    that is not recomputed would hold on to every copy. What it saves of them is let go of, and
    fetched again when the backward pass asks.
    """

    def __init__(
        self, network: nn.Module, blocks: Sequence[nn.Module], device: torch.device
    ) -> None:
        self.device = device
        self._slots = [_slots_of(block, device) for block in blocks]
        self._coming: dict[int, _Coming] = {}
        self._forward = True
        self._lent: dict[int, Tensor] = {}
        self._stream: Any = _stream(device) if device.type == "cuda" else None
        self._saving: list[Any] = []
        self._hooks = [
            network.register_forward_pre_hook(self._begin, prepend=True),
            network.register_forward_hook(self._end, always_call=True),
        ]
        for index, block in enumerate(blocks):
            self._hooks += [
                block.register_forward_pre_hook(self._lend(index), prepend=True),
                block.register_forward_hook(self._take_back(index), always_call=True),
            ]

    @property
    def waiting(self) -> frozenset[int]:
        """The weights at rest, by `id`."""
        return frozenset(id(slot.host) for slots in self._slots for slot in slots)

    @property
    def waiting_bytes(self) -> int:
        """How much waits in main memory."""
        return sum(slot.host.nbytes for slots in self._slots for slot in slots)

    def remove(self) -> None:
        """Stop; the weights are left in main memory."""
        for hook in self._hooks:
            hook.remove()
        self._coming.clear()
        self._lent.clear()

    def _begin(self, network: nn.Module, args: object) -> None:
        self._forward = True
        self._fetch_ahead(0)
        if torch.is_grad_enabled():
            # Checkpointed blocks have hooks of their own, which stand before these.
            self._saving.append(saved_tensors_hooks(self._pack, self._unpack))
            self._saving[-1].__enter__()

    def _end(self, network: nn.Module, args: object, output: object) -> None:
        self._forward = False
        self._lent.clear()
        if self._saving:
            self._saving.pop().__exit__()

    def _lend(self, index: int) -> Any:
        def lend(block: nn.Module, args: object) -> None:
            slots, copies = self._slots[index], self._take(index)
            for slot, copy in zip(slots, copies, strict=True):
                slot.put(nn.Parameter(copy, requires_grad=False))
                if self._saving:
                    self._lent[copy.untyped_storage().data_ptr()] = slot.host
            self._fetch_ahead(index + 1 if self._forward else index - 1)

        return lend

    def _take_back(self, index: int) -> Any:
        def take_back(block: nn.Module, args: object, output: object) -> None:
            for slot in self._slots[index]:
                lent = slot.module._parameters[slot.name]
                slot.put(slot.host)
                if lent is not None:
                    # Freed and given to something else, the place says nothing any more.
                    self._lent.pop(lent.untyped_storage().data_ptr(), None)

        return take_back

    def _fetch_ahead(self, index: int) -> None:
        """Begin to copy a block's weights beside what is computed; only CUDA can."""
        if self._stream is None or not 0 <= index < len(self._slots) or index in self._coming:
            return
        self._coming.clear()
        with torch.cuda.stream(self._stream):
            copies = [_copied(slot.host, self.device) for slot in self._slots[index]]
            self._coming[index] = _Coming(copies, self._stream.record_event())

    def _take(self, index: int) -> list[Tensor]:
        """The weights of a block on the device, ready to be computed with."""
        coming = self._coming.pop(index, None)
        if coming is None:
            return [_copied(slot.host, self.device) for slot in self._slots[index]]
        here = torch.cuda.current_stream(self.device)
        here.wait_event(coming.arrived)
        for copy in coming.copies:
            copy.record_stream(here)
        return coming.copies

    def _pack(self, tensor: Tensor) -> Tensor | _Sent:
        if type(tensor) not in (Tensor, nn.Parameter) or not tensor.numel():
            return tensor
        host = self._lent.get(tensor.untyped_storage().data_ptr())
        if host is None or host.dtype != tensor.dtype:
            return tensor
        return _Sent(host, tensor.shape, tensor.stride(), tensor.storage_offset())

    def _unpack(self, kept: Tensor | _Sent) -> Tensor:
        if isinstance(kept, Tensor):
            return kept
        copy = _copied(kept.host, self.device)
        return copy.as_strided(kept.size, kept.stride, kept.offset)


def _stream(device: torch.device) -> Any:
    return torch.cuda.Stream(device)  # type: ignore[no-untyped-call]


def _slots_of(block: nn.Module, device: torch.device) -> list[_Slot]:
    """The frozen plain weights of a block, in main memory from now on."""
    slots = []
    for path, module in block.named_modules():
        if "lora_" in path:
            continue
        frozen = [name for name, x in module.named_parameters(recurse=False) if not x.requires_grad]
        move_frozen(module, _CPU, recurse=False)
        for name in frozen:
            host = cast(nn.Parameter, module._parameters[name])
            if device.type == "cuda":
                host.data = host.data.pin_memory()
            slots.append(_Slot(module, name, host))
    return slots


def _copied(host: Tensor, device: torch.device) -> Tensor:
    return host.detach().to(device, non_blocking=True, copy=True)
