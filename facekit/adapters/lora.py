"""LoRA on the backbone's attention, through peft: add, read, write, scale, remove.

The state's keys are module paths: ``blocks.0.attn1.to_q.lora_A.weight``.
"""

import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from facekit.adapters.tensor_file import differences
from facekit.backbones.spec import BackboneSpec
from facekit.errors import AdapterMismatch, AlreadyAttached, SiteMissing

__all__ = [
    "LoraSettings",
    "add_lora",
    "load_lora_state",
    "lora_disabled",
    "lora_parameters",
    "lora_state",
    "remove_lora",
    "set_lora_strength",
]

DEFAULT_NAME = "character"


@dataclass(frozen=True, slots=True, kw_only=True)
class LoraSettings:
    """Size of a LoRA and where it sits."""

    rank: int = 16
    alpha: float = 16.0
    """Always explicit: what is added is scaled by alpha / rank."""
    targets: tuple[str, ...] = ()
    """Endings of module paths; the spec's when empty."""

    @property
    def scale(self) -> float:
        """What the product of the two matrices is multiplied by at strength 1."""
        return self.alpha / self.rank


def add_lora(
    transformer: nn.Module,
    spec: BackboneSpec,
    settings: LoraSettings,
    *,
    name: str = DEFAULT_NAME,
    seed: int | None = None,
) -> None:
    """Wrap the linear layers of a transformer; it starts as an exact no-op.

    LoRAs that are active already stay active. The base parameters lose ``requires_grad``.

    Args:
        transformer: Any diffusers model with peft support.
        spec: Gives the targets when the settings name none.
        settings: Rank, alpha, targets.
        name: Tells several LoRAs on one transformer apart.
        seed: Makes the random half the same every time; the global generator when None.

    Raises:
        AlreadyAttached: The transformer carries a LoRA of that name.
        SiteMissing: A target matches no layer.
    """
    from peft import LoraConfig

    targets = settings.targets or spec.lora_targets
    if name in getattr(transformer, "peft_config", {}):
        raise AlreadyAttached(
            f"the transformer carries a LoRA named {name!r}, expected none; remove it or choose"
            " another name"
        )
    paths = [path for path, _ in transformer.named_modules()]
    for target in targets:
        if not any(path == target or path.endswith(f".{target}") for path in paths):
            raise SiteMissing(
                f"LoRA target {target!r} matches no layer of {type(transformer).__name__}, expected"
                f" endings such as {', '.join(spec.lora_targets[:2])}; correct lora.targets"
            )
    active = active_loras(transformer)
    config = LoraConfig(
        r=settings.rank, lora_alpha=settings.alpha, target_modules=list(targets), lora_dropout=0.0
    )
    model: Any = transformer
    with torch.random.fork_rng(enabled=seed is not None):
        if seed is not None:
            torch.manual_seed(seed)
        with warnings.catch_warnings():
            # Several LoRAs on one transformer are meant here.
            warnings.filterwarnings("ignore", message="Already found a `peft_config`")
            model.add_adapter(config, adapter_name=name)
    if active:
        model.set_adapter([*active, name])


def active_loras(transformer: nn.Module) -> list[str]:
    """Names of the LoRAs that take part, in order."""
    for layer in _lora_layers(transformer):
        return list(layer.active_adapters)
    return []


def lora_parameters(transformer: nn.Module, name: str = DEFAULT_NAME) -> list[nn.Parameter]:
    """The parameters of one LoRA, in the order of the model."""
    return [
        parameter
        for path, parameter in transformer.named_parameters()
        if ".lora_" in path and f".{name}." in path
    ]


def lora_state(transformer: nn.Module, name: str = DEFAULT_NAME) -> dict[str, Tensor]:
    """Copy the weights of one LoRA to the CPU, keys sorted."""
    from peft import get_peft_model_state_dict

    state = get_peft_model_state_dict(transformer, adapter_name=name)
    return {key: state[key].detach().to("cpu", copy=True).contiguous() for key in sorted(state)}


def load_lora_state(
    transformer: nn.Module, state: Mapping[str, Tensor], name: str = DEFAULT_NAME
) -> None:
    """Fill a LoRA that was added; all of it or nothing.

    Raises:
        AdapterMismatch: Keys or shapes differ from those of the LoRA.
    """
    from peft import get_peft_model_state_dict, set_peft_model_state_dict

    problems = differences(state, get_peft_model_state_dict(transformer, adapter_name=name))
    if problems:
        raise AdapterMismatch(
            f"LoRA weights do not fit {type(transformer).__name__}: {problems}, expected its own"
            " layers; use the backbone that the LoRA was trained on"
        )
    # A copy of the mapping: peft renames keys in what it is given.
    set_peft_model_state_dict(transformer, dict(state), adapter_name=name)


def set_lora_strength(transformer: nn.Module, strength: float, name: str = DEFAULT_NAME) -> None:
    """Scale one LoRA; 1 is as trained (alpha / rank), 0 the bare backbone bit-exactly."""
    for layer in _lora_layers(transformer):
        layer.set_scale(name, strength)


@contextmanager
def lora_disabled(transformer: nn.Module) -> Iterator[None]:
    """Switch every LoRA off inside the block; nothing happens without one."""
    layers = [layer for layer in _lora_layers(transformer) if not layer.disable_adapters]
    # Not enable_adapters(): it would also switch requires_grad off and on again.
    for layer in layers:
        layer._disable_adapters = True
    try:
        yield
    finally:
        for layer in layers:
            layer._disable_adapters = False


def remove_lora(transformer: nn.Module, name: str = DEFAULT_NAME) -> None:
    """Take one LoRA off; the last one gives back the layers as they were."""
    model: Any = transformer
    known = getattr(model, "peft_config", {})
    if name not in known:
        return
    if len(known) == 1:
        model.unload_lora()
        return
    active = [other for other in active_loras(transformer) if other != name]
    model.delete_adapters(name)
    model.set_adapter(active)


def _lora_layers(transformer: nn.Module) -> Iterator[Any]:
    from peft.tuners.lora import LoraLayer

    return (module for module in transformer.modules() if isinstance(module, LoraLayer))
