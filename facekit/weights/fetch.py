"""Brings weights into the store: downloads that can be broken off, archives, and files at hand.

Nothing is fetched but on request. A download grows under a ``.part`` name beside its goal, and a
second attempt goes on where the first one stopped; what is whole is compared with the catalogue and
only then takes its place, all files of an entry at once.
"""

import errno
import shutil
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import IO, BinaryIO

from facekit.errors import ChecksumMismatch, OutputError, WeightsMissing
from facekit.weights.catalogue import CatalogueEntry, CatalogueFile, megabytes
from facekit.weights.download import PAUSES_S, Advance, download_file, part_size
from facekit.weights.manifest import file_digest
from facekit.weights.store import check_file, find_weights, store_dirs

__all__ = ["add_weights", "fetch_weights", "part_path"]

_CHUNK_BYTES = 1 << 20
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


def part_path(entry: CatalogueEntry, file: CatalogueFile, folder: Path) -> Path:
    """Where a download grows."""
    return folder / f"{entry.name}-{file.name}.part"


def fetch_weights(
    entry: CatalogueEntry, advance: Advance, *, pauses_s: tuple[float, ...] = PAUSES_S
) -> tuple[Path, ...]:
    """Download weights into the first folder of the store; run again, it goes on.

    Args:
        entry: From the catalogue.
        advance: Told of every piece that was written.
        pauses_s: Seconds to wait before each attempt after one that brought nothing.

    Returns:
        The files, as `find_weights` finds them from now on.

    Raises:
        DownloadFailed: No network, the server refuses, or the connection kept breaking.
        ChecksumMismatch: What came is not what the catalogue says; it is thrown away.
        OutputError: No space or no permission.
    """
    folder = store_dirs()[0]
    with _refusals_told(folder):
        folder.mkdir(parents=True, exist_ok=True)
        _require_space(entry, folder)
        for file in entry.downloads:
            part = part_path(entry, file, folder)
            download_file(file, part, advance, pauses_s)
            _check(part, file)
        with _fresh_folder(folder, entry.name) as fresh:
            if entry.archive is None:
                for file in entry.files:
                    part_path(entry, file, folder).rename(fresh / file.name)
            else:
                part = part_path(entry, entry.archive, folder)
                _unpack(part, entry, fresh)
                part.unlink()
    return _installed(entry, folder)


def add_weights(entry: CatalogueEntry, path: Path) -> tuple[Path, ...]:
    """Copy weights that are at hand into the first folder of the store, once they are verified.

    Args:
        entry: From the catalogue.
        path: The file, the archive, or a folder with the files.

    Raises:
        WeightsMissing: There is nothing of that kind at the path.
        ChecksumMismatch: A file is not the recorded one.
        OutputError: No space or no permission.
    """
    folder = store_dirs()[0]
    wanted = "give " + " and ".join(file.name for file in entry.files)
    with _refusals_told(folder):
        folder.mkdir(parents=True, exist_ok=True)
        with _fresh_folder(folder, entry.name) as fresh:
            if path.is_dir():
                for file in entry.files:
                    places = [path / file.name, path / entry.name / file.name]
                    source = next((place for place in places if place.is_file()), places[0])
                    _copy(source, file, fresh, wanted)
            elif entry.archive is not None and path.suffix == ".zip":
                check_file(path, entry.archive, f"{wanted}, or {entry.archive.name} as published")
                _unpack(path, entry, fresh)
            elif len(entry.files) == 1:
                _copy(path, entry.files[0], fresh, wanted)
            else:
                raise WeightsMissing(
                    f"{path}: one file, expected the {len(entry.files)} of {entry.name};"
                    " give the folder that holds them, or their archive"
                )
    return _installed(entry, folder)


