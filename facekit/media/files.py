"""How a result is written whole or not at all."""

import errno
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from facekit.errors import OutputError, OutputExists

__all__ = [
    "append_line",
    "atomic_write",
    "ensure_new",
    "ensure_out_dir",
    "full_path",
    "remove_file",
    "replace_folder",
    "restore_folder",
    "write_bytes",
    "write_text",
]

_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
_FORBIDDEN = frozenset({errno.EACCES, errno.EPERM, errno.EROFS})


def ensure_new(path: Path | str, force: bool = False, *, other: str = "--out") -> Path:
    """Make sure that writing here destroys nothing.

    Args:
        path: A file or a folder; an empty folder counts as new.
        force: The user allows replacing what is there.
        other: What the user changes to write elsewhere.

    Returns:
        The same path.

    Raises:
        OutputExists: Something is there and ``force`` is false.
    """
    path = Path(path)
    if force or not path.exists():
        return path
    if path.is_dir():
        if not any(path.iterdir()):
            return path
        what = "the folder exists and is not empty"
    else:
        what = "the file exists"
    raise OutputExists(f"{path}: {what}; choose another {other} or add --force to replace it")


def ensure_out_dir(path: Path | str) -> Path:
    """Create a folder for results and prove that it can be written to.

    Called before long work starts, so that a missing permission costs seconds, not minutes.

    Raises:
        OutputError: It cannot be created or written to.
    """
    path = Path(path)
    probe = path / f".facekit-{secrets.token_hex(4)}"
    try:
        path.mkdir(parents=True, exist_ok=True)
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise _output_error(path, error) from error
    return path


@contextmanager
def atomic_write(path: Path | str, *, lasting: bool = True) -> Iterator[Path]:
    """Give a temporary name beside ``path`` and rename it at the end.

    The reader of ``path`` sees the old content or the whole new one, never a part. When the
    block raises, the temporary file (or folder) is removed and ``path`` is untouched.

    Args:
        path: Where the result belongs; its folder is created.
        lasting: Whether it is forced onto the disk. What can be made again at any time need not
            be, which is much faster for many small files.

    Yields:
        A path with the same suffix, for the block to write a file to.

    Raises:
        OutputError: No permission, no space left, or another refusal by the file system.
    """
    path = Path(path)
    temporary = path.with_name(f".{path.stem}-{secrets.token_hex(4)}{path.suffix}")
    try:
        with _refusals_told(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            yield temporary
            if lasting:
                _flush(temporary)
            os.replace(temporary, path)
    finally:
        with suppress(OSError):
            if temporary.is_dir():
                shutil.rmtree(temporary)
            else:
                temporary.unlink(missing_ok=True)


@contextmanager
def replace_folder(path: Path | str) -> Iterator[Path]:
    """Give an empty folder beside ``path`` that takes the place of ``path`` at the end.

    A kill at any moment leaves a whole folder: under its own name or, between two renames, under
    a hidden one beside it, from which ``restore_folder`` and the next replacement bring it back.
    When the block raises, ``path`` is untouched.

    Args:
        path: A folder, or nothing yet; the folder above it is created.

    Yields:
        The folder, for the block to fill.

    Raises:
        OutputError: As for ``atomic_write``.
    """
    path = Path(path)
    fresh = path.with_name(f".{path.name}.new")
    try:
        with _refusals_told(path):
            restore_folder(path)
            shutil.rmtree(fresh, ignore_errors=True)
            fresh.mkdir(parents=True)
            yield fresh
            for file in fresh.rglob("*"):
                _flush(file)
            if path.exists():
                path.rename(_old_name(path))
            fresh.rename(path)
    finally:
        restore_folder(path)
        shutil.rmtree(fresh, ignore_errors=True)


def restore_folder(path: Path | str) -> None:
    """Give a folder its name back where a replacement was killed; mostly there is nothing to do.

    Raises:
        OutputError: As for ``atomic_write``.
    """
    path = Path(path)
    old = _old_name(path)
    with _refusals_told(path):
        if path.exists():
            shutil.rmtree(old, ignore_errors=True)
        elif old.exists():
            old.rename(path)


def full_path(path: Path | str) -> Path:
    """Write a path in full and without detours; links stay, for they may lead elsewhere."""
    return Path(os.path.normpath(Path(path).absolute()))


def _old_name(folder: Path) -> Path:
    return folder.with_name(f".{folder.name}.old")


def write_bytes(path: Path | str, content: bytes) -> None:
    """Write a whole file or nothing.

    Raises:
        OutputError: As for ``atomic_write``.
    """
    with atomic_write(path) as temporary:
        temporary.write_bytes(content)


def write_text(path: Path | str, content: str) -> None:
    """Write a whole UTF-8 file or nothing.

    Raises:
        OutputError: As for ``atomic_write``.
    """
    write_bytes(path, content.encode())


def append_line(path: Path | str, line: str) -> None:
    """Add a line to a log that several processes may write; lines are never mixed up.

    A kill leaves at most its last line cut short.

    Raises:
        OutputError: As for ``atomic_write``.
    """
    path = Path(path)
    with _refusals_told(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        stream = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
        try:
            os.write(stream, f"{line}\n".encode())
        finally:
            os.close(stream)


def remove_file(path: Path) -> None:
    """Remove a file of an earlier result, if it is there.

    Raises:
        OutputError: As for ``atomic_write``.
    """
    with _refusals_told(path):
        path.unlink(missing_ok=True)


def _flush(path: Path) -> None:
    """Force the content onto the disk, which is when a full disk is noticed at the latest."""
    if path.is_file():
        with path.open("rb+") as stream:
            os.fsync(stream.fileno())


@contextmanager
def _refusals_told(path: Path) -> Iterator[None]:
    """Tell what the file system refuses as an ``OutputError`` about ``path``."""
    try:
        yield
    except OSError as error:
        raise _output_error(path, error) from error
    except Exception as error:
        if _says_full(error):  # safetensors and torch hide the errno in their text
            raise _output_error(path, OSError(errno.ENOSPC, str(error))) from error
        raise


def _says_full(error: Exception) -> bool:
    text = str(error).lower()
    return any(mark in text for mark in ("os error 28", "no space left", "file too large"))


def _output_error(path: Path, error: OSError) -> OutputError:
    if error.errno in _FULL:
        return OutputError(
            f"{path}: not written, no space left on the disk; nothing was changed;"
            " free some space or choose another --out"
        )
    if error.errno in _FORBIDDEN:
        return OutputError(
            f"{path}: not written, permission denied; choose a folder you may write to with --out"
        )
    reason = error.strerror or str(error)
    return OutputError(f"{path}: not written ({reason}); choose another --out")
