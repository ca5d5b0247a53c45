"""Puts what pydantic finds wrong with a storyboard into words, with the place in the file."""

import difflib
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, get_args

from pydantic import BaseModel, ValidationError

from facekit.generation.storyboard import CAST_NAME_PATTERN, Storyboard, full_name
from facekit.generation.storyboard_parts import FILE_NAME_PATTERN, TIMECODE_PATTERN
from facekit.generation.storyboard_yaml import KeyPath, Mistake
from facekit.terms import SPELLINGS

__all__ = ["explain", "nearest", "spoken", "without"]


def nearest(word: str, known: Sequence[str]) -> str:
    """Write ` (did you mean 'x'?)`, or nothing where no known word is near."""
    near = difflib.get_close_matches(word, known, n=1)
    return f" (did you mean {near[0]!r}?)" if near else ""


def spoken(mistake: Mistake, data: Any) -> str:
    """Write a mistake with its place: shots by their ids, keys below them."""
    where = ".".join(str(part) for part in _named(mistake.path, data))
    return f"{where}: {mistake.text}" if where else mistake.text


def _named(path: KeyPath, data: Any) -> KeyPath:
    """A path with sequences and shots called by their ids, where they have one."""
    if len(path) < 2 or path[0] != "sequences":
        return path
    sequence = data["sequences"][path[1]]
    called = sequence.get("id") if isinstance(sequence, dict) else None
    if not isinstance(called, str):
        return path
    if len(path) < 4 or path[2] != "shots":
        return (called, *path[2:])
    shot = sequence["shots"][path[3]]
    own = shot.get("id") if isinstance(shot, dict) else None
    return (full_name(called, str(path[3]) if own is None else str(own)), *path[4:])


def without(data: Any, path: KeyPath, dropped: set[KeyPath]) -> Any:
    """The data without some of its parts; items of lists that are left out leave no gap."""
    if isinstance(data, dict):
        kept = {key: value for key, value in data.items() if (*path, key) not in dropped}
        return {key: without(value, (*path, key), dropped) for key, value in kept.items()}
    if isinstance(data, list):
        return [
            without(value, (*path, index), dropped)
            for index, value in enumerate(data)
            if (*path, index) not in dropped
        ]
    return data


def explain(
    error: ValidationError, data: Any, dropped: set[KeyPath]
) -> Iterator[tuple[Mistake | None, KeyPath]]:
    """Each mistake, and the path of what to leave out because of it.

    No mistake where the only reason is what was left out before.
    """
    by_path: dict[KeyPath, list[Mapping[str, Any]]] = {}
    for item in error.errors(include_url=False):
        loc = item["loc"][:-1] if item["type"] == "missing" else item["loc"]
        path = _restored(loc, data, dropped)
        by_path.setdefault(path, []).append(dict(item))
    for path, items in by_path.items():
        first = items[0]
        key, kind = str(first["loc"][-1]), first["type"]
        gone = _droppable(path, data)
        if kind == "missing":
            is_new = (*path, key) not in dropped
            text = f"{key}: missing, expected {_meaning(path, key)}"
            yield (Mistake(path=path, text=text) if is_new else None), gone
        elif any(other != path and other[: len(path)] == path for other in by_path):
            continue  # another alternative of the same value tells more
        elif kind == "too_short" and any(one[: len(path)] == path for one in dropped):
            yield None, gone[:-1] or gone
        elif kind == "extra_forbidden":
            known = _keys_at(path[:-1])
            listed = f", expected some of {', '.join(known)}" if known else ""
            near = nearest(key, known) or _elsewhere(key) or listed
            yield Mistake(path=path, text=f"unknown key{near}"), path
        else:
            expected = dict.fromkeys(_expectation(item) for item in items)
            near = _nearest_value(items)
            text = f"got {_short(first['input'])}{near}, expected {' or '.join(expected)}"
            yield Mistake(path=path, text=text), gone


