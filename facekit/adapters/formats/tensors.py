"""Reading a LoRA's file as it is: tensors, header, and the config that may lie beside it."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from torch import Tensor

from facekit.adapters.character_file import ADAPTER_FILE
from facekit.errors import AdapterDamaged, AdapterError

__all__ = ["PEFT_CONFIG", "PEFT_WEIGHTS", "RawFile", "read_raw"]

PEFT_CONFIG = "adapter_config.json"
PEFT_WEIGHTS = "adapter_model.safetensors"

_PICKLES = frozenset({".bin", ".pt", ".pth", ".ckpt", ".pkl", ".pickle"})
_PICKLE_STARTS = (b"PK\x03\x04", b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05")
"""A zip, which torch.save writes, and the beginning of a bare pickle."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class RawFile:
    """What stands in a file, and what lies beside it."""

    path: Path
    tensors: Mapping[str, Tensor]
    header: Mapping[str, str]
    config: Mapping[str, Any] | None
    """adapter_config.json of the same folder; None without one."""


def read_raw(path: Path | str) -> RawFile:
    """Read a safetensors file, or the one in the folder of a PEFT adapter or of a character.

    Raises:
        AdapterError: A pickle, whatever it is called; it could run code.
        AdapterDamaged: No such file, truncated, no safetensors, or a config that is no JSON.
    """
    path = Path(path)
    if path.is_dir():
        path = path / (ADAPTER_FILE if (path / ADAPTER_FILE).is_file() else PEFT_WEIGHTS)
    if path.suffix.lower() in _PICKLES:
        raise _pickle(path)
    if not path.is_file():
        raise AdapterDamaged(
            f"{path}: no such file, expected a LoRA as safetensors; check the spelling of the path"
        )
    try:
        with path.open("rb") as stream:
            start = stream.read(9)
        # Eight bytes of length come first in safetensors; some lengths look like a pickle.
        if start.startswith(_PICKLE_STARTS) and start[8:] != b"{":
            raise _pickle(path)
        with safe_open(path, framework="pt", device="cpu") as file:
            header = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError, ValueError) as error:
        raise AdapterDamaged(
            f"{path}: cannot be read as safetensors ({error}), expected a whole file; fetch or"
            " train it again"
        ) from error
    return RawFile(path=path, tensors=tensors, header=header, config=_read_config(path))


def _read_config(path: Path) -> Mapping[str, Any] | None:
    place = path.with_name(PEFT_CONFIG)
    if not place.is_file():
        return None
    try:
        config = json.loads(place.read_text(encoding="utf-8"))
    except ValueError as error:
        raise AdapterDamaged(
            f"{place}: is not JSON ({error}), expected what PEFT writes; fetch the adapter again"
        ) from error
    if not isinstance(config, dict):
        raise AdapterDamaged(
            f"{place}: holds {type(config).__name__}, expected an object; fetch the adapter again"
        )
    return config


def _pickle(path: Path) -> AdapterError:
    return AdapterError(
        f"{path}: is a pickle, which can run any code when it is opened, expected safetensors;"
        " get the LoRA as .safetensors from where it comes"
    )
