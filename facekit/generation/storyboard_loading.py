"""Reads and writes storyboards; all mistakes are told at once, each with its line."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from facekit.errors import StoryboardError
from facekit.generation.storyboard import (
    SCHEMA,
    ShotEntry,
    Storyboard,
)
from facekit.generation.storyboard import Sequence as Sequence_
from facekit.generation.storyboard_mistakes import explain, spoken, without
from facekit.generation.storyboard_yaml import (
    KeyPath,
    LocatedData,
    Mistake,
    read_yaml,
    write_yaml,
)

__all__ = [
    "MAX_TOLD",
    "LocatedBoard",
    "dump_storyboard",
    "parse_storyboard",
    "refuse",
    "understand",
]

MAX_TOLD = 200
"""More mistakes than this are counted and not listed."""

_MAX_ROUNDS = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class LocatedBoard:
    """A storyboard as far as it could be understood, and what is wrong with it."""

    path: Path
    board: Storyboard | None
    """Without the parts that are wrong; None where too little is left."""
    where: LocatedData
    mistakes: tuple[Mistake, ...]
    dropped: frozenset[KeyPath] = frozenset()
    """Places of the parts that were left out, so that nothing else is told of them."""

    def kept(self, path: KeyPath) -> list[KeyPath]:
        """Paths of the items of a list that were not left out, in order."""
        items = self.where.data
        for part in path:
            items = items[part]
        return [(*path, i) for i in range(len(items)) if (*path, i) not in self.dropped]

    def shots(self) -> Iterator[tuple[KeyPath, Sequence_, ShotEntry]]:
        """Every shot that was understood, in order of the cut, with its path and sequence."""
        if self.board is None:
            return
        outer = self.kept(("sequences",))
        for place, sequence in zip(outer, self.board.sequences, strict=True):
            for path, shot in zip(self.kept((*place, "shots")), sequence.shots, strict=True):
                yield path, sequence, shot

    @property
    def folder(self) -> Path:
        """Where relative paths of the board begin."""
        return self.path.parent


def parse_storyboard(path: Path) -> LocatedBoard:
    """Read a storyboard and collect its mistakes.

    What is wrong is left out and the rest looked at again, so that one mistake hides no other.

    Raises:
        StoryboardError: The file cannot be read.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise StoryboardError(
            f"{path}: cannot be read ({error.strerror}), expected a storyboard; check the path, or"
            " begin one with facekit board new"
        ) from error
    except UnicodeDecodeError as error:
        raise StoryboardError(
            f"{path}: not UTF-8 text ({error.reason}), expected a storyboard; save it as UTF-8"
        ) from error
    return understand(path, read_yaml(text))


def understand(path: Path, where: LocatedData) -> LocatedBoard:
    """Make a storyboard of plain data and collect its mistakes.

    Args:
        path: What the messages call it.
        where: The data and their lines.
    """
    mistakes = list(where.mistakes)
    data = where.data
    if not isinstance(data, dict):
        if not mistakes:
            mistakes.append(Mistake(path=(), text=f"got {data!r}, expected keys such as schema"))
        return LocatedBoard(path=path, board=None, where=where, mistakes=tuple(mistakes))
    dropped: set[KeyPath] = set()
    board = None
    for _ in range(_MAX_ROUNDS):
        try:
            board = Storyboard.model_validate(without(data, (), dropped))
            break
        except ValidationError as error:
            found = list(explain(error, data, dropped))
            mistakes += [mistake for mistake, _ in found if mistake is not None]
            gone = {path for _, path in found if path} - dropped
            if not gone or any(len(path) == 1 and path[0] in _NEEDED for path in gone):
                break
            dropped |= gone
    return LocatedBoard(
        path=path,
        board=board,
        where=where,
        mistakes=tuple(dict.fromkeys(mistakes)),
        dropped=frozenset(dropped),
    )


_NEEDED = frozenset({"schema", "project", "sequences"})


def refuse(located: LocatedBoard, mistakes: Sequence[Mistake]) -> None:
    """Raise when there are mistakes, in order of their lines.

    Raises:
        StoryboardError: Every mistake in one message, each with its line.
    """
    if not mistakes:
        return
    data = located.where.data
    told = sorted(
        {(one.line or located.where.line(one.path), spoken(one, data)) for one in mistakes}
    )
    lines = [f"  {located.path}:{line}: {text}" for line, text in told[:MAX_TOLD]]
    if len(told) > MAX_TOLD:
        lines.append(f"  and {len(told) - MAX_TOLD} more")
    count = f"{len(told)} mistake" + ("s" if len(told) > 1 else "")
    listed = "\n".join(lines)
    raise StoryboardError(
        f"{located.path}: {count}\n{listed};\n"
        "correct these lines; facekit board new writes an example of every key"
    )


def dump_storyboard(board: Storyboard) -> str:
    """Write a storyboard as YAML, without what is as by default; loading gives an equal one."""
    content = board.model_dump(mode="json", by_alias=True, exclude_defaults=True)
    first = {"schema": SCHEMA, "project": content.pop("project")}
    return write_yaml({**first, **{key: x for key, x in content.items() if key != "schema"}})
