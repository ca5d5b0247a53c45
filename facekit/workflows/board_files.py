"""Boards as files: begun from an example, or made of a shot list or a screenplay."""

import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from facekit.errors import StoryboardError, UsageError
from facekit.generation.storyboard_checks import check_board
from facekit.generation.storyboard_csv import read_csv
from facekit.generation.storyboard_loading import LocatedBoard, dump_storyboard, refuse
from facekit.generation.storyboard_script import read_fountain
from facekit.media.files import ensure_new, write_text

__all__ = [
    "BOARD_SUFFIXES",
    "IMPORT_SUFFIXES",
    "ImportedBoard",
    "NewBoard",
    "import_board",
    "new_board",
]

BOARD_SUFFIXES = (".yaml", ".yml")
IMPORT_SUFFIXES = (".csv", ".tsv", ".fountain", ".spmd", ".txt")

_EXAMPLE = Path(__file__).with_name("board_example.yaml")


@dataclass(frozen=True, slots=True, kw_only=True)
class NewBoard:
    """A board that was begun."""

    path: Path

    def describe(self) -> str:
        """The file and the next step."""
        called = shlex.quote(str(self.path))
        return (
            f"{self.path}: written; name your characters in cast, then facekit board plan {called}"
        )

    def to_json(self) -> Mapping[str, object]:
        """The file."""
        return {"path": str(self.path)}


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportedBoard:
    """A board that was made of something else."""

    source: Path
    path: Path
    sequences: int
    shots: int
    cast: tuple[str, ...]

    def describe(self) -> str:
        """What came of it and the next step."""
        called = shlex.quote(str(self.path))
        return (
            f"{self.path}: written; sequences: {self.sequences}, shots: {self.shots},"
            f" cast: {', '.join(self.cast) or 'nobody'}\nnext: facekit board plan {called}"
        )

    def to_json(self) -> Mapping[str, object]:
        """The same as plain data."""
        return {
            "source": str(self.source),
            "path": str(self.path),
            "sequences": self.sequences,
            "shots": self.shots,
            "cast": list(self.cast),
        }


def new_board(path: Path, *, force: bool = False) -> NewBoard:
    """Write a commented example that validates once its cast is there.

    Raises:
        UsageError: The name does not end in .yaml or .yml.
        OutputExists: The file is there.
        OutputError: It cannot be written.
    """
    content = _EXAMPLE.read_text(encoding="utf-8")
    write_text(ensure_new(_board_path(path), force, other="FILE"), content)
    return NewBoard(path=path)


def import_board(
    source: Path, out: Path, *, seconds: float | None = None, force: bool = False
) -> ImportedBoard:
    """Make a board of a shot list (.csv, .tsv) or a screenplay in Fountain (.fountain, .txt).

    Args:
        source: The list or the script.
        out: The board to write.
        seconds: Length of every shot of a screenplay, 4 when None; a list says its own.
        force: Whether a board that is there may be replaced.

    Raises:
        UsageError: Another kind of file, or seconds for a list.
        StoryboardError: The source cannot be read, or every mistake in it, each with its line.
        PackageMissing: A screenplay, and the extra `fountain` is not installed.
        OutputExists: The board is there.
        OutputError: It cannot be written.
    """
    ensure_new(_board_path(out), force)
    kind = source.suffix.lower()
    if kind not in IMPORT_SUFFIXES:
        raise UsageError(
            f"{source}: neither a shot list nor a screenplay, expected a name ending in"
            f" {', '.join(IMPORT_SUFFIXES)}; save it as one of these"
        )
    is_list = kind in {".csv", ".tsv"}
    if is_list and seconds is not None:
        raise UsageError(
            f"--seconds {seconds:g}: {source} is a shot list, expected its own column seconds;"
            " leave --seconds away"
        )
    text = _read(source)
    project = re.sub(r"[^A-Za-z0-9_-]+", "-", source.stem).strip("-_")[:64] or "board"
    located: LocatedBoard = (
        read_csv(source, text, project)
        if is_list
        else read_fountain(source, text, project, seconds=4.0 if seconds is None else seconds)
    )
    refuse(located, [*located.mistakes, *check_board(located)])
    board = located.board
    assert board is not None
    write_text(out, f"# made of {source.name} by facekit board import\n{dump_storyboard(board)}")
    return ImportedBoard(
        source=source,
        path=out,
        sequences=len(board.sequences),
        shots=sum(len(sequence.shots) for sequence in board.sequences),
        cast=tuple(board.cast),
    )


def _board_path(path: Path) -> Path:
    if path.suffix not in BOARD_SUFFIXES:
        raise UsageError(f"{path}: expected a name ending in .yaml; add the ending")
    return path


def _read(source: Path) -> str:
    try:
        return source.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise StoryboardError(
            f"{source}: cannot be read ({error.strerror}), expected a shot list or a screenplay;"
            " check the path"
        ) from error
    except UnicodeDecodeError as error:
        raise StoryboardError(
            f"{source}: not UTF-8 text ({error.reason}), expected a shot list or a screenplay;"
            " save it as UTF-8"
        ) from error