def _droppable(path: KeyPath, data: Any) -> KeyPath:
    """The smallest part around a path that can be left out by itself: a key, or a named item."""
    while path and isinstance(path[-1], int):
        item = data
        for part in path:
            item = item[part]
        if isinstance(item, dict):
            break
        path = path[:-1]
    return path


def _nearest_value(items: Sequence[Mapping[str, Any]]) -> str:
    """Name the word that was meant, where a value is one of a few words."""
    word = items[0]["input"]
    listed = [str(item["ctx"]["expected"]) for item in items if item["type"] == "literal_error"]
    known = re.findall(r"'([^']*)'", " ".join(listed))
    if not isinstance(word, str) or not word or len(known) < 2:
        return ""
    by_small = {one.lower(): one for one in known}
    found = by_small.get(word.lower())
    return f" (did you mean {found!r}?)" if found else nearest(word, known)


def _short(value: object) -> str:
    if value is None:
        return "nothing"
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _expectation(item: Mapping[str, Any]) -> str:
    if item["type"] == "string_pattern_mismatch":
        return _PATTERNS.get(item["ctx"]["pattern"], f"text like {item['ctx']['pattern']}")
    if item["type"] == "too_short":
        return f"at least {item['ctx']['min_length']}"
    message = str(item["msg"]).removeprefix("Value error, ").removeprefix("Input should be ")
    message = message.partition(", unable to parse")[0]
    return message.replace("a valid tuple", "a list").replace("Tuple should have", "a list of")


_PATTERNS = {
    FILE_NAME_PATTERN: "letters, digits, hyphens and underscores",
    CAST_NAME_PATTERN: "a letter, then letters, digits, hyphens and underscores",
    TIMECODE_PATTERN: "hours, minutes, seconds and frames as 01:00:00:00",
    **SPELLINGS,
}


def _restored(loc: tuple[int | str, ...], data: Any, dropped: set[KeyPath]) -> KeyPath:
    """The path in the file: without names of alternatives, and with what was left out counted."""
    path: KeyPath = ()
    for part in loc:
        if isinstance(data, dict) and part in data:
            path, data = (*path, part), data[part]
        elif isinstance(data, list) and isinstance(part, int):
            kept = [index for index in range(len(data)) if (*path, index) not in dropped]
            if part >= len(kept):
                break
            path, data = (*path, kept[part]), data[kept[part]]
    return path


def _model_at(path: Sequence[str | int]) -> type[BaseModel] | None:
    """The model that describes what stands at a path."""
    model: type[BaseModel] = Storyboard
    inside_names = False
    for part in path:
        if isinstance(part, int) or inside_names:
            inside_names = False
            continue
        by_alias = {(info.alias or name): info for name, info in model.model_fields.items()}
        info = by_alias.get(part)
        if info is None:
            return None
        models = [kind for kind in _unfolded(info.annotation) if issubclass(kind, BaseModel)]
        if not models:
            return None
        inside_names = part == "cast"
        model = models[0]
    return model


def _unfolded(annotation: Any) -> Iterator[type]:
    if isinstance(annotation, type) and not get_args(annotation):
        yield annotation
    for inside in get_args(annotation):
        yield from _unfolded(inside)


def _keys_at(path: Sequence[str | int]) -> list[str]:
    model = _model_at(path)
    if model is None:
        return []
    return [info.alias or name for name, info in model.model_fields.items()]


def _meaning(path: KeyPath, key: str) -> str:
    model = _model_at(path)
    fields = {} if model is None else {x.alias or n: x for n, x in model.model_fields.items()}
    described = fields[key].description if key in fields else None
    return "one" + (f" ({described.partition('.')[0]})" if described else "")


def _elsewhere(key: str) -> str:
    """Name the sections that have a key of exactly this name."""
    found = [section for section in Storyboard.model_fields if key in _keys_at([section])]
    shots = ("sequences", 0, "shots", 0)
    found += ["a shot"] if key in _keys_at(shots) else []
    return f" (did you mean that of {' or '.join(found)}?)" if found else ""
