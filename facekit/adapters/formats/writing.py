"""Writing a LoRA from its neutral form in the spelling of a tool; the input stays as it is."""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from facekit.adapters.formats.arithmetic import fold_alpha, join_rows
from facekit.adapters.formats.bases import LoraBase
from facekit.adapters.formats.catalogue import Format
from facekit.adapters.formats.complaints import few
from facekit.adapters.formats.factors import EXPERTS, Factors, LokrFactors, LoraFactors, LoraWeights
from facekit.adapters.formats.peft_settings import PEFT_SETTINGS, lora_settings
from facekit.adapters.formats.reading import HEADER
from facekit.adapters.formats.tensors import PEFT_CONFIG, PEFT_WEIGHTS
from facekit.adapters.tensor_file import write_tensors
from facekit.errors import AdapterError, AdapterMismatch
from facekit.media.files import write_text

__all__ = ["check_writable", "output_paths", "spell", "write_lora"]

_FOLDER_FORMATS = frozenset({"peft"})


def output_paths(weights: Sequence[LoraWeights], path: Path | str, to: Format) -> tuple[Path, ...]:
    """Where a LoRA is written: one file, or one for each expert; folders for PEFT."""
    path = Path(path)
    if len(weights) == 1 or to.pair_in_one_file:
        return (path,)
    suffix = "" if to.name in _FOLDER_FORMATS else path.suffix
    stem = path.name.removesuffix(suffix)
    return tuple(path.with_name(f"{stem}_{each.expert}_noise{suffix}") for each in weights)


def check_writable(weights: Sequence[LoraWeights], to: Format, base: LoraBase) -> None:
    """Refuse what a tool does not know, before anything is written.

    Raises:
        AdapterMismatch: The names are not known for sure, or the tool does not know LoKr, DoRA
            or some of the layers, or needs both experts.
    """
    if to.pair_in_one_file and {each.expert for each in weights} != {"high", "low"}:
        raise AdapterMismatch(
            f"{to.name} holds both experts, expected a LoRA of high noise and one of low noise, got"
            f" {len(weights)}; convert to diffusers"
        )
    for each in weights:
        _check_one(each, to, base)


def _check_one(weights: LoraWeights, to: Format, base: LoraBase) -> None:
    reason = base.table.refused.get(to.name)
    if reason is not None:
        raise AdapterMismatch(
            f"{base.name} is not written as {to.name}: {reason}, expected a format whose names are"
            " known; choose another --to"
        )
    _check_kinds(weights, to)
    if to.naming == "original":
        nameless = [path for path in weights.modules if path not in base.names.original_of]
        if nameless:
            raise AdapterMismatch(
                f"{len(nameless)} modules have no name in {to.name} that is known for sure"
                f" ({few(nameless)}), expected layers of its table; convert to diffusers"
            )


