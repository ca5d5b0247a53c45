"""Reading a LoRA of any spelling into the neutral form, all of it or nothing."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from torch import Tensor

from facekit.adapters.formats.alphas import Alphas, read_alphas
from facekit.adapters.formats.arithmetic import split_rows
from facekit.adapters.formats.bases import LoraBase
from facekit.adapters.formats.checks import (
    check_effect,
    check_finite,
    check_ranks,
    check_shapes,
    check_whole,
)
from facekit.adapters.formats.factors import Expert, Factors, LokrFactors, LoraFactors, LoraWeights
from facekit.adapters.formats.parts import Module, Spelling, Take, shape_of, take_apart
from facekit.adapters.formats.tensors import RawFile, read_raw
from facekit.errors import AdapterDamaged, AdapterError, AdapterMismatch

__all__ = ["HEADER", "LoraFile", "parse_lora", "read_lora"]

HEADER = "facekit.lora"
"""Where facekit writes what it knows: base, trigger, expert, and what happened to the LoRA."""

_SIDES: Mapping[Expert, tuple[str, ...]] = {
    "high": ("high_noise", "highnoise", "high-noise"),
    "low": ("low_noise", "lownoise", "low-noise"),
}


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class LoraFile:
    """A LoRA in neutral form, with how it was written."""

    path: Path
    weights: tuple[LoraWeights, ...]
    """One, or those of both experts, high noise first."""
    spelling: Spelling
    notes: tuple[str, ...]
    """What was assumed or left out."""


def read_lora(
    path: Path | str, base: LoraBase, *, partial: bool = False, alpha: float | None = None
) -> LoraFile:
    """Read a LoRA file of any spelling.

    Args:
        path: A safetensors file, or the folder of a PEFT adapter.
        base: The backbone it is for; its list of layers decides what a name means.
        partial: Leave out keys that are no part of a LoRA on this base.
        alpha: Counts where the file says nothing; the rank when None.

    Raises:
        AdapterError: Keys missing or unexpected, a pickle, or no effect.
        AdapterMismatch: Made for another backbone, or alpha is lost.
        AdapterDamaged: Not readable, not finite, or ranks that do not go together.
    """
    return parse_lora(read_raw(path), base, partial=partial, alpha=alpha)


def parse_lora(
    raw: RawFile, base: LoraBase, *, partial: bool = False, alpha: float | None = None
) -> LoraFile:
    """The same for a file that is read already; ``read_lora`` says more."""
    take = take_apart(raw.tensors, base)
    check_whole(take, base, raw.path, partial=partial)
    alphas = read_alphas(raw.header, raw.config, raw.path)
    notes: list[str] = []
    if take.unexpected:
        notes.append(f"{len(take.unexpected)} keys left out, as --partial asked")
    known = _own_header(raw)
    if "base_model.model." in take.spelling.prefixes and not alphas and alpha is None:
        raise AdapterMismatch(
            f"{raw.path}: no adapter_config.json beside it, expected it, for it alone holds alpha"
            " of PEFT's files; put it there, or say --alpha"
        )
    is_folded = HEADER in raw.header and "base_model.model." not in take.spelling.prefixes
    guessed = 0 if is_folded else _without_alpha(take, alphas)  # facekit folds to the rank
    if guessed:
        told = "the rank" if alpha is None else f"{alpha:g}, as --alpha says,"
        notes.append(f"{guessed} modules say nothing of alpha: {told} is taken")
    elif alpha is not None:
        notes.append("--alpha is not used: the file says it for every module")
        alpha = None
    for module in take.modules:
        check_ranks(module, raw.path)
    shapes = {module.name: (shape_of(module), _expected(module, base)) for module in take.modules}
    check_shapes(shapes, base, raw.path)
    grouped: dict[str, dict[str, Factors]] = {}
    for module in take.modules:
        modules = grouped.setdefault(_group(module.prefix), {})
        for path, factors in _read_module(module, base, alphas, alpha, raw.path).items():
            modules[path] = factors
    experts = _experts(grouped, raw.path, known)
    weights = []
    for group, modules in sorted(grouped.items()):
        check_finite(modules, raw.path)
        check_effect(modules, raw.path)
        weights.append(
            LoraWeights(
                modules=dict(sorted(modules.items())),
                base=base.name,
                trigger=str(known.get("trigger") or raw.header.get("modelspec.trigger_phrase", "")),
                expert=experts[group],
            )
        )
    return LoraFile(
        path=raw.path, weights=tuple(weights), spelling=take.spelling, notes=tuple(notes)
    )


def _group(prefix: str) -> str:
    return prefix if prefix == "transformer_2." else "transformer."


def _experts(
    grouped: Mapping[str, object], path: Path, known: Mapping[str, object]
) -> Mapping[str, Expert]:
    if len(grouped) == 2:
        return {"transformer.": "high", "transformer_2.": "low"}
    (group,) = grouped
    if group == "transformer_2.":
        return {group: "low"}
    said = known.get("expert")
    if said in ("high", "low"):
        return {group: "high" if said == "high" else "low"}
    for expert, marks in _SIDES.items():
        if any(mark in path.stem.lower() for mark in marks):
            return {group: expert}
    return {group: "none"}


def _own_header(raw: RawFile) -> Mapping[str, object]:
    if HEADER not in raw.header:
        return {}
    try:
        entries = json.loads(raw.header[HEADER])
    except ValueError as error:
        raise AdapterDamaged(
            f"{raw.path}: header {HEADER} is not JSON ({error}), expected facekit's; convert it"
            " again"
        ) from error
    return entries if isinstance(entries, dict) else {}


def _without_alpha(take: Take, alphas: Mapping[str, Alphas]) -> int:
    return sum(
        "alpha" not in module.parts
        and "down" in module.parts
        and _stated(alphas, module.prefix) is None
        for module in take.modules
    )


def _stated(alphas: Mapping[str, Alphas], prefix: str) -> Alphas | None:
    return alphas.get(prefix.removesuffix("."), alphas.get(""))


def _expected(module: Module, base: LoraBase) -> tuple[int, int]:
    rows = sum(base.shapes[path][0] for path in module.paths)
    return rows, base.shapes[module.paths[0]][1]


def _read_module(
    module: Module,
    base: LoraBase,
    alphas: Mapping[str, Alphas],
    default: float | None,
    source: Path,
) -> Mapping[str, Factors]:
    rows = [base.shapes[path][0] for path in module.paths]
    expected = _expected(module, base)
    parts = module.parts
    if "down" not in parts:
        lokr = _read_lokr(module, source)
        if len(module.paths) > 1:
            raise AdapterError(
                f"{source}: {module.name} is a LoKr of {len(module.paths)} layers of diffusers,"
                " expected one that stands for one layer, for a Kronecker product cannot be cut;"
                " approximate it as a plain LoRA where it was trained"
            )
        return {module.paths[0]: lokr}
    down, up = parts["down"], parts["up"]
    rank = int(down.shape[0])
    stated = _stated(alphas, module.prefix)
    value = float(rank) if default is None else default
    if "alpha" in parts:
        value = _number(parts["alpha"], module.keys["alpha"], source)
    elif stated is not None:
        value = stated.of(module.paths[0], rank)
    magnitude = parts.get("magnitude")
    if magnitude is not None:
        magnitude = _per_row(magnitude, expected, module.keys["magnitude"], source)
    whole = LoraFactors(down=down, up=up, alpha=value, magnitude=magnitude)
    if len(module.paths) == 1:
        return {module.paths[0]: _with_kernel(whole, base.kernels.get(module.paths[0], ()))}
    cut = split_rows(whole, rows)
    check_finite({module.name: whole}, source)
    return {path: part for path, part in zip(module.paths, cut, strict=True) if part is not None}


def _with_kernel(factors: LoraFactors, kernel: tuple[int, ...]) -> LoraFactors:
    """Give the factors the dimensions of their layer; tools differ where the kernel is 1."""
    down = factors.down.reshape(factors.rank, -1, *kernel)
    up = factors.up.reshape(-1, factors.rank, *(1 for _ in kernel))
    return replace(factors, down=down, up=up)


def _read_lokr(module: Module, source: Path) -> LokrFactors:
    parts = module.parts

    def side(name: str) -> tuple[Tensor, ...]:
        whole = parts.get(name)  # type: ignore[call-overload]
        return (whole,) if whole is not None else (parts[f"{name}_a"], parts[f"{name}_b"])  # type: ignore[index]

    w1, w2 = side("w1"), side("w2")
    if any(tensor.ndim != 2 for tensor in (*w1, *w2)):
        raise AdapterError(
            f"{source}: {module.name} is a LoKr of a convolution, expected one of a linear layer;"
            " use it in the tool that trained it"
        )
    lokr = LokrFactors(w1=w1, w2=w2, alpha=1.0)
    rank = lokr.rank
    alpha = 1.0 if rank is None else float(rank)
    if "alpha" in parts and rank is not None:
        alpha = _number(parts["alpha"], module.keys["alpha"], source)
    return LokrFactors(w1=w1, w2=w2, alpha=alpha)


def _number(tensor: Tensor, key: str, source: Path) -> float:
    value = float(tensor.double().reshape(-1)[0]) if tensor.numel() == 1 else float("nan")
    if value != value or value in (float("inf"), float("-inf")):
        raise AdapterDamaged(
            f"{source}: {key} holds {tensor.flatten()[:3].tolist()}, expected one finite number;"
            " fetch or train it again"
        )
    return value


def _per_row(tensor: Tensor, shape: tuple[int, int], key: str, source: Path) -> Tensor:
    if tensor.numel() == shape[0] and tensor.shape[0] == shape[0]:
        return tensor.reshape(-1)
    raise AdapterMismatch(
        f"{source}: {key} is {tuple(tensor.shape)}, expected ({shape[0]}, 1), one number per"
        " output; a DoRA over inputs can be used only in the tool that trained it"
    )
