"""A registry of presets: content by digest, versions, statements and channels, all append-only.

    facekit-registry.json            what this folder is
    blobs/sha256/ab/cdef...          content
    presets/ID/VERSION.json          which digest a version is; written last, once, never changed
    statements/DIGEST/SHA.json       what people have signed about a digest
    channels/ID/CHANNEL/000000001.json   where a channel points, signed; the highest counts
    pushing/RANDOM.json              who is at work, so that gc leaves their blobs alone

Nothing here is believed because of where it lies: content is compared with its digest, and
statements count by their signatures (`facekit.presets.states`).
"""

import json
import secrets
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Final

from facekit.errors import BundleDamaged, RegistryError, UsageError, VersionExists, VersionMissing
from facekit.presets.blobs import Blob, is_sha256, put_blob, read_blob
from facekit.presets.manifest import MANIFEST_LIMIT, Manifest, read_manifest
from facekit.presets.names import SIGNATURES, file_name_fault, is_preset_id, is_version
from facekit.presets.semver import version_key
from facekit.presets.store import Store
from facekit.signing.dsse import ENVELOPE_LIMIT
from facekit.signing.statements import canonical_json, now_text

__all__ = [
    "GC_MARK",
    "MARK",
    "PUSHING",
    "Entry",
    "Pushed",
    "Registry",
    "SignatureFile",
    "create_registry",
    "open_registry",
]

MARK: Final = "facekit-registry.json"
GC_MARK: Final = "gc.json"
"""There while unused content is removed."""
PUSHING: Final = "pushing"
_SCHEMA: Final = "facekit.registry/1"
_ENTRY: Final = "facekit.entry/1"
_SMALL: Final = 1_000_000
_COUNTER_DIGITS: Final = 9
_SIGNATURES: Final = 20

Blocks = Callable[[], Iterator[bytes]]


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


@dataclass(frozen=True, slots=True)
class Pushed:
    """What a push did."""

    entry: Entry
    is_new: bool
    """False when the same content was published under this version already."""
    sent_bytes: int
    """Of content that was not there yet."""


