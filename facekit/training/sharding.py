"""The frozen weights of a backbone, shared out over the processes (FSDP2).

Each process holds a part of every block and gathers the whole of one block when it is computed.
What is trained comes later and is whole everywhere.
"""

import warnings
from typing import Any

import torch
from torch import Tensor, distributed, nn

from facekit.errors import TrainingError

__all__ = ["shard"]


def shard(network: nn.Module, device: torch.device) -> None:
    """Share the weights of a network out, block by block; it stays so.

    Args:
        network: Whole, on any device, the same in all processes; without a LoRA.
        device: Where this process computes; each block goes there as it is shared out, so that the
            whole network need not fit.

    Raises:
        TrainingError: The network has no blocks.
    """
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.fsdp import fully_shard

    mesh = init_device_mesh(device.type, (distributed.get_world_size(),))
    blocks = _blocks(network)
    if not blocks:
        raise TrainingError(
            f"{type(network).__name__}: no lists of blocks found, expected a network that can be"
            " shared out block by block; train without --shard"
        )
    # Nothing here changes what the network gives in place.
    warnings.filterwarnings("ignore", "FSDP2-wrapped module .* returned a view tensor")
    network.requires_grad_(False)
    for block in blocks:
        fully_shard(block, mesh=mesh)
        block.register_forward_pre_hook(_same_backward, prepend=True, with_kwargs=True)
    fully_shard(network, mesh=mesh)


def _blocks(network: nn.Module) -> list[nn.Module]:
    """The blocks that make up a network, in order: members of the lists that it holds."""
    lists = [child for child in network.children() if isinstance(child, nn.ModuleList)]
    return [block for each in lists for block in each if any(True for _ in block.parameters())]


def _same_backward(
    block: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> tuple[tuple[Any, ...], dict[str, Any]] | None:
    """Let the backward pass go through every block in every process.

    Weights are gathered in it too, by all at once. Without this a process none of whose samples
    depends on what is learned would leave the others waiting.
    """
    first = args[0] if args else kwargs.get("hidden_states")
    if not torch.is_grad_enabled() or not isinstance(first, Tensor) or first.requires_grad:
        return None
    learning = first.detach().requires_grad_()
    if args:
        return (learning, *args[1:]), kwargs
    return args, {**kwargs, "hidden_states": learning}