def spell(
    weights: LoraWeights, to: Format, base: LoraBase
) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Write the keys of one transformer's LoRA.

    Returns:
        The tensors, and the settings that diffusers and PEFT keep outside them.

    Raises:
        AdapterMismatch: As ``check_writable``.
        AdapterError: Parts of a fused layer of which only some are DoRA, or a LoKr of a part.
    """
    _check_one(weights, to, base)
    modules: Mapping[str, Factors] = weights.modules
    if to.naming == "original":
        modules = _fuse(modules, base)
    prefix = to.prefix
    if to.alpha == "header":
        component = base.table.component
        prefix = f"{EXPERTS[weights.expert] if to.pair_in_one_file else component}."
    tensors: dict[str, Tensor] = {}
    settings: dict[str, tuple[int, float]] = {}
    for name, factors in modules.items():
        short = name if to.separator == "." else name.replace(".", to.separator)
        key = f"{prefix}{short}"
        if isinstance(factors, LokrFactors):
            tensors |= _spell_lokr(key, factors, to)
            continue
        if to.alpha == "folded":
            factors = fold_alpha(factors)
        tensors[key + to.down], tensors[key + to.up] = factors.down, factors.up
        if to.alpha == "tensor":
            tensors[key + ".alpha"] = _alpha(factors.alpha)
        if factors.magnitude is not None:
            column = factors.magnitude[:, None]
            is_column = to.magnitude == ".dora_scale"
            tensors[key + to.magnitude] = column if is_column else factors.magnitude
        settings[name] = (factors.rank, factors.alpha)
    is_dora = any(key.endswith(to.magnitude) for key in tensors) if to.magnitude else False
    return tensors, lora_settings(settings, base, use_dora=is_dora) if settings else {}


def write_lora(
    weights: Sequence[LoraWeights],
    path: Path | str,
    to: Format,
    base: LoraBase,
    *,
    said: Mapping[str, object] | None = None,
) -> tuple[Path, ...]:
    """Write a LoRA, whole files or nothing.

    Args:
        weights: One, or those of both experts.
        path: A safetensors file, or a folder for PEFT; with a pair in formats of one transformer
            each, what the two names are made of.
        to: The format.
        base: The backbone.
        said: Further entries of the header, such as what was approximated.

    Returns:
        What was written.

    Raises:
        AdapterMismatch: The tool does not know what this LoRA is made of.
        OutputError: No permission, no space.
    """
    check_writable(weights, to, base)
    places = output_paths(weights, path, to)
    if len(places) < len(weights):
        tensors: dict[str, Tensor] = {}
        metadata: dict[str, Any] = {}
        for each in weights:
            more, settings = spell(each, to, base)
            tensors |= more
            metadata |= {f"{EXPERTS[each.expert]}.{name}": x for name, x in settings.items()}
        header = {**_header(weights[0], base, to, said), "lora_adapter_metadata": _json(metadata)}
        write_tensors(places[0], tensors, header)
        return places
    for each, place in zip(weights, places, strict=True):
        tensors, settings = spell(each, to, base)
        header = _header(each, base, to, said)
        if to.alpha == "header" and settings:
            component = EXPERTS[each.expert] if to.pair_in_one_file else base.table.component
            metadata = {f"{component}.{name}": x for name, x in settings.items()}
            header["lora_adapter_metadata"] = _json(metadata)
        if to.name in _FOLDER_FORMATS:
            write_text(place / PEFT_CONFIG, _json({**settings, **PEFT_SETTINGS}) + "\n")
            write_tensors(place / PEFT_WEIGHTS, tensors, header)
        else:
            write_tensors(place, tensors, header)
    return places


def _check_kinds(weights: LoraWeights, to: Format) -> None:
    lokr = [path for path, each in weights.modules.items() if isinstance(each, LokrFactors)]
    if lokr and not to.lokr:
        raise AdapterMismatch(
            f"{len(lokr)} modules are LoKr ({few(lokr)}), which {to.name} does not know, expected"
            " a plain LoRA; approximate it with --as-lora RANK"
        )
    if lokr and to.alpha == "header" and len(lokr) < len(weights.modules):
        raise AdapterMismatch(
            f"{len(lokr)} of {len(weights.modules)} modules are LoKr ({few(lokr)}), expected all"
            f" or none in {to.name}; approximate them with --as-lora RANK"
        )
    dora = [
        path
        for path, each in weights.modules.items()
        if isinstance(each, LoraFactors) and each.magnitude is not None
    ]
    if dora and not to.magnitude:
        raise AdapterMismatch(
            f"{len(dora)} modules are DoRA ({few(dora)}), which {to.name} does not know, expected"
            " a plain LoRA; convert to comfyui, kohya, peft or diffusers"
        )
    if dora and to.magnitude != ".dora_scale" and len(dora) < len(weights.modules):
        raise AdapterMismatch(
            f"{len(dora)} of {len(weights.modules)} modules are DoRA ({few(dora)}), expected all"
            f" or none in {to.name}; convert to comfyui or kohya"
        )


def _fuse(modules: Mapping[str, Factors], base: LoraBase) -> dict[str, Factors]:
    names = base.names
    fused: dict[str, Factors] = {}
    for path, factors in modules.items():
        original = names.original_of[path]
        if original in fused:
            continue
        paths = names.originals[original]
        if len(paths) == 1:
            fused[original] = factors
            continue
        parts = [modules.get(each) for each in paths]
        here = [part for part in parts if part is not None]
        if any(isinstance(part, LokrFactors) for part in here):
            raise AdapterMismatch(
                f"{path} is LoKr and a part of {original}, expected a plain LoRA where layers are"
                " fused; approximate it with --as-lora RANK"
            )
        plain = [part for part in parts if not isinstance(part, LokrFactors)]
        with_magnitude = sum(part is not None and part.magnitude is not None for part in plain)
        if with_magnitude not in (0, len(paths)):
            raise AdapterError(
                f"{with_magnitude} of the {len(paths)} parts of {original} are DoRA, expected all"
                " or none where layers are fused; convert to diffusers"
            )
        fused[original] = join_rows(plain, [base.shapes[each][0] for each in paths])
    return fused


def _spell_lokr(key: str, factors: LokrFactors, to: Format) -> dict[str, Tensor]:
    if to.alpha == "header" and factors.scale != 1:
        # diffusers takes no alpha here; its own converter multiplies it into the left matrix too.
        scaled = (factors.w1[0].float() * factors.scale).contiguous()
        rank = factors.rank
        assert rank is not None
        factors = replace(factors, w1=(scaled, *factors.w1[1:]), alpha=float(rank))
    tensors: dict[str, Tensor] = {}
    for side, parts in (("w1", factors.w1), ("w2", factors.w2)):
        endings = ("",) if len(parts) == 1 else ("_a", "_b")
        for ending, tensor in zip(endings, parts, strict=True):
            tensors[f"{key}.lokr_{side}{ending}"] = tensor
    if to.alpha != "header":
        tensors[f"{key}.alpha"] = _alpha(factors.alpha)
    return tensors


def _alpha(value: float) -> Tensor:
    return torch.tensor(value, dtype=torch.float32)


def _header(
    weights: LoraWeights, base: LoraBase, to: Format, said: Mapping[str, object] | None
) -> dict[str, str]:
    entries = {"base": base.name, "trigger": weights.trigger, "expert": weights.expert}
    header = {
        HEADER: _json({**entries, **(said or {})}),
        "modelspec.sai_model_spec": "1.0.0",
        "modelspec.architecture": f"{base.name}/lora",
    }
    if weights.trigger:
        header["modelspec.trigger_phrase"] = weights.trigger
    if to.alpha == "tensor":
        plain = [each for each in weights.modules.values() if isinstance(each, LoraFactors)]
        header["ss_network_module"] = "networks.lora"
        if plain:
            header["ss_network_dim"] = str(
                Counter(each.rank for each in plain).most_common(1)[0][0]
            )
            header["ss_network_alpha"] = f"{plain[0].alpha:g}"
    return header


def _json(value: object) -> str:
    return json.dumps(value, sort_keys=True)
