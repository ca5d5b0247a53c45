"""Fetch alone, and tell how far it is."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from facekit.errors import FacekitError, RegistryError
from facekit.media.cache import cache_dir
from facekit.media.files import remove_file
from facekit.media.locks import held
from facekit.presets.bundle import Bundle, open_bundle
from facekit.types import Progress

__all__ = ["fetched_alone", "in_megabytes", "open_kept", "preset_lock", "remove_others"]

_MEGABYTE = 1_000_000


def preset_lock(digest: str) -> Path:
    """What whoever writes or removes a preset in the cache holds.

    It lies apart from the presets, for it stays when they go.
    """
    return cache_dir() / "locks" / f"preset-{digest}"


@contextmanager
def fetched_alone(digest: str, *, wait_s: float = 0.0) -> Iterator[None]:
    """One process and thread of this machine writes a preset into the cache at a time.

    Args:
        digest: Of the preset.
        wait_s: How long to wait for another one.

    Raises:
        RegistryError: Another one is at it.
        OutputError: The cache cannot be written.
    """
    busy = RegistryError(
        f"preset {digest[:12]}: another process of this machine fetches it, expected to be alone;"
        " wait for it"
    )
    with held(preset_lock(digest), busy, wait_s=wait_s):
        yield


def open_kept(folder: Path, digest: str) -> Bundle | None:
    """A preset that is here already; None where it is not, or no longer whole."""
    try:
        bundle = open_bundle(folder) if folder.is_dir() else None
    except FacekitError:
        return None
    return bundle if bundle is not None and bundle.digest == digest else None


def remove_others(folder: Path, wanted: set[str]) -> None:
    """Remove what earlier pulls have left, such as temporary files of one that was killed.

    Args:
        folder: That is made ready.
        wanted: Files that belong there.

    Raises:
        OutputError: The file system refuses.
    """
    for path in sorted(folder.rglob("*"), reverse=True):  # what lies in a folder before it
        if path.is_dir() and not path.is_symlink():
            with suppress(OSError):
                path.rmdir()  # those that are empty
        elif path.relative_to(folder).as_posix() not in wanted:
            remove_file(path)


def in_megabytes(progress: Progress) -> Callable[[int], None]:
    """Tell bytes to a progress that counts whole megabytes."""
    num_bytes = told = 0

    def advance(more: int) -> None:
        nonlocal num_bytes, told
        num_bytes += more
        if (now := num_bytes // _MEGABYTE) != told:
            progress.advance(now - told)
            told = now

    return advance
