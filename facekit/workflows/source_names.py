"""What photos are called among each other: their way from the folder that all of them share."""

import os
from collections.abc import Sequence
from pathlib import Path

from facekit.media.files import full_path

__all__ = ["common_folder_of", "name_within", "shown_name"]

_LONGEST_SHOWN = 60


def name_within(sources: Sequence[str]) -> list[str]:
    """Call each source by its way from the folder that all share, with forward slashes."""
    if not sources:
        return []
    folder = common_folder_of(sources)
    return [full_path(source).relative_to(folder).as_posix() for source in sources]


def shown_name(name: str) -> str:
    """Write a name so that it takes one line of a terminal: unprintable letters as escapes.

    The middle of a long one is left out; the end, which tells files apart, stays.
    """
    said = "".join(
        letter if letter.isprintable() else letter.encode("unicode_escape").decode("ascii")
        for letter in name
    )
    if len(said) <= _LONGEST_SHOWN:
        return said
    head = _LONGEST_SHOWN // 3
    return f"{said[:head]}...{said[head + 3 - _LONGEST_SHOWN :]}"


def common_folder_of(sources: Sequence[str]) -> Path:
    """The folder, in full, that all sources lie in or below.

    What lies in an archive is taken for lying where the archive does.
    """
    return Path(os.path.commonpath([*map(_folder_of, sources)]))


def _folder_of(source: str) -> Path:
    above = full_path(source).parents
    return next((parent for parent in above if parent.is_dir()), above[0])