class Registry:
    """What lies on a storage, read and appended to.

    Args:
        store: The storage.
        read_only: A mirror.
    """

    def __init__(self, store: Store, *, read_only: bool = False) -> None:
        self.store, self.read_only = store, read_only

    @property
    def name(self) -> str:
        """What messages call it."""
        return self.store.name

    def ids(self) -> tuple[str, ...]:
        """All presets, sorted."""
        return tuple(
            f"{org}/{name}"
            for org in self.store.names("presets")
            for name in self.store.names(f"presets/{org}")
            if is_preset_id(f"{org}/{name}")
        )

    def versions(self, preset_id: str) -> tuple[str, ...]:
        """The versions of a preset, oldest first; none when it is unknown."""
        names = self.store.names(f"presets/{_checked_id(preset_id)}")
        found = [name.removesuffix(".json") for name in names if name.endswith(".json")]
        return tuple(sorted(filter(is_version, found), key=version_key))

    def entry(self, preset_id: str, version: str) -> Entry:
        """Look a version up.

        Raises:
            VersionMissing: It is not published here.
            BundleDamaged: The entry is none, or belongs to another version.
            RegistryError: The storage refuses.
        """
        entry = self._find(preset_id, version)
        if entry is None:
            there = ", ".join(self.versions(preset_id)[-5:]) or "none"
            raise VersionMissing(
                f"{self.name}: no {preset_id}@{version}, expected one of its versions ({there});"
                " see facekit preset list"
            )
        return entry

    def manifest(self, entry: Entry) -> tuple[Manifest, bytes]:
        """Read the manifest that an entry names, and its bytes.

        Raises:
            BundleDamaged: It is not there, not of this digest, or of another version.
        """
        content = read_blob(self.store, entry.digest, MANIFEST_LIMIT)
        manifest = read_manifest(content, f"{self.name}: {entry.label}")
        if (manifest.id, manifest.version) != (entry.id, entry.version):
            raise BundleDamaged(
                f"{self.name}: {entry.label}: its manifest is of {manifest.label}, expected that of"
                " this version; tell who keeps the registry, and get the preset elsewhere"
            )
        return manifest, content

    def signatures(self, entry: Entry) -> dict[str, bytes]:
        """Read the envelopes that came with a preset; raises as `read_blob`."""
        limit = ENVELOPE_LIMIT
        return {one.path: read_blob(self.store, one.sha256, limit) for one in entry.signatures}

    def push(
        self,
        content: bytes,
        files: Mapping[str, Blocks],
        signatures: Mapping[str, bytes],
        advance: Callable[[int], None] = lambda _: None,
    ) -> Pushed:
        """Publish a version; it is there as a whole, or not at all.

        Args:
            content: Of `facekit.json`.
            files: Every file that it lists, by path.
            signatures: Envelopes by path.
            advance: Is told how many bytes are there.

        Raises:
            VersionExists: The version is published with other content.
            BundleDamaged: A file is not as listed.
            RegistryError: The storage refuses, or cannot tell two writers apart.
        """
        self._check_writable()
        manifest = read_manifest(content, self.name)
        entry = _entry_of(manifest, content, signatures)
        self._compare(entry, self._find(entry.id, entry.version))
        blobs: dict[Blob, Blocks] = {
            (file.sha256, file.size): files[file.path] for file in manifest.files
        }
        for data in (content, *signatures.values()):
            blobs[sha256(data).hexdigest(), len(data)] = _given(data)
        with _Lease(self.store, [digest for digest, _ in blobs]):
            sent = 0
            for blob, blocks in blobs.items():
                sent += blob[1] * put_blob(self.store, blob, blocks())
                advance(blob[1])
            is_new = self.store.put_new(_entry_path(entry.id, entry.version), entry.to_bytes())
            if not is_new:
                self._compare(entry, self._find(entry.id, entry.version))
        return Pushed(entry, is_new, sent)

    def statements(self, digest: str) -> dict[str, bytes]:
        """What lies there about a digest, by name; nothing was verified.

        One whose name is not the sha256 of its content gives empty bytes, which nobody signed.
        """
        folder = f"statements/{_checked_digest(digest)}"
        return {name: self._small(f"{folder}/{name}", name) for name in self.store.names(folder)}

    def add_statement(self, digest: str, envelope: bytes) -> bool:
        """Add what somebody has signed about a digest; false when it is there already."""
        self._check_writable()
        name = f"{sha256(envelope).hexdigest()}.json"
        return self.store.put_new(f"statements/{_checked_digest(digest)}/{name}", envelope)

    def channels(self, preset_id: str) -> tuple[str, ...]:
        """Names of the channels of a preset, sorted."""
        return self.store.names(f"channels/{_checked_id(preset_id)}")

    def counters(self, preset_id: str, channel: str) -> tuple[int, ...]:
        """Numbers of a channel's pointers, highest first; nothing was verified."""
        names = self.store.names(f"channels/{_checked_id(preset_id)}/{_checked_name(channel)}")
        stems = [name.removesuffix(".json") for name in names]
        numbers = [int(stem) for stem in stems if len(stem) == _COUNTER_DIGITS and stem.isdecimal()]
        return tuple(sorted(numbers, reverse=True))

    def pointer(self, preset_id: str, channel: str, counter: int) -> bytes:
        """The envelope of a pointer; empty when it is not there."""
        return self.store.read(_pointer_path(preset_id, channel, counter), ENVELOPE_LIMIT) or b""

    def add_pointer(self, preset_id: str, channel: str, counter: int, envelope: bytes) -> bool:
        """Let a channel point elsewhere; false when somebody else took this number."""
        self._check_writable()
        return self.store.put_new(_pointer_path(preset_id, channel, counter), envelope)

    def _small(self, path: str, name: str) -> bytes:
        try:
            content = self.store.read(path, ENVELOPE_LIMIT) or b""
        except RegistryError:
            return b""
        return content if f"{sha256(content).hexdigest()}.json" == name else b""

    def _find(self, preset_id: str, version: str) -> Entry | None:
        path = _entry_path(preset_id, version)
        content = self.store.read(path, _SMALL)
        if content is None:
            return None
        entry = _read_entry(content)
        if entry is None or (entry.id, entry.version) != (preset_id, version):
            raise BundleDamaged(
                f"{self.name}: {path} is no entry of {preset_id}@{version}, expected one; tell who"
                " keeps the registry"
            )
        return entry

    def _compare(self, entry: Entry, found: Entry | None) -> None:
        if found is not None and found.digest != entry.digest:
            raise VersionExists(
                f"{self.name}: {entry.label} is published with digest {found.digest[:12]}, got"
                f" {entry.digest[:12]}, expected a version of its own; pack it as the next version"
            )

    def _check_writable(self) -> None:
        if self.read_only:
            raise UsageError(
                f"{self.name}: a mirror, which is only read, expected the registry that it copies;"
                " name that one"
            )


