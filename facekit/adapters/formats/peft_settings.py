"""What diffusers and PEFT keep of a LoRA outside its tensors: the arguments of LoraConfig."""

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from facekit.adapters.formats.bases import LoraBase

__all__ = ["PEFT_SETTINGS", "lora_settings"]

PEFT_SETTINGS: Mapping[str, object] = {
    "peft_type": "LORA",
    "task_type": None,
    "bias": "none",
    "inference_mode": True,
    "init_lora_weights": True,
    "lora_dropout": 0.0,
    "base_model_name_or_path": None,
}
"""What PEFT wants beside them in its own file."""


def lora_settings(
    modules: Mapping[str, tuple[int, float]], base: LoraBase, *, use_dora: bool
) -> dict[str, Any]:
    """The arguments of LoraConfig; patterns begin with ^, for peft matches the ends of paths."""
    rank = Counter(rank for rank, _ in modules.values()).most_common(1)[0][0]
    alpha = Counter(alpha for _, alpha in modules.values()).most_common(1)[0][0]
    return {
        "r": rank,
        "lora_alpha": alpha,
        "rank_pattern": {f"^{path}": each for path, (each, _) in modules.items() if each != rank},
        "alpha_pattern": {f"^{path}": each for path, (_, each) in modules.items() if each != alpha},
        "target_modules": _targets(modules, base),
        "use_dora": use_dora,
        "use_rslora": False,
        "lora_bias": False,
    }


def _targets(paths: Iterable[str], base: LoraBase) -> list[str] | str:
    """The layers for peft, which takes names of a list for ends of paths; else an expression."""
    mine = frozenset(paths)
    others = [path for path in base.shapes if path not in mine]
    if any(other.endswith(f".{path}") for path in mine for other in others):
        return "|".join(re.escape(path) for path in sorted(mine))
    return sorted(mine)
