"""What a stock pipeline asks its network, and what it is told."""

from dataclasses import dataclass
from typing import Any

from torch import Tensor

from facekit.backbones import detect_spec

__all__ = ["NetworkCall", "record_calls"]


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkCall:
    """One call."""

    told: dict[str, Any]
    """The keyword arguments."""
    answer: Tensor


def record_calls(pipe: Any) -> tuple[list[NetworkCall], Any]:
    """Collect the calls of a pipeline's network, which are made by keywords, until removed."""
    calls: list[NetworkCall] = []

    def keep(module: Any, args: tuple[Any, ...], kwargs: dict[str, Any], output: Any) -> None:
        assert not args
        calls.append(NetworkCall(told=dict(kwargs), answer=output[0].detach().clone()))

    network = detect_spec(pipe).family.network(pipe)
    return calls, network.register_forward_hook(keep, with_kwargs=True)
