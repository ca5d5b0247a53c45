"""Tiny pipelines that are built once: every later one is a copy of the first, made in less time.

Building one draws thousands of weights and sets up as many layers; copying takes a third of it.
"""

import copy
import io
import pickle
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from torch import Tensor, nn

from facekit.backbones import BackboneSpec

__all__ = ["remembered"]


def remembered(build: Callable[[BackboneSpec], Any]) -> Callable[[BackboneSpec], Any]:
    """The same as ``build`` for whoever calls it; no two share anything that can be changed.

    What is built only once is not prepared for copying.
    """
    built: set[str] = set()
    kept: dict[str, tuple[bytes, list[Any]]] = {}

    def tiny(spec: BackboneSpec) -> Any:
        key = repr(replace(spec, sizes={}))  # no network depends on the sizes of pictures
        if key in kept:
            return _Copy(*kept[key]).load()
        pipe = build(spec)
        if key in built:
            file = io.BytesIO()
            original = _Original(file)
            original.dump(pipe)
            kept[key] = file.getvalue(), original.apart
            return _Copy(*kept[key]).load()
        built.add(key)
        return pipe

    return tiny


class _Original(pickle.Pickler):
    def __init__(self, file: io.BytesIO) -> None:
        from transformers import PreTrainedTokenizerBase

        super().__init__(file, protocol=pickle.HIGHEST_PROTOCOL)
        self._kinds = (Tensor, PreTrainedTokenizerBase)
        self.apart: list[Any] = []
        self._places: dict[int, int] = {}

    def persistent_id(self, obj: Any) -> int | None:
        if not isinstance(obj, self._kinds):
            return None
        if id(obj) not in self._places:
            self._places[id(obj)] = len(self.apart)
            self.apart.append(obj)
        return self._places[id(obj)]


class _Copy(pickle.Unpickler):
    def __init__(self, content: bytes, apart: list[Any]) -> None:
        super().__init__(io.BytesIO(content))
        self._apart = apart
        self._made: dict[int, Any] = {}

    def persistent_load(self, pid: int) -> Any:
        if pid not in self._made:  # a weight that two layers share stays one
            self._made[pid] = _copied(self._apart[pid])
        return self._made[pid]


def _copied(part: Any) -> Any:
    if isinstance(part, nn.Parameter):
        return nn.Parameter(part.detach().clone(), part.requires_grad)
    return part.clone() if isinstance(part, Tensor) else copy.deepcopy(part)  # a tokenizer
