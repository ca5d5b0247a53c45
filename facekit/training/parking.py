"""Parts of a pipeline that are not computed with wait in main memory.

A card that holds the network in training need not hold the text encoder beside it, nor the other
one of two experts. On the CPU nothing moves.
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, TypeVar

import torch
from accelerate.hooks import ModelHook, add_hook_to_module, remove_hook_from_module
from torch import Tensor, nn

from facekit.backbones.spec import BackboneSpec
from facekit.training.offload import OffloadedBlocks, move_frozen

__all__ = ["Parking", "parked", "parts_of"]

_CPU = torch.device("cpu")
_T = TypeVar("_T")


def parts_of(pipe: Any) -> tuple[nn.Module, ...]:
    """The networks, encoders and autoencoders of a pipeline."""
    return tuple(_named_parts(pipe).values())


def _named_parts(pipe: Any) -> dict[str, nn.Module]:
    return {name: x for name, x in pipe.components.items() if isinstance(x, nn.Module)}


class Parking:
    """Knows where the parts of a pipeline are, and brings them; made by `parked`."""

    def __init__(self, pipe: Any, spec: BackboneSpec, device: torch.device) -> None:
        """Take note of a pipeline; nothing moves yet.

        Args:
            pipe: Of the backbone.
            spec: The backbone.
            device: Where it computes.
        """
        parts = _named_parts(pipe)
        # Somebody who has put hooks of their own on it moves the parts.
        self.moves = device.type != "cpu" and not any(
            hasattr(x, "_hf_hook") for x in parts.values()
        )
        self.device = device
        self._networks = spec.family.networks(pipe)
        own = {id(network) for network in self._networks}
        rest = {name: part for name, part in parts.items() if id(part) not in own}
        self.encoders = [part for name, part in rest.items() if "encoder" in name]
        self.others = [part for name, part in rest.items() if "encoder" not in name]
        self._offload: tuple[nn.Module, OffloadedBlocks] | None = None
        self._here: set[int] = set()

    @property
    def parts(self) -> list[nn.Module]:
        """All of them."""
        return [*self.encoders, *self.others, *self._networks]

    def bring(self, *parts: nn.Module) -> None:
        """Have parts on the device, after what they are never computed with beside has left.

        An encoder and a network stand for each other's place; so do two networks.
        """
        if not self.moves:
            return
        for part in parts:
            if id(part) in self._here:
                continue
            if part in self.encoders:
                self.park(*self._networks)
            elif part in self._networks:
                self.park(*self.encoders, *(each for each in self._networks if each is not part))
            self._move(part, self.device)
            self._here.add(id(part))

    def park(self, *parts: nn.Module) -> None:
        """Have parts in main memory."""
        if not self.moves:
            return
        for part in parts:
            if id(part) in self._here:
                self._move(part, _CPU)
                self._here.discard(id(part))
        if self.device.type == "cuda":
            torch.cuda.empty_cache()

    def settle(self, *parts: nn.Module) -> None:
        """Have these on the device, and all others in main memory."""
        self.park(*(part for part in self.parts if part not in parts))
        self.bring(*parts)

    def settled(self, judge: Callable[[int], _T], *parts: nn.Module) -> Callable[[int], _T]:
        """Wrap a validation so that these parts are on the device again after it."""

        def judged(step: int) -> _T:
            try:
                return judge(step)
            finally:
                self.settle(*parts)

        return judged

    @contextmanager
    def offloading(self, network: nn.Module, offload: OffloadedBlocks | None) -> Iterator[None]:
        """Leave the blocks of a network that wait where they are, inside the block."""
        before, self._offload = self._offload, None if offload is None else (network, offload)
        try:
            yield
        finally:
            self._offload = before

    def _move(self, part: nn.Module, device: torch.device) -> None:
        network, offload = self._offload or (None, None)
        waiting = offload.waiting if offload is not None and part is network else frozenset()
        move_frozen(part, device, but=waiting)


@contextmanager
def parked(
    pipe: Any, spec: BackboneSpec, device: torch.device, *, moves: bool = True
) -> Iterator[Parking]:
    """Let every part of a pipeline wait in main memory until it is computed with.

    Inside the block a part comes when it is called, or is brought. A prompt is encoded once and
    remembered, so that later samples need no text encoder. Afterwards each part is where it was.

    Args:
        pipe: Of the backbone, frozen, on any device.
        spec: The backbone.
        device: Where it computes.
        moves: False leaves every part where it is.
    """
    parking = Parking(pipe, spec, device)
    parking.moves = parking.moves and moves
    if not parking.moves:
        yield parking
        return
    with ExitStack() as stack:
        for part in parking.parts:
            place = next((x.device for x in part.parameters()), _CPU)
            stack.callback(move_frozen, part, place)
            move_frozen(part, _CPU)
        for part in (*parking.encoders, *parking.others):
            add_hook_to_module(part, _Comes(parking))
            stack.callback(remove_hook_from_module, part)
        for network in spec.family.networks(pipe):

            def come(module: nn.Module, args: object) -> None:
                parking.bring(module)

            stack.callback(network.register_forward_pre_hook(come, prepend=True).remove)
        stack.enter_context(_remembered_prompts(pipe))
        yield parking


class _Comes(ModelHook):
    """Brings a part when it is called; tells diffusers where the pipeline computes."""

    def __init__(self, parking: Parking) -> None:
        self._parking = parking
        self.execution_device = parking.device

    def pre_forward(self, module: nn.Module, *args: Any, **kwargs: Any) -> Any:
        self._parking.bring(module)
        return args, kwargs


@contextmanager
def _remembered_prompts(pipe: Any) -> Iterator[None]:
    """Let a pipeline encode every prompt once."""
    encode, known = pipe.encode_prompt, dict[str, Any]()

    def encode_prompt(*args: Any, **kwargs: Any) -> Any:
        if any(isinstance(x, Tensor) for x in (*args, *kwargs.values())):
            return encode(*args, **kwargs)
        key = repr((args, sorted(kwargs.items())))
        if key not in known:
            known[key] = encode(*args, **kwargs)
        return _copied(known[key])

    pipe.encode_prompt = encode_prompt
    try:
        yield
    finally:
        del pipe.encode_prompt


def _copied(found: Any) -> Any:
    """What is remembered must not be written to."""
    if isinstance(found, Tensor):
        return found.clone()
    return type(found)(map(_copied, found)) if isinstance(found, list | tuple) else found
