"""What photos are called among each other: their way from the folder that all of them share."""

import os
from collections.abc import Sequence
from pathlib import Path

from facekit.media.files import full_path

__all__ = ["common_folder_of", "name_within"]


def name_within(sources: Sequence[str]) -> list[str]:
    """Call each source by its way from the folder that all share, with forward slashes."""
    if not sources:
        return []
    folder = common_folder_of(sources)
    return [full_path(source).relative_to(folder).as_posix() for source in sources]


def common_folder_of(sources: Sequence[str]) -> Path:
    """The folder, in full, that all sources lie in or below.

    What lies in an archive is taken for lying where the archive does.
    """
    return Path(os.path.commonpath([*map(_folder_of, sources)]))


def _folder_of(source: str) -> Path:
    above = full_path(source).parents
    return next((parent for parent in above if parent.is_dir()), above[0])
