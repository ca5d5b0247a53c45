"""How presets and the files in them may be called: names that mean one file on every system."""

import re
from collections.abc import Iterable
from typing import Final

__all__ = [
    "FOLDER_SUFFIX",
    "MANIFEST",
    "PACK_SIGNATURE",
    "PACK_SIGNATURES",
    "SIGNATURES",
    "archive_name",
    "check_together",
    "file_name_fault",
    "is_preset_id",
    "is_version",
]

MANIFEST: Final = "facekit.json"
SIGNATURES: Final = "signatures/"
PACK_SIGNATURE: Final = "signatures/manifest.dsse.json"
PACK_SIGNATURES: Final = "signatures/manifest-"
"""Begins the names of further ones, over other bytes that say the same."""
FOLDER_SUFFIX: Final = ".facekit"
"""Of archives, and mostly of folders too."""

_PART: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,79}")
_DEVICE: Final = re.compile(r"(con|prn|aux|nul|clock\$|com[0-9]|lpt[0-9])(\..*)?", re.IGNORECASE)
_SUFFIXES: Final = (".json", ".md", ".webp", ".toml", ".safetensors", ".safetensors.age", ".mp4")
_ID: Final = re.compile(r"[a-z0-9][a-z0-9-]*(\.[a-z0-9][a-z0-9-]*)*/[a-z0-9][a-z0-9_-]*")
_NUMBER: Final = r"(0|[1-9][0-9]{0,8})"
_BEFORE: Final = r"(0|[1-9][0-9]*|[0-9]*[A-Za-z-][0-9A-Za-z-]*)"
"""A part of a prerelease: a number without zeros before it, or something that is none."""
_VERSION: Final = re.compile(
    rf"{_NUMBER}\.{_NUMBER}\.{_NUMBER}(-{_BEFORE}(\.{_BEFORE})*)?"
    r"(\+[0-9A-Za-z-]+(\.[0-9A-Za-z-]+)*)?"
)
_LENGTH: Final = 200
_DEPTH: Final = 4


def is_preset_id(text: str) -> bool:
    """Whether it is a dotted name, a slash and a name: ``org.studio.show/mira``.

    Both become folders, so that neither may be a device of some system, such as ``con``.
    """
    if len(text) > _LENGTH or _ID.fullmatch(text) is None:
        return False
    return not any(_DEVICE.fullmatch(part) for part in text.split("/"))


def is_version(text: str) -> bool:
    """Whether it is a semantic version such as ``1.3.0`` or ``2.0.0-rc.1``.

    Source: Semantic Versioning 2.0.0, https://semver.org
    """
    return len(text) <= _LENGTH and _VERSION.fullmatch(text) is not None


def archive_name(preset_id: str, version: str) -> str:
    """What the archive of a version is called: ``mira-1.3.0.facekit``."""
    return f"{preset_id.rpartition('/')[2]}-{version}{FOLDER_SUFFIX}"


def file_name_fault(path: str) -> str:
    """Say why a file in a bundle may not be called so; empty when it may.

    Letters are ASCII, so that no two systems disagree on which file is meant; a type is one of
    those that hold data and no code.

    Args:
        path: From the bundle's root, with forward slashes.
    """
    if len(path) > _LENGTH:
        return f"{len(path)} letters, expected at most {_LENGTH}"
    parts = path.split("/")
    if len(parts) > _DEPTH:
        return f"{len(parts)} levels, expected at most {_DEPTH}"
    for part in parts:
        if part in ("", ".", ".."):
            return "leads out of the bundle, or nowhere"
        if not _PART.fullmatch(part) or part.endswith("."):
            return "has letters that not every system takes"
        if _DEVICE.fullmatch(part):
            return f"{part} is a device on some systems"
    if not path.endswith(_SUFFIXES):
        return f"its type is none of {', '.join(_SUFFIXES)}"
    return ""


def check_together(paths: Iterable[str]) -> str:
    """Say why these files cannot lie in one folder everywhere; empty when they can."""
    seen: dict[str, str] = {}
    for path in paths:
        folded = path.casefold()
        if folded in seen:
            same = "twice" if seen[folded] == path else f"beside {seen[folded]}"
            return f"{path} is there {same}, and some systems keep one of them"
        seen[folded] = path
    for folded, path in seen.items():
        parts = folded.split("/")
        for depth in range(1, len(parts)):
            if "/".join(parts[:depth]) in seen:
                return f"{path} lies in a folder that is a file"
    return ""
