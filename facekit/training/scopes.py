"""What training changes about a pipeline and an adapter, for the length of a block."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from torch import nn
from torch.utils.checkpoint import checkpoint, set_checkpoint_early_stop

from facekit.adapters.identity_adapter import IdentityAdapter
from facekit.adapters.lora import (
    DEFAULT_NAME,
    LoraSettings,
    LoraStance,
    add_lora,
    named_lora_parameters,
    remove_lora,
)
from facekit.backbones.held import has_stored_layers
from facekit.backbones.spec import BackboneSpec
from facekit.training.settings import TrainSettings

__all__ = ["checkpointed", "frozen", "pooled", "with_lora"]


@contextmanager
def frozen(*modules: nn.Module | None) -> Iterator[None]:
    """Switch gradients off in modules, and give each parameter its own setting back."""
    kept = [
        (parameter, parameter.requires_grad)
        for module in modules
        if module is not None
        for parameter in module.parameters()
    ]
    for parameter, _ in kept:
        parameter.requires_grad_(False)
    try:
        yield
    finally:
        for parameter, before in kept:
            parameter.requires_grad_(before)


@contextmanager
def pooled(adapter: IdentityAdapter, settings: TrainSettings) -> Iterator[None]:
    """Pool photos as the recipe says; the projector's weights are the same either way."""
    projector = adapter.projector
    before = projector.pool, projector.max_photos
    projector.pool, projector.max_photos = settings.pool, settings.max_photos
    try:
        yield
    finally:
        projector.pool, projector.max_photos = before


@contextmanager
def with_lora(
    transformer: Any, spec: BackboneSpec, lora: LoraSettings, settings: TrainSettings
) -> Iterator[dict[str, nn.Parameter]]:
    """Add the LoRA for the length of a block; its parameters by the names that files use."""
    stance = LoraStance(transformer)
    add_lora(transformer, spec, lora, seed=settings.seed)
    device = transformer.device  # diffusers looks through all modules to tell it
    for path, module in transformer.named_modules():
        if ".lora_" in path and path.endswith(f".{DEFAULT_NAME}"):
            module.to(device)  # also where the weights beside it wait elsewhere
    try:
        named = named_lora_parameters(transformer)
        for parameter in named.values():
            parameter.data = parameter.data.float()
            parameter.requires_grad_(True)
        yield named
    finally:
        remove_lora(transformer)
        stance.restore()


@contextmanager
def checkpointed(network: Any, every: int = 1) -> Iterator[None]:
    """Recompute the activations of every so-manieth block in the backward pass.

    Args:
        network: Of diffusers.
        every: 1 recomputes those of every block, 2 of every second one, from the first on.
    """
    order: dict[nn.Module, int] = {}
    is_narrow = has_stored_layers(network)

    def run(block: nn.Module, *args: Any) -> Any:
        if order.setdefault(block, len(order)) % every:
            return block(*args)
        # The end of a block that is not recomputed would leave its last layer in full width.
        with set_checkpoint_early_stop(not is_narrow):
            return checkpoint(block.__call__, *args, use_reentrant=False)

    network.enable_gradient_checkpointing(run)
    try:
        yield
    finally:
        network.disable_gradient_checkpointing()
