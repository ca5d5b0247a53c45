"""Digests of plain data and of tensors: what a run, a take or a checkpoint is told apart by.

Files have theirs in `facekit.weights`, pictures in `facekit.media.images`.
"""

import hashlib
import json
from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["json_digest", "tensors_digest"]


def json_digest(content: object) -> str:
    """Return the sha256 (hex) of plain data; the order of keys does not matter.

    Raises:
        TypeError: Something in it is not plain data.
    """
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def tensors_digest(tensors: "Mapping[str, Tensor]") -> str:
    """Return the sha256 (hex) of tensors by name: names, types, shapes and bits, on any device."""
    import torch

    total = hashlib.sha256()
    for name in sorted(tensors):
        tensor = tensors[name].detach().cpu().contiguous()
        total.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
        total.update(tensor.reshape(-1).view(torch.uint8).numpy().tobytes())
    return total.hexdigest()
