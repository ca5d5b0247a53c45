"""YAML as plain data, with the line of every key; nothing in it can become code.

YAML 1.2: `16:9` and `no` are text, `1e-3` is a number, `010` is ten. YAML 1.1, which PyYAML reads
otherwise, makes 969, false, text and eight of them.
"""

import re
from dataclasses import dataclass
from typing import Any, TypeAlias

import yaml
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

__all__ = ["KeyPath", "LocatedData", "Mistake", "read_yaml", "write_yaml"]

KeyPath: TypeAlias = tuple[str | int, ...]
"""Keys and places in lists, from the outermost on."""

_MAX_NODES = 100_000
"""More than any board has; an alias that doubles itself thirty times has more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mistake:
    """Something wrong, and where."""

    path: KeyPath
    text: str
    """What, got, expected."""
    line: int | None = None
    """Counted from 1; that of the path when None."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LocatedData:
    """Plain data and where it stands."""

    data: Any
    lines: dict[KeyPath, int]
    """Path to the line of its key, or of the item of a list, counted from 1."""
    mistakes: tuple[Mistake, ...] = ()
    """What the text itself does wrong: damaged YAML, a key said twice."""

    def line(self, path: KeyPath) -> int:
        """The line of a path, or of the nearest thing around it that stands in the file."""
        while path and path not in self.lines:
            path = path[:-1]
        return self.lines.get(path, 1)


class _Loader(yaml.SafeLoader):
    """YAML 1.2's core rules for what is a number, a truth value or nothing."""


class _Dumper(yaml.SafeDumper):
    """Quotes what either version of YAML would take for something else than text."""


_Loader.yaml_implicit_resolvers = {}
for _tag, _pattern, _first in (
    ("bool", r"true|True|TRUE|false|False|FALSE", "tTfF"),
    ("int", r"[-+]?[0-9]+", "-+0123456789"),
    ("float", r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?", "-+.0123456789"),
    ("null", r"~|null|Null|NULL|", "~nN\0"),
):
    for _kind in (_Loader, _Dumper):
        _kind.add_implicit_resolver(
            f"tag:yaml.org,2002:{_tag}",
            re.compile(rf"^(?:{_pattern})$"),
            [letter if letter != "\0" else "" for letter in _first],
        )


def read_yaml(text: str) -> LocatedData:
    """Read one YAML document.

    Returns:
        Data of None where it is damaged; the mistakes say why.
    """
    reader = _Reader()
    try:
        root = yaml.compose(text, Loader=_Loader)
        data = None if root is None else reader.value(root, (), ())
    except (yaml.YAMLError, _NotPlain, RecursionError) as error:
        return LocatedData(data=None, lines={}, mistakes=(_damaged(error),))
    return LocatedData(data=data, lines=reader.lines, mistakes=tuple(reader.mistakes))


def write_yaml(data: object) -> str:
    """Write plain data so that `read_yaml` gives it back, keys in their order."""
    text: str = yaml.dump(data, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=100)
    return text


_REFUSED_LETTERS = {
    "\\t": "a line begins with a tab, expected spaces",
    "@": 'text begins with @, expected quotes around it, as in action: "@mira talking"',
}
"""What YAML alone would call a token, in the words of who wrote the line."""


class _NotPlain(Exception):
    """Something in the text is no plain data."""

    def __init__(self, node: Node, text: str) -> None:
        super().__init__(text)
        self.line = node.start_mark.line + 1


class _Reader:
    def __init__(self) -> None:
        self._count = 0
        self.lines: dict[KeyPath, int] = {}
        self.mistakes: list[Mistake] = []

    def value(self, node: Node, path: KeyPath, above: tuple[int, ...]) -> Any:
        """Plain data of a node; `above` are the nodes that it stands in."""
        self._count += 1
        if id(node) in above or self._count > _MAX_NODES:
            raise _NotPlain(node, "an alias that holds itself, expected plain data")
        self.lines.setdefault(path, node.start_mark.line + 1)
        if isinstance(node, ScalarNode):
            return self._scalar(node)
        if node.tag.rpartition(":")[2] not in {"seq", "map"}:
            raise _NotPlain(node, f"tag {node.tag}, expected plain data")
        inside = (*above, id(node))
        if isinstance(node, SequenceNode):
            return [
                self.value(item, (*path, index), inside) for index, item in enumerate(node.value)
            ]
        assert isinstance(node, MappingNode)
        found: dict[str, Any] = {}
        for key_node, value_node in node.value:
            key = key_node.value if isinstance(key_node, ScalarNode) else None
            if key is None or key == "<<":
                raise _NotPlain(key_node, f"key {key or 'of several parts'}, expected a word")
            line = key_node.start_mark.line + 1
            if key in found:
                text = f"{key}: said twice, first in line {self.lines[*path, key]}, expected once"
                self.mistakes.append(Mistake(path=(*path, key), text=text, line=line))
                continue
            self.lines[*path, key] = line
            found[key] = self.value(value_node, (*path, key), inside)
        return found

    def _scalar(self, node: ScalarNode) -> Any:
        kind = node.tag.rpartition(":")[2]
        if kind == "int":
            return int(node.value, 10)
        if kind == "float":
            return float(node.value)
        if kind == "bool":
            return node.value.lower() == "true"
        if kind == "null":
            return None
        if kind == "str":
            return node.value
        raise _NotPlain(node, f"tag {node.tag}, expected plain data")


def _damaged(error: Exception) -> Mistake:
    if isinstance(error, _NotPlain):
        return Mistake(path=(), text=str(error), line=error.line)
    mark = getattr(error, "problem_mark", None)
    said = getattr(error, "problem", None) or str(error).partition("\n")[0]
    line = 1 if mark is None else mark.line + 1
    letter = re.fullmatch(r"found character '(.+)' that cannot start any token", said)
    if letter is not None and (text := _REFUSED_LETTERS.get(letter[1])) is not None:
        return Mistake(path=(), text=text, line=line)
    return Mistake(path=(), text=f"not YAML ({said}), expected a storyboard", line=line)
