"""A backbone without numbers: its real classes at their real size, made of fake tensors."""

import inspect
import re
from collections.abc import Iterator
from dataclasses import dataclass
from math import lcm
from pathlib import Path
from typing import Any

import torch
from torch import nn

from facekit.backbones.held import BaseWeights
from facekit.backbones.hub import network_outline, pipeline_folder
from facekit.backbones.shapes import Shapes
from facekit.backbones.spec import BackboneSpec
from facekit.errors import WeightsMissing

__all__ = [
    "Outline",
    "Probe",
    "blocks",
    "fake_pipe",
    "fill",
    "held_bytes",
    "largest_layer",
    "outline",
    "shortened",
    "tiny_outline",
]


_BYTES_PER_WEIGHT = {
    "float32": 4.0,
    "bfloat16": 2.0,
    "float8": 1.0,
    "int8": 1.0,
    # Half a byte, and the scale of every 64 in float32.
    "nf4": 0.5 + 4 / 64,
}
# Source: diffusers 0.42.1, hooks/layerwise_casting.py (Apache-2.0).
_NEVER_CAST = ("pos_embed", "patch_embed", "norm", "^proj_in$", "^proj_out$")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Outline:
    """The parts of a real model on the meta device."""

    network: Any
    vae: Any
    tiny: Any
    """A small pipeline of the same classes, which lends what has no size of its own."""
    shapes: Shapes


def outline(spec: BackboneSpec, source: Path | str | None = None) -> Outline:
    """Build it from what lies in a folder, and from what is known of the model where nothing does.

    Args:
        spec: The backbone.
        source: A folder in diffusers format; the spec's own place when None.

    Raises:
        WeightsMissing: Nothing there, and the model is known by its weights alone.
        WeightsError: The folder is another model's, or its config cannot be read.
    """
    import diffusers

    tiny: Any = spec.tiny()
    shapes = spec.known_shapes()
    place = None if source is None else Path(source)
    try:
        network: Any = spec.outline(place)
        vae = network_outline(type(tiny.vae), pipeline_folder(spec, place), "vae")
    except WeightsMissing:
        if shapes is None or not shapes.text or source is not None:
            raise
        with torch.device("meta"):
            network = getattr(diffusers, spec.family.network_class)(**shapes.network)
            vae = type(tiny.vae)(**shapes.vae)
    return Outline(network=network, vae=vae, tiny=tiny, shapes=shapes or _shapes_of(tiny, spec))


def tiny_outline(spec: BackboneSpec) -> Outline:
    """The small random pipeline that stands for a backbone in recipes that only prove the path."""
    tiny: Any = spec.tiny()
    network = spec.family.network(tiny)
    return Outline(network=network, vae=tiny.vae, tiny=tiny, shapes=_shapes_of(tiny, spec))


def _shapes_of(tiny: Any, spec: BackboneSpec) -> Shapes:
    """Of a pipeline that is there."""
    text = spec.family.encode_text(tiny, spec, [""])
    encoders = [part for name, part in tiny.components.items() if "encoder" in name and part]
    return Shapes(
        text={name: tuple(tensor.shape[1:]) for name, tensor in text.items()},
        text_parameters=sum(p.numel() for part in encoders for p in part.parameters()),
        text_width=max(tiny.text_encoder.config.to_dict().get("d_ff", 0), 1),
    )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Probe:
    """A network with fewer blocks, and its part in the sum that gives the whole one."""

    network: Any
    weight: float


