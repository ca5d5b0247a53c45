"""LoRA on the backbone's attention, through peft: add, read, write, scale, remove.

The state's keys are module paths: ``blocks.0.attn1.to_q.lora_A.weight``.
"""

import math
import re
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from facekit.adapters.tensor_file import differences
from facekit.backbones.family import Expert
from facekit.backbones.spec import BackboneSpec
from facekit.errors import AdapterMismatch, AlreadyAttached, SiteMissing

__all__ = [
    "DEFAULT_NAME",
    "LoraSettings",
    "LoraStance",
    "add_lora",
    "join_lora",
    "load_lora_state",
    "lora_disabled",
    "lora_layers",
    "lora_state",
    "named_lora_parameters",
    "remove_lora",
    "set_lora_strength",
]

DEFAULT_NAME = "character"
"""What the one LoRA is called that training works on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LoraSettings:
    """Size of a LoRA and where it sits."""

    rank: int
    alpha: float
    """Always explicit: what is added is scaled by alpha / rank."""
    targets: tuple[str, ...] = ()
    """Endings of module paths; the spec's when empty."""
    expert: Expert = "low"
    """Where two networks share the noise levels: the one for little noise or the one for much."""

    @property
    def scale(self) -> float:
        """What the product of the two matrices is multiplied by at strength 1."""
        return self.alpha / self.rank


class LoraStance:
    """Which LoRAs take part in a transformer and which of its parameters learn, as it is now.

    peft changes both for everybody whenever one LoRA comes or goes.
    """

    def __init__(self, transformer: nn.Module) -> None:
        self._transformer = transformer
        self._names = _lora_names(transformer)
        self._layers = {
            layer: (list(layer.active_adapters), layer.disable_adapters)
            for _, layer in lora_layers(transformer)
        }
        self._learning = [(each, each.requires_grad) for each in transformer.parameters()]

    def restore(self) -> None:
        """Put back what is still there; LoRAs that came later go on taking part as they do.

        Where LoRAs were switched off as a whole and one came later, they are left out one by one
        instead, so that it is heard.
        """
        here = _lora_names(self._transformer)
        for layer, (active, disabled) in self._layers.items():
            later = [name for name in layer.active_adapters if name in here - self._names]
            earlier = [] if disabled and later else [name for name in active if name in here]
            layer.set_adapter([*earlier, *later])
            layer._disable_adapters = disabled and not later
        for parameter, learns in self._learning:
            parameter.requires_grad_(learns)


def add_lora(
    transformer: nn.Module,
    spec: BackboneSpec,
    settings: LoraSettings,
    *,
    name: str = DEFAULT_NAME,
    seed: int | None = None,
) -> None:
    """Wrap the linear layers of a transformer; it starts as an exact no-op.

    Its own parameters learn. Everything else stays as it was: LoRAs that take part, LoRAs that do
    not, and what learns. ``LoraStance`` taken before gives all of it back after ``remove_lora``.

    Args:
        transformer: Any diffusers model with peft support.
        spec: Gives the targets when the settings name none, and what is left out of them.
        settings: Rank, alpha, targets.
        name: Tells several LoRAs on one transformer apart.
        seed: Makes the random half the same every time; the global generator when None.

    Raises:
        AlreadyAttached: The transformer carries a LoRA of that name.
        SiteMissing: A target matches no layer.
    """
    from peft import LoraConfig

    targets = settings.targets or spec.lora_targets
    if name in _lora_names(transformer):
        raise AlreadyAttached(
            f"the transformer carries a LoRA named {name!r}, expected none; remove it or choose"
            " another name"
        )
    excluded = re.compile(spec.lora_excluded) if spec.lora_excluded else None
    inside = [
        path
        for path, _ in transformer.named_modules()
        if excluded is None or not excluded.fullmatch(path)
    ]
    for target in targets:
        if not any(path == target or path.endswith(f".{target}") for path in inside):
            raise SiteMissing(
                f"LoRA target {target!r} matches no layer of {type(transformer).__name__}, expected"
                f" endings such as {', '.join(spec.lora_targets[:2])}; correct lora.targets"
            )
    stance = LoraStance(transformer)
    config = LoraConfig(
        r=settings.rank,
        lora_alpha=settings.alpha,
        target_modules=list(targets),
        exclude_modules=spec.lora_excluded,
        lora_dropout=0.0,
    )
    model: Any = transformer
    with torch.random.fork_rng(enabled=seed is not None):
        if seed is not None:
            torch.manual_seed(seed)
        with warnings.catch_warnings():
            # Several LoRAs on one transformer are meant here.
            warnings.filterwarnings("ignore", message="Already found a `peft_config`")
            # Nothing is merged into quantised weights here.
            warnings.filterwarnings("ignore", message="TorchaoLoraLinear was instantiated")
            model.add_adapter(config, adapter_name=name)
    is_rounded = any(
        layer.lora_A[name].weight.dtype != torch.float32
        for _, layer in lora_layers(transformer)
        if name in layer.scaling
    )
    _suit_storage(transformer, name)
    if seed is not None and is_rounded:
        _start_unrounded(transformer, name, seed)
    stance.restore()


