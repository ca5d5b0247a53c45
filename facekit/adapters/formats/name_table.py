"""How one family of models is spelled outside diffusers: templates, matched against its modules.

In a template ``#`` stands for a number and ``**`` for any rest; each is put back in order.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache

__all__ = ["NameTable", "Names", "make_names"]


@dataclass(frozen=True, slots=True, kw_only=True)
class NameTable:
    """The names of one family, as data."""

    family: str
    component: str = "transformer"
    """What diffusers' files begin with."""
    renames: tuple[tuple[str, str], ...] = ()
    """Template of a diffusers path, and of the original's; the first that fits counts."""
    fused: tuple[tuple[tuple[str, ...], str], ...] = ()
    """Templates of diffusers paths whose outputs, in this order, are those of one original
    layer."""
    refused: Mapping[str, str] = field(default_factory=dict, hash=False)
    """Format to why it is not written for this family."""
    typical: str
    """A regular expression that one module name at least of a file of this family matches."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Names:
    """The names of one model, both ways."""

    paths: frozenset[str]
    """All module paths of the diffusers model."""
    originals: Mapping[str, tuple[str, ...]]
    """Original name to the diffusers paths whose outputs it holds, in order."""
    flat_originals: Mapping[str, str]
    """Original name with ``_`` for every dot, to the original name."""
    flat_paths: Mapping[str, str]
    """The same for diffusers paths."""
    original_of: Mapping[str, str]
    """Diffusers path to its original name; paths without one are not in it."""


def make_names(table: NameTable, paths: Iterable[str]) -> Names:
    """Spell the modules of a model.

    Raises:
        ValueError: Two modules would have one name, so that the table is wrong.
    """
    known = tuple(paths)
    here = frozenset(known)
    originals: dict[str, tuple[str, ...]] = {}
    original_of: dict[str, str] = {}
    for templates, original in table.fused:
        for path in known:
            found = _match(templates[0], path)
            if found is None:
                continue
            parts = tuple(_fill(template, found) for template in templates)
            if set(parts) <= here:
                name = _fill(original, found)
                _put(originals, name, parts)
                original_of |= dict.fromkeys(parts, name)
    for path in known:
        if path in original_of:
            continue
        for template, original in table.renames:
            found = _match(template, path)
            if found is not None:
                name = _fill(original, found)
                _put(originals, name, (path,))
                original_of[path] = name
                break
    return Names(
        paths=here,
        originals=originals,
        flat_originals=_flatten(originals),
        flat_paths=_flatten(known),
        original_of=original_of,
    )


def _put(originals: dict[str, tuple[str, ...]], name: str, parts: tuple[str, ...]) -> None:
    if name in originals:
        raise ValueError(f"{name} stands for {originals[name]} and {parts}; correct the table")
    originals[name] = parts


def _flatten(names: Iterable[str]) -> dict[str, str]:
    flat: dict[str, str] = {}
    for name in names:
        short = name.replace(".", "_")
        if short in flat:
            raise ValueError(f"{short} stands for {flat[short]} and {name}; correct the table")
        flat[short] = name
    return flat


@lru_cache(maxsize=512)
def _pattern(template: str) -> re.Pattern[str]:
    text = re.escape(template).replace(r"\#", r"(\d+)").replace(r"\*\*", "(.*)")
    return re.compile(text)


def _match(template: str, path: str) -> tuple[str, ...] | None:
    found = _pattern(template).fullmatch(path)
    return None if found is None else found.groups()


def _fill(template: str, found: tuple[str, ...]) -> str:
    values = iter(found)
    return re.sub(r"#|\*\*", lambda _: next(values), template)
