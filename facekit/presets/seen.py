"""What this machine has seen of a registry, so that nothing can be taken back unnoticed.

A storage that somebody else controls may show old files again, or hide new ones. Whoever was
there before notices: counters of channels never fall, a version never changes its digest, and
what was revoked stays so.
"""

import json
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from typing import Any, Final, Self

from facekit.errors import IntegrityError, OutputError
from facekit.media.files import write_text
from facekit.media.locks import held
from facekit.signing.statements import parse_time

__all__ = ["Seen", "ever_revoked", "other_digests", "state_folder"]

_SCHEMA: Final = "facekit.seen/1"
_WAIT_S: Final = 30.0


@dataclass(slots=True)
class Seen:
    """What was seen, and the file that keeps it.

    Args:
        path: The file; None keeps it in memory alone.
    """

    path: Path | None = None
    uri: str = ""
    """Of the registry, for messages."""
    pointers: dict[str, tuple[int, str]] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)
    revokers: dict[str, set[str]] = field(default_factory=dict)
    """By digest that was revoked: ids of the keys that signed it, as far as they are known."""
    checked: dict[str, str] = field(default_factory=dict)
    """By digest: when the registry was last asked whether it is revoked."""
    _kept: str = ""

    @classmethod
    def open(cls, uri: str) -> Self:
        """Read what was seen of the registry with this URI; its mirrors share it.

        Raises:
            IntegrityError: The file is damaged.
        """
        place = _place(uri)
        return cls._read(state_folder() / f"{sha256(place.encode()).hexdigest()[:32]}.json", place)

    @classmethod
    def _read(cls, path: Path, uri: str) -> Self:
        if not path.is_file():
            return cls(path, uri)
        try:
            text = path.read_text()
            told: dict[str, Any] = json.loads(text)
            if told["schema"] != _SCHEMA:
                raise ValueError(f"schema {told['schema']!r}")
            return cls(
                path,
                str(told.get("uri") or uri),
                {str(key): (int(one[0]), str(one[1])) for key, one in told["pointers"].items()},
                {str(key): str(one) for key, one in told["versions"].items()},
                _revokers(told),
                {str(key): str(one) for key, one in told["checked"].items()},
                text,
            )
        except (OSError, ValueError, KeyError, TypeError, AttributeError, IndexError) as error:
            raise IntegrityError(
                f"{path}: {error}, expected what was seen of {uri}; remove it only if you trust"
                " the registry as it is now"
            ) from error

    def save(self) -> None:
        """Write it, if something is new, together with what others have seen meanwhile.

        Raises:
            IntegrityError: They have seen another digest for a version, or the file is damaged.
            OutputError: The file system refuses.
        """
        if self.path is None or self._text() == self._kept:
            return
        busy = OutputError(
            f"{self.path}: somebody has been writing for {_WAIT_S:g} s, expected less; try again"
        )
        with held(state_folder().with_name("registries.lock"), busy, wait_s=_WAIT_S):
            other = self._read(self.path, self.uri)
            try:
                self._take(other)
            except IntegrityError:  # what was revoked is kept all the same
                other._add_revoked(self.revokers)
                write_text(self.path, other._text())
                raise
            text = self._text()
            write_text(self.path, text)
            self._kept = text

    def _text(self) -> str:
        return json.dumps(
            {
                "schema": _SCHEMA,
                "uri": self.uri,
                "pointers": dict(sorted(self.pointers.items())),
                "versions": dict(sorted(self.versions.items())),
                "revoked": sorted(self.revokers),
                "revokers": {key: sorted(by) for key, by in sorted(self.revokers.items())},
                "checked": dict(sorted(self.checked.items())),
            },
            indent=1,
        )

    def _take(self, other: "Seen") -> None:
        """Add what is in the file now to what was seen since it was read."""
        self._add_revoked(other.revokers)
        for label, digest in other.versions.items():
            self.check_version(label, digest)
        for channel, pointer in other.pointers.items():
            self.pointers[channel] = max(pointer, self.pointers.get(channel, pointer), key=_counter)
        before = json.loads(self._kept)["checked"] if self._kept else {}
        mine = {key: at for key, at in self.checked.items() if before.get(key) != at}
        self.checked = {**other.checked, **mine}

    def pointer(self, preset_id: str, channel: str) -> tuple[int, str] | None:
        """Counter and digest of the latest pointer that was seen."""
        return self.pointers.get(f"{preset_id}@{channel}")

    def remember_pointer(self, preset_id: str, channel: str, counter: int, digest: str) -> None:
        """Keep a pointer, if it is later than the one that is kept."""
        known = self.pointer(preset_id, channel)
        if known is None or counter > known[0]:
            self.pointers[f"{preset_id}@{channel}"] = (counter, digest)

    def check_version(self, label: str, digest: str) -> None:
        """Keep which digest a version is.

        Raises:
            IntegrityError: It was another one.
        """
        known = self.versions.setdefault(label, digest)
        if known != digest:
            raise IntegrityError(
                f"{label}: digest {digest[:12]}, expected {known[:12]} as seen before; a published"
                " version never changes: ask who keeps the registry"
            )

    @property
    def revoked(self) -> frozenset[str]:
        """Digests that were ever seen revoked."""
        return frozenset(self.revokers)

    def remember_revoked(self, digest: str, by: Iterable[str] = ()) -> None:
        """Keep that a digest was revoked, for good.

        Args:
            digest: Of the preset.
            by: Ids of the keys that signed it.
        """
        self._add_revoked({digest: set(by)})

    def is_revoked(self, digest: str) -> bool:
        """Whether it was ever seen revoked."""
        return digest in self.revokers

    def _add_revoked(self, more: Mapping[str, set[str]]) -> None:
        for digest, keyids in more.items():
            self.revokers[digest] = self.revokers.get(digest, set()) | keyids

    def remember_checked(self, digest: str, now: str) -> None:
        """Keep that the registry was asked."""
        self.checked[digest] = now

    def last_checked(self, digest: str) -> datetime | None:
        """When the registry was last asked about a digest; None for never."""
        told = self.checked.get(digest)
        return None if told is None else parse_time(told)


