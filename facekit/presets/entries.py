"""Entries of a registry, and where everything in it lies; no path is made of unchecked names."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Final

from facekit.errors import UsageError
from facekit.presets.blobs import is_sha256
from facekit.presets.manifest import Manifest
from facekit.presets.names import SIGNATURES, file_name_fault, is_preset_id, is_version
from facekit.signing.statements import canonical_json

__all__ = [
    "COUNTER_DIGITS",
    "Entry",
    "SignatureFile",
    "checked_digest",
    "checked_id",
    "checked_name",
    "entry_of",
    "entry_path",
    "is_channel",
    "pointer_path",
    "read_entry",
    "read_object",
]

COUNTER_DIGITS: Final = 9
_ENTRY: Final = "facekit.entry/1"
_SIGNATURES: Final = 20


@dataclass(frozen=True, slots=True)
class SignatureFile:
    """An envelope that came with a preset and is no part of its digest."""

    path: str
    size: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Entry:
    """Which digest a version is."""

    id: str
    version: str
    digest: str
    signatures: tuple[SignatureFile, ...]

    @property
    def label(self) -> str:
        """`org.studio.show/mira@1.3.0`."""
        return f"{self.id}@{self.version}"

    def to_bytes(self) -> bytes:
        """Canonical JSON."""
        listed = [{"path": s.path, "size": s.size, "sha256": s.sha256} for s in self.signatures]
        return canonical_json(
            {
                "schema": _ENTRY,
                "id": self.id,
                "version": self.version,
                "digest": self.digest,
                "signatures": listed,
            }
        )


def entry_of(manifest: Manifest, content: bytes, signatures: Mapping[str, bytes]) -> Entry:
    """The entry of a preset with this manifest, its bytes, and the envelopes that come along."""
    listed = tuple(
        SignatureFile(path, len(data), sha256(data).hexdigest())
        for path, data in sorted(signatures.items())
    )
    return Entry(manifest.id, manifest.version, sha256(content).hexdigest(), listed)


def read_entry(content: bytes) -> Entry | None:
    """Read an entry; None when it is none, or names files that are no signatures."""
    told = read_object(content)
    try:
        signatures = tuple(
            SignatureFile(str(one["path"]), int(one["size"]), str(one["sha256"]))
            for one in told["signatures"]
        )
        entry = Entry(str(told["id"]), str(told["version"]), str(told["digest"]), signatures)
    except (KeyError, TypeError, ValueError):
        return None
    digests = [entry.digest, *(one.sha256 for one in signatures)]
    good = told.get("schema") == _ENTRY and len(signatures) <= _SIGNATURES
    named = all(_may_be_signature(one.path) for one in signatures)
    return entry if good and named and all(map(is_sha256, digests)) else None


def _may_be_signature(path: str) -> bool:
    plain = path.startswith(SIGNATURES) and path.count("/") == 1 and path.endswith(".json")
    return plain and not file_name_fault(path)


def read_object(content: bytes) -> dict[str, Any]:
    """Read one JSON object; an empty one when it is none."""
    try:
        told = json.loads(content)
    except (ValueError, RecursionError):
        return {}
    return told if isinstance(told, dict) else {}


def entry_path(preset_id: str, version: str) -> str:
    """Where a version's entry lies.

    Raises:
        UsageError: The id or the version can be none.
    """
    if not is_version(version):
        raise UsageError(
            f"{version[:80]!r}: no version, expected one such as 1.0.0; see facekit preset list"
        )
    return f"presets/{checked_id(preset_id)}/{version}.json"


def pointer_path(preset_id: str, channel: str, counter: int) -> str:
    """Where a pointer of a channel lies; raises as `checked_id` and `checked_name`."""
    number = f"{counter:0{COUNTER_DIGITS}d}"
    return f"channels/{checked_id(preset_id)}/{checked_name(channel)}/{number}.json"


def checked_id(preset_id: str) -> str:
    """An id that may be part of a path.

    Raises:
        UsageError: It can be none.
    """
    if not is_preset_id(preset_id):
        raise UsageError(
            f"{preset_id[:80]!r}: no name of a preset, expected one such as org.studio.show/mira;"
            " see facekit preset list"
        )
    return preset_id


def checked_digest(digest: str) -> str:
    """A digest that may be part of a path.

    Raises:
        UsageError: It is none.
    """
    if not is_sha256(digest):
        raise UsageError(f"{digest[:80]!r}: no digest, expected 64 hex digits; give all of them")
    return digest


def is_channel(text: str) -> bool:
    """Whether a channel can be called so: small letters, digits, - and _."""
    plain = text.replace("-", "").replace("_", "")
    return plain.isascii() and plain.isalnum() and plain == plain.lower() and len(text) <= 64


def checked_name(channel: str) -> str:
    """The name of a channel that may be part of a path.

    Raises:
        UsageError: It can be none.
    """
    if not is_channel(channel):
        raise UsageError(
            f"{channel[:80]!r}: no name of a channel, expected small letters, digits, - and _;"
            " choose one such as prod"
        )
    return channel
