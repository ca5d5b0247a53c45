"""What this machine has seen of a registry, so that nothing can be taken back unnoticed.

A storage that somebody else controls may show old files again, or hide new ones. Whoever was
there before notices: counters of channels never fall, a version never changes its digest, and
what was revoked stays so.
"""

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from typing import Any, Final, Self

from facekit.errors import IntegrityError, OutputError
from facekit.media.files import write_text
from facekit.media.locks import held
from facekit.signing.statements import parse_time
from facekit.wording import in_words

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
    revoked: set[str] = field(default_factory=set)
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
                uri,
                {str(key): (int(one[0]), str(one[1])) for key, one in told["pointers"].items()},
                {str(key): str(one) for key, one in told["versions"].items()},
                {str(one) for one in told["revoked"]},
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
            self._take(self._read(self.path, self.uri))
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
                "revoked": sorted(self.revoked),
                "checked": dict(sorted(self.checked.items())),
            },
            indent=1,
        )

    def _take(self, other: "Seen") -> None:
        """Add what is in the file now to what was seen since it was read."""
        for label, digest in other.versions.items():
            self.check_version(label, digest)
        for channel, pointer in other.pointers.items():
            self.pointers[channel] = max(pointer, self.pointers.get(channel, pointer), key=_counter)
        self.revoked |= other.revoked
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

    def remember_revoked(self, digest: str) -> None:
        """Keep that a digest was revoked, for good."""
        self.revoked.add(digest)

    def is_revoked(self, digest: str) -> bool:
        """Whether it was ever seen revoked."""
        return digest in self.revoked

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
    found = []
    for path, told in _all_seen():
        other = str(told.get("versions", {}).get(label, digest))
        if other != digest:
            found.append((str(told.get("uri") or f"another registry ({path.stem[:8]})"), other))
    return tuple(found)


def ever_revoked(digest: str) -> bool:
    """Whether this machine has seen a digest revoked, in whichever registry.

    Raises:
        IntegrityError: What was seen of a registry cannot be read.
    """
    return any(digest in told["revoked"] for _, told in _all_seen())


def _all_seen() -> Iterator[tuple[Path, dict[str, Any]]]:
    for path in sorted(state_folder().glob("[!.]*.json")):
        try:
            told = json.loads(path.read_text())
            for name, kind in (("revoked", list), ("versions", dict)):
                if not isinstance(told[name], kind):
                    raise TypeError(f"{name} of another kind")
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise IntegrityError(
                f"{path}: {in_words(error)}, expected what was seen of a registry; remove it only"
                " if you trust that registry as it is now"
            ) from error
        yield path, told


def state_folder() -> Path:
    """Where it is kept: `XDG_STATE_HOME`, or `.local/state` of the home folder."""
    base = os.environ.get("XDG_STATE_HOME")
    return (Path(base) if base else Path.home() / ".local" / "state") / "facekit" / "registries"
