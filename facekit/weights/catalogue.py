"""The weights that can be fetched: what they are, and what may be done with them."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from facekit.errors import UsageError

__all__ = [
    "CatalogueEntry",
    "CatalogueFile",
    "catalogue",
    "catalogue_entry",
    "entry_of_digest",
    "megabytes",
]

_CATALOGUE = Path(__file__).with_name("catalogue.toml")


@dataclass(frozen=True, slots=True, kw_only=True)
class CatalogueFile:
    """One file, by its content."""

    name: str
    """Without folders."""
    sha256: str
    """64 hex digits."""
    num_bytes: int
    url: str = ""
    """Where it is fetched from; empty for a member of an archive."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CatalogueEntry:
    """Weights that belong together under one name."""

    name: str
    title: str
    """What they are, in a line."""
    licence: str
    """An SPDX identifier or plain words."""
    commercial_use: bool
    """Whether the licence, and that of the data as far as it is told, allows it."""
    source: str
    """Where digests and sizes can be read."""
    files: tuple[CatalogueFile, ...]
    """What lies in the store."""
    archive: CatalogueFile | None = None
    """The zip that the files come from, where they do not come one by one."""

    @property
    def downloads(self) -> tuple[CatalogueFile, ...]:
        """What goes over the wire."""
        return self.files if self.archive is None else (self.archive,)

    @property
    def num_bytes(self) -> int:
        """What is fetched, in bytes."""
        return sum(file.num_bytes for file in self.downloads)

    @property
    def terms(self) -> str:
        """The licence, and whether it forbids commercial use."""
        return self.licence + ("" if self.commercial_use else " - no commercial use")

    def to_json(self) -> Mapping[str, object]:
        """Everything but the single files."""
        return {
            "name": self.name,
            "title": self.title,
            "licence": self.licence,
            "commercial_use": self.commercial_use,
            "source": self.source,
            "num_bytes": self.num_bytes,
            "files": [file.name for file in self.files],
        }


@cache
def catalogue() -> Mapping[str, CatalogueEntry]:
    """Read the catalogue that ships with facekit, by name."""
    content = tomllib.loads(_CATALOGUE.read_text(encoding="utf-8"))
    return {name: _entry(name, table) for name, table in content.items()}


def catalogue_entry(name: str) -> CatalogueEntry:
    """Find weights by name.

    Raises:
        UsageError: The name is unknown; the message lists the known ones.
    """
    entries = catalogue()
    if name not in entries:
        known = ", ".join(entries)
        raise UsageError(f"{name}: no such weights, expected one of {known}; correct the name")
    return entries[name]


def entry_of_digest(sha256: str) -> CatalogueEntry | None:
    """Tell a file by its content; None for one that the catalogue does not know."""
    for entry in catalogue().values():
        if any(file.sha256 == sha256 for file in entry.files):
            return entry
    return None


def megabytes(num_bytes: int) -> str:
    """A size for people."""
    return f"{num_bytes / 1e6:.1f} MB"


def _entry(name: str, table: Mapping[str, Any]) -> CatalogueEntry:
    rest = {key: value for key, value in table.items() if key not in ("files", "archive")}
    archive = table.get("archive")
    return CatalogueEntry(
        name=name,
        files=tuple(CatalogueFile(**file) for file in table["files"]),
        archive=None if archive is None else CatalogueFile(**archive),
        **rest,
    )