def _counter(pointer: tuple[int, str]) -> int:
    return pointer[0]


def _place(uri: str) -> str:
    """One text for one place, however its URI is written."""
    scheme, separator, rest = uri.partition("://")
    scheme = {"s3a": "s3", "local": "file"}.get(scheme.lower(), scheme.lower())
    if scheme == "file" or not separator:
        return f"file://{os.path.realpath(rest if separator else uri)}"
    return f"{scheme}://{'/'.join(part for part in rest.split('/') if part)}"


def other_digests(label: str, digest: str) -> tuple[tuple[str, str], ...]:
    """Where this machine has seen a version of this name with another digest: place and digest.

    Raises:
        IntegrityError: What was seen of a registry cannot be read.
    """
    return tuple(
        (seen.uri, other)
        for seen in _all_seen()
        if (other := seen.versions.get(label, digest)) != digest
    )


def ever_revoked(digest: str, trusted: Iterable[str], own: Iterable[str]) -> bool:
    """Whether this machine has seen a digest revoked by somebody who counts.

    Whoever makes a show decides who may revoke in it; what a stranger's show has revoked says
    nothing about the presets of others.

    Args:
        digest: Of the preset.
        trusted: Ids of the keys that count wherever they have signed.
        own: URIs of the registries in which everybody's revocation counts.

    Raises:
        IntegrityError: What was seen of a registry cannot be read.
    """
    keyids = set(trusted)
    here = {Seen.open(uri).path for uri in own}
    for seen in _all_seen():
        by = seen.revokers.get(digest)
        if by is not None and (seen.path in here or by & keyids):
            return True
    return False


def _all_seen() -> Iterator[Seen]:
    for path in sorted(state_folder().glob("[!.]*.json")):
        yield Seen._read(path, f"another registry ({path.stem[:8]})")


def _revokers(told: Mapping[str, Any]) -> dict[str, set[str]]:
    """Who revoked what; files of before say what alone."""
    by = told.get("revokers", {})
    return {str(one): {str(keyid) for keyid in by.get(one, ())} for one in told["revoked"]}


def state_folder() -> Path:
    """Where it is kept: `XDG_STATE_HOME`, or `.local/state` of the home folder."""
    base = os.environ.get("XDG_STATE_HOME")
    return (Path(base) if base else Path.home() / ".local" / "state") / "facekit" / "registries"
