"""The folders where fetched weights lie: never inside the installed package."""

import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from facekit.errors import ChecksumMismatch, UsageError, WeightsMissing
from facekit.weights.catalogue import CatalogueEntry, CatalogueFile, catalogue_entry
from facekit.weights.manifest import known_digest

__all__ = [
    "WEIGHTS_VARIABLE",
    "are_present",
    "check_file",
    "find_weights",
    "locate",
    "search_first",
    "searched_first",
    "store_dirs",
]

WEIGHTS_VARIABLE = "FACEKIT_WEIGHTS"
"""One or several folders; the first one is where fetched weights go."""


_first: list[Path] = []


def search_first(places: Sequence[Path]) -> None:
    """Look in these files and folders before those of the variable, until the next call.

    Args:
        places: Folders as in `FACEKIT_WEIGHTS`, or single files, which are told by their content;
            none takes back what was said before.

    Raises:
        UsageError: There is nothing at a place.
    """
    for place in places:
        if not place.expanduser().exists():
            raise UsageError(
                f"{place}: no such file or folder, expected one with weights; correct the path"
            )
    _first[:] = [place.expanduser() for place in places]


def searched_first() -> tuple[Path, ...]:
    """What `search_first` was given last, for processes that are to look in the same places."""
    return tuple(_first)


def store_dirs() -> tuple[Path, ...]:
    """List the folders that are searched, in order; they need not exist.

    `FACEKIT_WEIGHTS` names them, separated as PATH is; without it there is one, in the user's own
    cache folder.
    """
    given = os.environ.get(WEIGHTS_VARIABLE, "")
    folders = tuple(Path(part).expanduser() for part in given.split(os.pathsep) if part.strip())
    return folders or (_user_cache_dir() / "facekit" / "weights",)


def locate(name: str) -> tuple[Path, ...]:
    """Find weights and compare them with the catalogue; never fetches.

    Args:
        name: As in the catalogue.

    Returns:
        One path per file of the entry, in the catalogue's order.

    Raises:
        UsageError: The name is unknown.
        WeightsMissing: They are in none of the folders; the message names the command.
        ChecksumMismatch: A file is not the recorded one.
    """
    entry = catalogue_entry(name)
    found = find_weights(entry)
    if found is None:
        raise WeightsMissing(
            f"{name}: its weights are not in {_listed((*_first, *store_dirs()))}, expected"
            f" {', '.join(file.name for file in entry.files)}; run facekit weights fetch {name}, or"
            f" name the folder that holds them with --weights or {WEIGHTS_VARIABLE}"
        )
    for file, path in zip(entry.files, found, strict=True):
        check_file(path, file, f"run facekit weights fetch {name}")
    return found


def find_weights(entry: CatalogueEntry) -> tuple[Path, ...] | None:
    """Find all files of an entry in one folder, by name alone; None where there is no such folder.

    They lie in a subfolder of the entry's name, as fetched ones do, or in the folder itself. Of
    what `search_first` was given, a single file stands for the entry that has nothing but it.
    """
    for place in (*_first, *store_dirs()):
        if place.is_file():
            if len(entry.files) == 1 and _is_named_so(place, entry.files[0]):
                return (place,)
            continue
        for paths in _paths_below(place, entry):
            if all(path.is_file() for path in paths):
                return paths
    return None


def _paths_below(folder: Path, entry: CatalogueEntry) -> Iterator[tuple[Path, ...]]:
    for place in (folder / entry.name, folder):
        yield tuple(place / file.name for file in entry.files)


def _is_named_so(path: Path, file: CatalogueFile) -> bool:
    """Whether it has the file's name or, under another name, its content."""
    if path.name == file.name:
        return True
    return path.stat().st_size == file.num_bytes and known_digest(path) == file.sha256


def are_present(name: str) -> bool:
    """Tell whether weights are there, without reading them."""
    return find_weights(catalogue_entry(name)) is not None


def check_file(path: Path, file: CatalogueFile, next_step: str) -> None:
    """Compare one file with the catalogue; it is read again only when its size or time changed.

    Raises:
        WeightsMissing: There is no such file.
        ChecksumMismatch: It is another one; ``next_step`` says what to do.
    """
    got = known_digest(path)
    if got != file.sha256:
        raise ChecksumMismatch(
            f"{path}: sha256 {got[:12]} ({path.stat().st_size} bytes), expected"
            f" {file.sha256[:12]} ({file.num_bytes} bytes); {next_step}"
        )


def _listed(folders: tuple[Path, ...]) -> str:
    return " or ".join(str(folder) for folder in folders)


def _user_cache_dir() -> Path:
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
