"""What storages of fsspec say: why they refuse, and when a file was written."""

import errno
from datetime import UTC, datetime
from typing import Any, Final

from facekit.wording import in_words

__all__ = ["modified_time", "told_refusal"]

_FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


def told_refusal(error: Exception, root: str) -> tuple[str, str]:
    """Why a storage refuses, and what to do."""
    if isinstance(error, OSError) and error.errno in _FULL:
        return "no space left", "free some space"
    if isinstance(error, FileNotFoundError):
        step = "make it with the tools of the storage, or correct the URI"
        return f"there is no bucket or folder {root}", step
    if isinstance(error, PermissionError):
        step = "ask for the right, or log in with the tools of the storage"
        return f"no right to do this, {in_words(error).replace(';', ',')}", step
    return in_words(error).replace(";", ","), "look at facekit registry check"


def modified_time(info: dict[str, Any]) -> datetime | None:
    """When a file was written; None where the storage does not tell."""
    told = info.get("LastModified") or info.get("mtime") or info.get("created")
    if isinstance(told, (int, float)):
        return datetime.fromtimestamp(told, UTC)
    if isinstance(told, datetime):
        return told if told.tzinfo else told.replace(tzinfo=UTC)
    return None