class _Lease:
    """Says which blobs a push needs, from before they are looked for until they are referred to."""

    def __init__(self, store: Store, digests: list[str]) -> None:
        self._store = store
        self._path = f"{PUSHING}/{secrets.token_hex(16)}.json"
        self._digests = digests

    def __enter__(self) -> None:
        told = {"at": now_text(), "blobs": self._digests}
        self._store.put_new(self._path, canonical_json(told))
        # gc writes its mark and then reads leases; a push does it the other way round, so that
        # one of both always sees the other
        if self._store.size(GC_MARK) is not None:
            self._store.delete(self._path)
            raise RegistryError(
                f"{self._store.name}: unused content is being removed, expected to be alone; try"
                f" again in a minute, and remove {GC_MARK} if nobody is at it"
            )

    def __exit__(self, *_: object) -> None:
        self._store.delete(self._path)


def create_registry(store: Store) -> Registry:
    """Make an empty folder a registry; one that is there is left as it is.

    Raises:
        RegistryError: The storage refuses, or cannot tell two writers apart.
    """
    store.put_new(MARK, canonical_json({"schema": _SCHEMA}))
    return open_registry(store)


def open_registry(store: Store, *, read_only: bool = False) -> Registry:
    """Open what is there.

    Raises:
        RegistryError: It is none, or one of a later version of facekit.
    """
    content = store.read(MARK, _SMALL)
    if content is None:
        raise RegistryError(
            f"{store.name}: no registry there ({MARK} is missing), expected one; make one with"
            " facekit registry add"
        )
    told = _json(content)
    if told.get("schema") != _SCHEMA:
        raise RegistryError(
            f"{store.name}: {MARK} says {str(told.get('schema'))[:80]!r}, expected {_SCHEMA};"
            " update facekit"
        )
    return Registry(store, read_only=read_only)


def _entry_of(manifest: Manifest, content: bytes, signatures: Mapping[str, bytes]) -> Entry:
    listed = tuple(
        SignatureFile(path, len(data), sha256(data).hexdigest())
        for path, data in sorted(signatures.items())
    )
    return Entry(manifest.id, manifest.version, sha256(content).hexdigest(), listed)


def _read_entry(content: bytes) -> Entry | None:
    told = _json(content)
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


def _json(content: bytes) -> dict[str, Any]:
    try:
        told = json.loads(content)
    except (ValueError, RecursionError):
        return {}
    return told if isinstance(told, dict) else {}


def _given(data: bytes) -> Blocks:
    return lambda: iter((data,))


def _entry_path(preset_id: str, version: str) -> str:
    if not is_version(version):
        raise UsageError(
            f"{version[:80]!r}: no version, expected one such as 1.0.0; see facekit preset list"
        )
    return f"presets/{_checked_id(preset_id)}/{version}.json"


def _pointer_path(preset_id: str, channel: str, counter: int) -> str:
    number = f"{counter:0{_COUNTER_DIGITS}d}"
    return f"channels/{_checked_id(preset_id)}/{_checked_name(channel)}/{number}.json"


def _checked_id(preset_id: str) -> str:
    if not is_preset_id(preset_id):
        raise UsageError(
            f"{preset_id[:80]!r}: no name of a preset, expected one such as org.studio.show/mira;"
            " see facekit preset list"
        )
    return preset_id


def _checked_digest(digest: str) -> str:
    if not is_sha256(digest):
        raise UsageError(f"{digest[:80]!r}: no digest, expected 64 hex digits; give all of them")
    return digest


def _checked_name(channel: str) -> str:
    plain = channel.replace("-", "").replace("_", "")
    if not (plain.isascii() and plain.isalnum() and plain == plain.lower() and len(channel) <= 64):
        raise UsageError(
            f"{channel[:80]!r}: no name of a channel, expected small letters, digits, - and _;"
            " choose one such as prod"
        )
    return channel