def _check(part: Path, file: CatalogueFile) -> None:
    got, num_bytes = file_digest(part), part_size(part)
    if got == file.sha256 and num_bytes == file.num_bytes:
        return
    part.unlink()
    raise ChecksumMismatch(
        f"{file.url}: sha256 {got[:12]} ({num_bytes} bytes), expected {file.sha256[:12]}"
        f" ({file.num_bytes} bytes), so it was thrown away; run the same command again, and report"
        " it when it happens twice"
    )


def _unpack(archive: Path, entry: CatalogueEntry, fresh: Path) -> None:
    """Take the recorded members out of a zip, and nothing else.

    Names inside the archive decide nothing: a member is written under its recorded name, and no
    more bytes of it than were recorded.
    """
    try:
        with zipfile.ZipFile(archive) as content:
            for file in entry.files:
                members = [
                    info
                    for info in content.infolist()
                    if PurePosixPath(info.filename).name == file.name
                ]
                if [info.file_size for info in members] != [file.num_bytes]:
                    sizes = ", ".join(str(info.file_size) for info in members) or "none"
                    raise ChecksumMismatch(
                        f"{archive.name}: members {file.name} of {sizes} bytes, expected one of"
                        f" {file.num_bytes}; fetch {entry.name} again"
                    )
                with content.open(members[0]) as source, (fresh / file.name).open("wb") as goal:
                    _copy_stream(source, goal, file.num_bytes)
                check_file(fresh / file.name, file, f"fetch {entry.name} again")
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError) as error:
        raise ChecksumMismatch(
            f"{archive.name}: not a zip that can be read ({error}); fetch {entry.name} again"
        ) from error


def _copy_stream(source: IO[bytes], goal: BinaryIO, num_bytes: int) -> None:
    while num_bytes > 0 and (piece := source.read(min(_CHUNK_BYTES, num_bytes))):
        goal.write(piece)
        num_bytes -= len(piece)


def _copy(source: Path, file: CatalogueFile, fresh: Path, next_step: str) -> None:
    if not source.is_file():
        raise WeightsMissing(f"{source}: no such file; {next_step}")
    check_file(source, file, next_step)
    shutil.copyfile(source, fresh / file.name)


def _installed(entry: CatalogueEntry, folder: Path) -> tuple[Path, ...]:
    return find_weights(entry) or tuple(folder / entry.name / f.name for f in entry.files)


def _require_space(entry: CatalogueEntry, folder: Path) -> None:
    needed = entry.num_bytes + (sum(f.num_bytes for f in entry.files) if entry.archive else 0)
    needed -= sum(part_size(part_path(entry, file, folder)) for file in entry.downloads)
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise OutputError(
            f"{folder}: {megabytes(free)} free, {entry.name} needs {megabytes(needed)};"
            " free some space or set FACEKIT_WEIGHTS to another folder"
        )


@contextmanager
def _fresh_folder(folder: Path, name: str) -> Iterator[Path]:
    """Give an empty folder that takes the place of ``folder / name`` when the block is through."""
    fresh, goal, old = folder / f".{name}.new", folder / name, folder / f".{name}.old"
    shutil.rmtree(fresh, ignore_errors=True)
    if old.exists() and not goal.exists():  # killed between two renames
        old.rename(goal)
    fresh.mkdir(parents=True)
    try:
        yield fresh
        shutil.rmtree(old, ignore_errors=True)
        if goal.exists():
            goal.rename(old)
        fresh.rename(goal)
        shutil.rmtree(old, ignore_errors=True)
    finally:
        shutil.rmtree(fresh, ignore_errors=True)


@contextmanager
def _refusals_told(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno in _FULL:
            raise OutputError(
                f"{folder}: no space left on the disk, what is fetched so far is kept; free some"
                " space and run the same command again, or set FACEKIT_WEIGHTS to another folder"
            ) from error
        raise OutputError(
            f"{error.filename or folder}: not written ({error.strerror or error}); set"
            " FACEKIT_WEIGHTS to a folder you may write to"
        ) from error
