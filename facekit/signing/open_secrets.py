"""Secrets that would lie open in a file that a whole show shares."""

import re
from collections.abc import Mapping
from typing import Final

__all__ = ["find_secret"]

_NAME: Final = re.compile(
    r"secret|token|pass(word|wd|phrase)|credential|connection_?string"
    r"|(account|access|api|private|shared)_?key|^(key|pass)$|(^|_)(pwd|sas)(_|$)",
    re.IGNORECASE,
)
"""Options that file systems of fsspec take secrets by."""
_USER: Final = re.compile(r"://[^/@\s]*:[^/@\s]+@")
"""`user:password@` before a host."""
_SIGNED: Final = re.compile(r"[?&;](sig|[\w-]*(signature|token|key))=", re.IGNORECASE)
"""Signed URLs, which let in whoever has them."""


def find_secret(uri: str, options: Mapping[str, object]) -> str:
    """Say what is a secret, or holds one: `uri`, or an option; empty where nothing does.

    Args:
        uri: Of a registry.
        options: For its file system.
    """
    for key, value in options.items():
        if _NAME.search(key):
            return f"options.{key} is a secret"
        if _USER.search(str(value)) or _SIGNED.search(str(value)):
            return f"options.{key} holds a secret"
    return "uri holds a secret" if _USER.search(uri) or _SIGNED.search(uri) else ""
