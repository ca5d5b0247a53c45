"""How the weights of a frozen network are held: in fewer bits than they are computed with."""

import re
from collections.abc import Iterator
from typing import Any, Literal, TypeAlias

import torch
from torch import Tensor, nn

from facekit.errors import UsageError
from facekit.faces.packages import import_optional

__all__ = [
    "BaseWeights",
    "check_held",
    "has_stored_layers",
    "hold_weights",
    "load_dtype",
    "narrow",
    "stored_bytes",
]

BaseWeights: TypeAlias = Literal["float32", "bfloat16", "float8", "int8", "nf4"]

_CONVS = (nn.Conv1d, nn.Conv2d, nn.Conv3d)
"""Their backward pass looks at the weight itself, which diffusers has cast back by then."""


def load_dtype(how: BaseWeights) -> torch.dtype:
    """The type that files are read in: what is held in fewer bits never was float32."""
    return torch.float32 if how == "float32" else torch.bfloat16


def check_held(how: BaseWeights, device: torch.device) -> None:
    """Refuse what this machine cannot do, by trying it on a few numbers.

    Raises:
        PackageMissing: The extra ``quant`` is not installed.
        UsageError: The device has no arithmetic for it.
    """
    if how == "float32":
        return
    tried = nn.Sequential(nn.Linear(64, 64, dtype=load_dtype(how)))
    try:
        tried = _held(tried.requires_grad_(False), how, torch.float32, skipped=()).to(device)
        if device.type != "meta":
            asked = torch.ones(1, 64, device=device, requires_grad=True)
            tried(asked).sum().backward()
    except (RuntimeError, TypeError, NotImplementedError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise UsageError(
            f"memory.base_weights is {how}, which {device} cannot do ({reason}), expected a device"
            " that can; set memory.base_weights to bfloat16, or choose another --device"
        ) from error


def hold_weights(network: Any, how: BaseWeights, compute: torch.dtype) -> None:
    """Turn a network that was read in `load_dtype` into one that is held as asked.

    Linear layers are stored so. Convolutions, norms, embedders and what else diffusers leaves out
    of `enable_layerwise_casting` stay as they were read, norms in float32; with `compute` float32
    all of them are.

    Args:
        network: Of diffusers, without adapters, on any device.
        how: float32 leaves it as it is.
        compute: The type of the arithmetic: float32, or bfloat16 under autocast.

    Raises:
        PackageMissing: The extra ``quant`` is not installed.
    """
    _held(network, how, compute, _skipped(network))


def narrow(module: Any) -> None:
    """Make in place what `from_pretrained` reads in bfloat16, for a model that is in no file."""
    kept = tuple(getattr(module, "_keep_in_fp32_modules", None) or ())
    for path, layer in module.named_modules():
        for name, parameter in layer.named_parameters(recurse=False):
            if parameter.is_floating_point() and not _fits(f"{path}.{name}", kept):
                parameter.data = parameter.data.to(torch.bfloat16)


def has_stored_layers(network: nn.Module) -> bool:
    """Whether layers hold their weights in another type than they compute with."""
    return any(map(_is_stored, network.modules()))


def stored_bytes(module: nn.Module) -> int:
    """Bytes of a module's parameters and buffers, as they are stored."""
    seen: dict[int, int] = {}
    for tensor in (*module.parameters(), *module.buffers()):
        for part in _plain(tensor):
            storage = part.untyped_storage()
            seen[storage.data_ptr()] = storage.nbytes()
        state = getattr(tensor, "quant_state", None)
        for scales in (state, getattr(state, "state2", None)):
            for name in ("absmax", "code"):
                scale = getattr(scales, name, None)
                if isinstance(scale, Tensor):
                    seen[scale.data_ptr()] = scale.untyped_storage().nbytes()
    return sum(seen.values())


def _plain(tensor: Tensor) -> Iterator[Tensor]:
    """The tensors that one of a subclass is made of."""
    if not hasattr(tensor, "__tensor_flatten__"):
        yield tensor
        return
    for name in tensor.__tensor_flatten__()[0]:
        yield from _plain(getattr(tensor, name))


def _held(network: Any, how: BaseWeights, compute: torch.dtype, skipped: tuple[str, ...]) -> Any:
    if how == "float32":
        return network
    if how == "int8":
        _in_int8(network, skipped)
    elif how == "nf4":
        _in_nf4(network, skipped, compute)
    elif how == "float8" or compute != torch.bfloat16:
        from diffusers.hooks import apply_layerwise_casting

        storage = torch.float8_e4m3fn if how == "float8" else torch.bfloat16
        apply_layerwise_casting(network, storage, compute, skipped, skip_modules_classes=_CONVS)
    for module in network.modules():
        # The norms of CPUs take no bfloat16 weights for float32 numbers.
        if not _is_stored(module) and (compute == torch.float32 or "Norm" in type(module).__name__):
            _widen(module)
    return network


def _in_int8(network: Any, skipped: tuple[str, ...]) -> None:
    """Eight bits and a scale for each row, by torchao; computed with as the input is."""
    torchao = import_optional("torchao.quantization", extra="quant")
    torchao.quantize_(
        network,
        torchao.Int8WeightOnlyConfig(),
        filter_fn=lambda module, path: type(module) is nn.Linear and not _fits(path, skipped),
    )


def _in_nf4(network: Any, skipped: tuple[str, ...], compute: torch.dtype) -> None:
    """Four bits, block by block, by bitsandbytes.

    Not through diffusers' configs, which refuse machines without a graphics card; bitsandbytes
    itself does not.
    """
    bitsandbytes = import_optional("bitsandbytes.nn", extra="quant")
    for path, layer in list(network.named_modules()):
        if type(layer) is not nn.Linear or _fits(path, skipped):
            continue
        with torch.device("meta"):
            held = bitsandbytes.Linear4bit(
                layer.in_features,
                layer.out_features,
                bias=layer.bias is not None,
                compute_dtype=compute,
                quant_type="nf4",
            )
        weight = layer.weight.detach()
        held.weight = bitsandbytes.Params4bit(
            weight, requires_grad=False, quant_type="nf4", module=held
        )
        held.bias = layer.bias
        held.weight = held.weight.to(weight.device)  # it is quantised here
        held.training = layer.training
        # On a CPU it would pack the weights anew for calls without gradients, and backward is lost.
        held.support_avx512bf16_for_cpu = False
        parent, _, last = path.rpartition(".")
        setattr(network.get_submodule(parent), last, held)


def _skipped(network: Any) -> tuple[str, ...]:
    """What diffusers leaves out of `enable_layerwise_casting`, as patterns of module paths."""
    from diffusers.hooks.layerwise_casting import DEFAULT_SKIP_MODULES_PATTERN

    own: set[str] = set(DEFAULT_SKIP_MODULES_PATTERN)
    for name in ("_keep_in_fp32_modules", "_skip_layerwise_casting_patterns"):
        own |= set(getattr(network, name, None) or ())
    return tuple(sorted(own))


def _fits(path: str, patterns: tuple[str, ...]) -> bool:
    return any(re.search(pattern, path) for pattern in patterns)


def _is_stored(module: nn.Module) -> bool:
    """Whether diffusers holds the weights of a layer in another type than it computes with."""
    registry = getattr(module, "_diffusers_hook", None)
    return registry is not None and registry.get_hook("layerwise_casting") is not None


def _widen(module: nn.Module) -> None:
    """Make a layer's own bfloat16 numbers float32."""
    for name, parameter in module.named_parameters(recurse=False):
        if parameter.dtype == torch.bfloat16 and not _is_quantised(parameter):
            module._parameters[name] = nn.Parameter(parameter.detach().float(), False)
    for name, buffer in module.named_buffers(recurse=False):
        if buffer.dtype == torch.bfloat16:
            module._buffers[name] = buffer.float()


def _is_quantised(tensor: Tensor) -> bool:
    """Whether it only says that it is bfloat16, as what torchao holds in eight bits does."""
    return hasattr(tensor, "__tensor_flatten__")
