"""A registry of presets: content by digest, versions, statements and channels, all append-only.

    facekit-registry.json            what this folder is
    blobs/sha256/ab/cdef...          content
    presets/ID/VERSION.json          which digest a version is; written last, once, never changed
    statements/DIGEST/SHA.json       what people have signed about a digest
    channels/ID/CHANNEL/000000001.json   where a channel points, signed; the highest counts
    signatures/DIGEST/SHA.json       who signed a digest after it was published
    pushing/RANDOM.json              who is at work, so that gc leaves their blobs alone
    checks/RANDOM.json               whether two writers are told apart, tried just now
    removing/RANDOM.json             who removes what is unused, so that no push begins meanwhile

Nothing here is believed because of where it lies: content is compared with its digest, and
statements count by their signatures (`facekit.presets.states`).
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from hashlib import sha256
from typing import Final

from facekit.errors import BundleDamaged, RegistryError, UsageError, VersionExists, VersionMissing
from facekit.presets.blobs import Blob, read_blob
from facekit.presets.entries import (
    COUNTER_DIGITS,
    Entry,
    checked_digest,
    checked_id,
    checked_name,
    entry_of,
    entry_path,
    is_channel,
    pointer_path,
    read_entry,
    read_object,
)
from facekit.presets.later_signatures import LATER, add_later, with_later
from facekit.presets.lease import PUSHING, REMOVING
from facekit.presets.manifest import MANIFEST_LIMIT, Manifest, read_manifest
from facekit.presets.names import is_preset_id, is_version
from facekit.presets.publishing import Pushed, publish
from facekit.presets.semver import version_key
from facekit.presets.storage import Store
from facekit.presets.two_writers import CHECKS
from facekit.signing.dsse import ENVELOPE_LIMIT
from facekit.signing.statements import canonical_json
from facekit.wording import one_of

__all__ = [
    "FOLDERS",
    "MARK",
    "Pushed",
    "Registry",
    "create_registry",
    "is_registry",
    "open_registry",
]

MARK: Final = "facekit-registry.json"
FOLDERS: Final = frozenset(
    {"blobs", "presets", "statements", "channels", LATER, PUSHING, REMOVING, CHECKS}
)
"""All that lies beside it."""
_SCHEMA: Final = "facekit.registry/1"
_SMALL: Final = 1_000_000

_Blocks = Callable[[], Iterator[bytes]]


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
        names = self.store.names(f"presets/{checked_id(preset_id)}")
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
            there = one_of(self.versions(preset_id)[-5:], "its versions")
            raise VersionMissing(
                f"{self.name}: no {preset_id}@{version}, expected {there}; see facekit preset list"
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
        """Read the envelopes that came with a preset, or after it; raises as `read_blob`."""
        limit = ENVELOPE_LIMIT
        own = {one.path: read_blob(self.store, one.sha256, limit) for one in entry.signatures}
        return with_later(self.store, entry, own)

    def push(
        self,
        content: bytes,
        files: Mapping[str, _Blocks],
        signatures: Mapping[str, bytes],
        advance: Callable[[int], None] = lambda _: None,
    ) -> Pushed:
        """Publish a version; it is there as a whole, or not at all.

        One that is published with this content already is mended: all its content is compared,
        and what is missing or damaged is sent again. A signature that it was published without is
        added.

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
        entry = entry_of(manifest, content, signatures)
        found = self._find(entry.id, entry.version)
        self._compare(entry, found)
        blobs: dict[Blob, _Blocks] = {
            (file.sha256, file.size): files[file.path] for file in manifest.files
        }
        for data in (content, *signatures.values()):
            blobs[sha256(data).hexdigest(), len(data)] = _given(data)
        done = publish(
            self.store,
            entry,
            blobs,
            advance,
            lambda: self._compare(entry, self._find(entry.id, entry.version)),
            thorough=found is not None,
        )
        published = None if done.is_new else self._find(entry.id, entry.version)
        signed = published is not None and add_later(self.store, published, signatures)
        return Pushed(entry, done.is_new, done.sent_bytes, done.mended, signed)

    def statements(self, digest: str) -> dict[str, bytes]:
        """What lies there about a digest, by name; nothing was verified.

        One whose name is not the sha256 of its content gives empty bytes, which nobody signed.

        Raises:
            RegistryError: The storage refuses; a revocation might be among what it keeps back.
        """
        folder = f"statements/{checked_digest(digest)}"
        names = self.store.names(folder)
        contents = self.store.read_many([f"{folder}/{name}" for name in names], ENVELOPE_LIMIT)
        return {
            name: content if content and f"{sha256(content).hexdigest()}.json" == name else b""
            for name, content in zip(names, contents, strict=True)
        }

    def add_statement(self, digest: str, envelope: bytes) -> bool:
        """Add what somebody has signed about a digest; false when it is there already."""
        self._check_writable()
        name = f"{sha256(envelope).hexdigest()}.json"
        return self.store.put_new(f"statements/{checked_digest(digest)}/{name}", envelope)

    def channels(self, preset_id: str) -> tuple[str, ...]:
        """Names of the channels of a preset, sorted; what else lies there is passed over."""
        return tuple(filter(is_channel, self.store.names(f"channels/{checked_id(preset_id)}")))

    def counters(self, preset_id: str, channel: str) -> tuple[int, ...]:
        """Numbers of a channel's pointers, highest first; nothing was verified."""
        names = self.store.names(f"channels/{checked_id(preset_id)}/{checked_name(channel)}")
        stems = [name.removesuffix(".json") for name in names]
        numbers = [int(stem) for stem in stems if len(stem) == COUNTER_DIGITS and stem.isdecimal()]
        return tuple(sorted(numbers, reverse=True))

    def pointers(self, preset_id: str, channel: str, counters: Sequence[int]) -> tuple[bytes, ...]:
        """The envelopes of pointers; empty for one that is not there, or far too large."""
        paths = [pointer_path(preset_id, channel, counter) for counter in counters]
        return tuple(content or b"" for content in self.store.read_many(paths, ENVELOPE_LIMIT))

    def add_pointer(self, preset_id: str, channel: str, counter: int, envelope: bytes) -> bool:
        """Let a channel point elsewhere; false when somebody else took this number."""
        self._check_writable()
        return self.store.put_new(pointer_path(preset_id, channel, counter), envelope)

    def _find(self, preset_id: str, version: str) -> Entry | None:
        path = entry_path(preset_id, version)
        content = self.store.read(path, _SMALL)
        if content is None:
            return None
        entry = read_entry(content)
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