def shortened(network: Any, unit: int) -> list[Probe]:
    """Make networks with few of the equal blocks, from whose costs that of all blocks follows.

    Bytes and operations are straight lines over the number of equal blocks. Two points make a
    line; where blocks are of two kinds, three make a plane.

    Args:
        network: On the meta device.
        unit: Blocks go by so many: those that are recomputed, or hear an identity, take turns.

    Returns:
        The network itself where it is short, or its blocks differ.
    """
    config = network.config
    count = config.get("num_layers")
    others = config.get("num_single_layers")
    given = config.get("vace_layers")
    if given:
        unit = lcm(unit, given[1] - given[0])
    if not isinstance(count, int) or count <= 4 * unit:
        return [Probe(network=network, weight=1.0)]

    def made(layers: int, single: int) -> Any:
        changed: dict[str, Any] = {"num_layers": layers}
        if others:
            changed["num_single_layers"] = single
        if given:
            changed["vace_layers"] = [index for index in given if index < layers]
        kind = type(network)
        taken = inspect.signature(kind.__init__).parameters
        with torch.device("meta"):
            return kind(**{k: v for k, v in {**config, **changed}.items() if k in taken})

    few, more = 2 * unit, 3 * unit
    first = (count - few) / (more - few)
    if not others:
        return [
            Probe(network=made(few, 0), weight=1 - first),
            Probe(network=made(more, 0), weight=first),
        ]
    second = (others - few) / (more - few)
    return [
        Probe(network=made(few, few), weight=1 - first - second),
        Probe(network=made(more, few), weight=first),
        Probe(network=made(few, more), weight=second),
    ]


def fake_pipe(made: Outline, network: Any, dtype: torch.dtype) -> Any:
    """Make a pipeline with fake weights; to be called where tensors are fake.

    Args:
        made: Its autoencoder has fake weights already.
        network: Loses its own weights.
        dtype: Of the network, but for what diffusers keeps in float32.
    """
    fill(network, dtype)
    given: dict[str, Any] = {**made.tiny.components, "vae": made.vae}
    given |= {name: network for name, part in given.items() if isinstance(part, type(network))}
    kind = type(made.tiny)
    taken = inspect.signature(kind.__init__).parameters
    given |= {
        name: value
        for name, value in made.tiny.config.items()
        if name in taken and name not in given
    }
    return kind(**{name: value for name, value in given.items() if name in taken})


def fill(module: Any, dtype: torch.dtype) -> None:
    """Give a module weights without numbers; to be called where tensors are fake."""
    kept = tuple(getattr(module, "_keep_in_fp32_modules", None) or ())
    for path, each in module.named_modules():
        for held in (each._parameters, each._buffers):
            for name, tensor in held.items():
                if tensor is None:
                    continue
                whole = not tensor.is_floating_point()
                in_float32 = any(key in f"{path}.{name}".split(".") for key in kept)
                wanted = tensor.dtype if whole else torch.float32 if in_float32 else dtype
                fake = torch.empty(tensor.shape, dtype=wanted)
                is_parameter = isinstance(tensor, nn.Parameter)
                held[name] = nn.Parameter(fake, requires_grad=False) if is_parameter else fake


def held_bytes(network: Any, how: BaseWeights, module: nn.Module | None = None) -> int:
    """Bytes that the frozen weights take as a recipe holds them.

    Args:
        network: Of diffusers; says what is never held in fewer bits.
        how: ``memory.base_weights``.
        module: A part of it; all of it when None.
    """
    rest = 4 if how == "float32" else 2
    kept = tuple(getattr(network, "_keep_in_fp32_modules", None) or ())
    whole = {layer: path for path, layer in network.named_modules()}
    total = 0.0
    for layer in (module or network).modules():
        path = whole[layer]
        stored = isinstance(layer, (nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d))
        stored = stored and not _is_skipped(network, path)
        for name, tensor in (*layer._parameters.items(), *layer._buffers.items()):
            if tensor is None:
                continue
            if any(key in f"{path}.{name}".split(".") for key in kept):
                each = 4.0
            elif stored and name == "weight":
                each = _BYTES_PER_WEIGHT[how]
            else:
                each = float(rest)
            total += tensor.numel() * each
    return int(total)


def largest_layer(network: Any) -> int:
    """Weights of the largest linear layer."""
    return max(
        (layer.weight.numel() for layer in network.modules() if isinstance(layer, nn.Linear)),
        default=0,
    )


def blocks(network: nn.Module) -> Iterator[nn.Module]:
    """The blocks that a network is a stack of, in order."""
    for child in network.children():
        if isinstance(child, nn.ModuleList):
            yield from child


def _is_skipped(network: Any, path: str) -> bool:
    patterns = (*_NEVER_CAST, *(getattr(network, "_skip_layerwise_casting_patterns", None) or ()))
    return any(re.search(pattern, path) for pattern in patterns)
