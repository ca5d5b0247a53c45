"""From keys to modules: which prefix, which names, and what each module consists of."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from torch import Tensor

from facekit.adapters.formats.bases import LoraBase
from facekit.adapters.formats.catalogue import (
    DEFAULT_PREFIXES,
    FORMATS,
    Part,
    split_key,
)

__all__ = ["EITHER", "Module", "Spelling", "Take", "shape_of", "take_apart"]


EITHER = "either"
"""Whose names they are when both have the same."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Spelling:
    """How a file is written."""

    prefixes: tuple[str, ...]
    naming: str
    """``diffusers``, ``original``, or either where both have the same names."""
    endings: tuple[str, ...]
    """Of ``down`` and ``up``, or those of LoKr."""

    @property
    def format(self) -> str:
        """The name of the format that is written like this; empty when none is."""
        for each in FORMATS.values():
            prefixes = {each.prefix}
            if not each.prefix and each.naming == "diffusers":
                prefixes = {"transformer.", "unet."}
                if each.pair_in_one_file:
                    prefixes |= {"transformer_2."}
                    if "transformer_2." not in self.prefixes:
                        continue
            endings = {each.down, each.up} if ".lora" in "".join(self.endings) else self.endings
            if (
                set(self.prefixes) <= prefixes
                and self.naming in (each.naming, EITHER)
                and set(self.endings) <= set(endings)
            ):
                return each.name
        return ""

    def describe(self) -> str:
        """The format's name, or what its keys look like."""
        if self.format:
            return self.format
        prefixes = " and ".join(repr(prefix) for prefix in self.prefixes)
        return f"none that has a name: prefix {prefixes}, {self.naming} names"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Module:
    """What a file holds for one layer."""

    name: str
    """As in the file, with its prefix."""
    paths: tuple[str, ...]
    """In diffusers; several for a layer that the original fuses."""
    prefix: str
    parts: Mapping[Part, Tensor]
    keys: Mapping[Part, str]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Take:
    """A file taken apart."""

    modules: tuple[Module, ...]
    spelling: Spelling
    unexpected: tuple[str, ...]
    """Keys that are no part of a LoRA on this base."""


def take_apart(tensors: Mapping[str, Tensor], base: LoraBase) -> Take:
    """Find the layer of every key, by looking names up in the list of the base's own layers."""
    grouped: dict[str, dict[Part, str]] = defaultdict(dict)
    endings: set[str] = set()
    unexpected: list[str] = []
    for key in tensors:
        split = split_key(key)
        if split is None or split[2] in grouped[split[0]]:
            unexpected.append(key)
            continue
        name, ending, part = split
        grouped[name][part] = key
        if part not in ("alpha", "magnitude"):
            endings.add(ending)
    naming = _naming(grouped, base)
    modules = []
    prefixes: Counter[str] = Counter()
    for name, keys in grouped.items():
        found = _find(name, base, naming)
        if found is None:
            unexpected += keys.values()
            continue
        prefix, paths = found
        prefixes[prefix] += 1
        parts = {part: tensors[key] for part, key in keys.items()}
        modules.append(Module(name=name, paths=paths, prefix=prefix, parts=parts, keys=keys))
    spelling = Spelling(
        prefixes=tuple(sorted(prefixes)), naming=naming, endings=tuple(sorted(endings))
    )
    return Take(modules=tuple(modules), spelling=spelling, unexpected=tuple(sorted(unexpected)))


def shape_of(module: Module) -> tuple[int, int] | None:
    """(out, in) as far as the file tells; None for a module that is not whole."""
    parts = module.parts
    if "down" in parts and "up" in parts and parts["down"].ndim > 1:
        return int(parts["up"].shape[0]), parts["down"][0].numel()
    left, right = (
        (parts.get("w1", parts.get("w1_a")), parts.get("w1", parts.get("w1_b"))),
        (parts.get("w2", parts.get("w2_a")), parts.get("w2", parts.get("w2_b"))),
    )
    if any(each is None or each.ndim != 2 for each in (*left, *right)):
        return None
    (a, b), (c, d) = left, right
    assert a is not None
    assert b is not None
    assert c is not None
    assert d is not None
    return int(a.shape[0] * c.shape[0]), int(b.shape[1] * d.shape[1])


def _naming(names: Iterable[str], base: LoraBase) -> str:
    """Whose names they are: decided for the whole file, for some names mean different layers."""
    counts = {
        naming: sum(_find(name, base, naming) is not None for name in names)
        for naming in ("diffusers", "original")
    }
    if counts["original"] == counts["diffusers"]:
        return EITHER
    return "original" if counts["original"] > counts["diffusers"] else "diffusers"


def _find(name: str, base: LoraBase, naming: str) -> tuple[str, tuple[str, ...]] | None:
    for prefix in DEFAULT_PREFIXES:
        if not name.startswith(prefix):
            continue
        paths = _look_up(name.removeprefix(prefix), base, naming, flat=prefix.endswith("_"))
        if paths:
            return prefix, paths
    return None


def _look_up(name: str, base: LoraBase, naming: str, *, flat: bool) -> tuple[str, ...]:
    names = base.names
    if naming == "original":
        original = names.flat_originals.get(name, "") if flat else name
        return names.originals.get(original, ())
    path = names.flat_paths.get(name, "") if flat else name
    return (path,) if path in names.paths else ()