def _suit_storage(transformer: nn.Module, name: str) -> None:
    """Do for new layers what diffusers did when the weights got another place or type."""
    from diffusers.hooks.group_offloading import _maybe_remove_and_reapply_group_offloading

    for _, layer in lora_layers(transformer):
        registry = getattr(layer.get_base_layer(), "_diffusers_hook", None)
        casting = registry.get_hook("layerwise_casting") if registry is not None else None
        if casting is not None and name in layer.scaling:
            # Weights stored in eight bits compute in more: so must what is added to them.
            layer.cast_input_dtype_enabled = False
            for part in (layer.lora_A, layer.lora_B):
                part[name].to(casting.compute_dtype)
    _maybe_remove_and_reapply_group_offloading(transformer)


def _start_unrounded(transformer: nn.Module, name: str, seed: int) -> None:
    """Draw the random half in float32, as for a float32 network, where peft rounded it.

    peft gives new layers the type of the weights beside them, before anything is learned.
    """
    layers = [layer for _, layer in lora_layers(transformer) if name in layer.scaling]
    with torch.random.fork_rng(), torch.no_grad():
        torch.manual_seed(seed)
        for layer in layers:
            # Both are made, and the first is drawn again: the order in which peft does it.
            half, other = (
                nn.Linear(part[name].in_features, part[name].out_features, bias=False)
                for part in (layer.lora_A, layer.lora_B)
            )
            nn.init.kaiming_uniform_(half.weight, a=math.sqrt(5))
            for part, made in ((layer.lora_A, half), (layer.lora_B, other)):
                weight = part[name].weight
                kept = made.weight if part is layer.lora_A else torch.zeros_like(made.weight)
                part[name].weight = nn.Parameter(kept.detach().to(weight.device))


def named_lora_parameters(
    transformer: nn.Module, name: str = DEFAULT_NAME
) -> dict[str, nn.Parameter]:
    """The parameters of one LoRA by the keys of its state, in the order of the model."""
    mark = f".{name}."
    return {
        path.replace(mark, "."): parameter
        for path, parameter in transformer.named_parameters()
        if ".lora_" in path and mark in path
    }


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
    own = named_lora_parameters(transformer, name)
    problems = differences(state, own)
    if problems:
        raise AdapterMismatch(
            f"LoRA weights do not fit {type(transformer).__name__}: {problems}, expected its own"
            " layers; use the backbone that the LoRA was trained on"
        )
    with torch.no_grad():
        for key, parameter in own.items():
            parameter.copy_(state[key])


def join_lora(transformer: nn.Module, name: str = DEFAULT_NAME) -> None:
    """Let one LoRA take part beside those that do, wherever it is."""
    for _, layer in lora_layers(transformer):
        if name in layer.scaling and name not in layer.active_adapters:
            layer._active_adapter = [*layer.active_adapters, name]  # set_adapter makes it learn


def set_lora_strength(transformer: nn.Module, strength: float, name: str = DEFAULT_NAME) -> None:
    """Scale one LoRA; 1 is as trained (alpha / rank), 0 the bare backbone bit-exactly."""
    for _, layer in lora_layers(transformer):
        layer.set_scale(name, strength)


@contextmanager
def lora_disabled(transformer: nn.Module) -> Iterator[None]:
    """Switch every LoRA off inside the block; nothing happens without one."""
    layers = [layer for _, layer in lora_layers(transformer) if not layer.disable_adapters]
    # Not enable_adapters(): it would also switch requires_grad off and on again.
    for layer in layers:
        layer._disable_adapters = True
    try:
        yield
    finally:
        for layer in layers:
            layer._disable_adapters = False


def remove_lora(transformer: nn.Module, name: str = DEFAULT_NAME) -> None:
    """Take one LoRA off; layers that carry no other one are given back as they were.

    What the others do and what learns stays as it is.
    """
    model: Any = transformer
    if name not in _lora_names(transformer):
        return
    stance = LoraStance(transformer)
    with warnings.catch_warnings():
        # peft would put another LoRA in the place of the last active one.
        warnings.filterwarnings("ignore", message=f"Adapter {name} was active")
        model.delete_adapters(name)
    stance.restore()
    for path, layer in lora_layers(transformer):
        if not layer.scaling:  # nobody is left on it
            parent, _, last = path.rpartition(".")
            setattr(transformer.get_submodule(parent), last, layer.get_base_layer())
    if not hasattr(model, "peft_config"):
        model.__dict__.pop("_hf_peft_config_loaded", None)


def _lora_names(transformer: nn.Module) -> frozenset[str]:
    return frozenset(getattr(transformer, "peft_config", ()))


def lora_layers(transformer: nn.Module) -> list[tuple[str, Any]]:
    """Every wrapped layer with its path."""
    from peft.tuners.lora import LoraLayer

    return [
        (path, each) for path, each in transformer.named_modules() if isinstance(each, LoraLayer)
    ]
