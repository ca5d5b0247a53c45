"""What a file says about alpha outside its tensors: in its header, or in a config beside it."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from facekit.errors import AdapterDamaged, AdapterMismatch

__all__ = ["HEADER_KEYS", "Alphas", "read_alphas"]

HEADER_KEYS = ("lora_adapter_metadata", "lora_config")
"""diffusers' own, and the one of finetrainers, which diffusers does not read."""

_OTHER_WEIGHTS = ("pissa", "olora", "corda", "eva", "lora_ga", "loftq")
"""Ways to begin that change the backbone's own weights, so that the file is wrong elsewhere.

Source: peft 0.21 (Apache-2.0), docs of LoraConfig.init_lora_weights.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Alphas:
    """The alpha of every module, as one number with exceptions."""

    alpha: float
    patterns: Mapping[str, float] = field(default_factory=dict, hash=False)
    """Regular expression of the end of a path to its alpha."""
    is_rank_stabilised: bool = False
    """Whether the product is scaled by alpha / sqrt(rank)."""

    def of(self, path: str, rank: int) -> float:
        """Alpha of a module, such that the product is scaled by alpha / rank."""
        alpha = next(
            (
                value
                for pattern, value in self.patterns.items()
                if re.fullmatch(rf"(.*\.)?({pattern})", path)
            ),
            self.alpha,
        )
        return alpha * rank**0.5 if self.is_rank_stabilised else alpha


def read_alphas(
    header: Mapping[str, str], config: Mapping[str, Any] | None, source: Path
) -> Mapping[str, Alphas]:
    """Read what stands outside the tensors.

    Returns:
        By component, such as ``transformer``; under an empty name what counts for all of them.

    Raises:
        AdapterDamaged: An entry that cannot be read.
        AdapterMismatch: A LoRA that began by changing the backbone's own weights.
    """
    found: dict[str, dict[str, Any]] = {}
    for key in HEADER_KEYS:
        if key in header:
            for name, value in _load(header[key], f"{source}: header {key}").items():
                component, dot, entry = name.partition(".")
                known = dot and component in ("transformer", "transformer_2", "unet")
                found.setdefault(component if known else "", {})[entry if known else name] = value
            break
    if config is not None:
        found.setdefault("", {}).update(config)
    return {
        component: alphas
        for component, entries in found.items()
        if (alphas := _from_config(entries, source)) is not None
    }


def _load(text: str, source: str) -> dict[str, Any]:
    try:
        entries = json.loads(text)
    except ValueError as error:
        raise AdapterDamaged(
            f"{source} is not JSON ({error}), expected the settings of a LoRA; fetch it again"
        ) from error
    if not isinstance(entries, dict):
        raise AdapterDamaged(
            f"{source} holds {type(entries).__name__}, expected an object; fetch it again"
        )
    return entries


def _from_config(entries: Mapping[str, Any], source: Path) -> Alphas | None:
    began = str(entries.get("init_lora_weights", "")).lower()
    if began.startswith(_OTHER_WEIGHTS):
        raise AdapterMismatch(
            f"{source}: began as {began}, which changes the backbone's own weights, expected a"
            " LoRA for the weights as published; save it with"
            " path_initial_model_for_weight_conversion"
        )
    alpha = entries.get("lora_alpha", entries.get("alpha"))
    if alpha is None:
        return None
    patterns = entries.get("alpha_pattern") or {}
    try:
        return Alphas(
            alpha=float(alpha),
            patterns={str(path): float(value) for path, value in dict(patterns).items()},
            is_rank_stabilised=bool(entries.get("use_rslora", False)),
        )
    except (TypeError, ValueError) as error:
        raise AdapterDamaged(
            f"{source}: alpha is {alpha!r} with {patterns!r}, expected numbers; fetch it again"
        ) from error