def create_registry(store: Store) -> Registry:
    """Make an empty folder a registry; one that is there is left as it is.

    Raises:
        RegistryError: The storage refuses, or cannot tell two writers apart.
    """
    store.put_new(MARK, canonical_json({"schema": _SCHEMA}))
    return open_registry(store)


def is_registry(store: Store) -> bool:
    """Whether there is one, of whichever version of facekit.

    Raises:
        RegistryError: The storage refuses.
    """
    return store.read(MARK, _SMALL) is not None


def open_registry(store: Store, *, read_only: bool = False, place: str = "") -> Registry:
    """Open what is there.

    Args:
        store: The storage.
        read_only: A mirror.
        place: Its URI, for messages.

    Raises:
        RegistryError: It is none, or one of a later version of facekit.
    """
    content = store.read(MARK, _SMALL)
    if content is None:
        raise RegistryError(
            f"{store.name}: no registry there ({place}{'/' if place else ''}{MARK} is missing),"
            " expected one; it may be unmounted or have moved, so reach that place again or correct"
            " its uri in facekit.toml, and only for a new one use facekit registry add"
        )
    told = read_object(content)
    if told.get("schema") != _SCHEMA:
        raise RegistryError(
            f"{store.name}: {MARK} says {str(told.get('schema'))[:80]!r}, expected {_SCHEMA};"
            " update facekit"
        )
    return Registry(store, read_only=read_only)


def _given(data: bytes) -> _Blocks:
    return lambda: iter((data,))
