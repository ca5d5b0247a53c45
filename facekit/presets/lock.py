"""``facekit.lock``: exactly which presets, models and libraries a show works with."""

import json
import tomllib
from collections.abc import Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from pydantic import Field, StringConstraints, ValidationError
from pydantic import model_validator as after

from facekit.closed import Closed, told_mistakes
from facekit.errors import LockMismatch, RegistryError
from facekit.media.files import write_text
from facekit.presets.manifest import Manifest
from facekit.presets.names import is_preset_id, is_version
from facekit.presets.seen import Seen

__all__ = [
    "LOCK_FILE",
    "Lock",
    "LockedBase",
    "LockedPreset",
    "check_offline",
    "lock_differences",
    "locked_preset",
    "preset_differences",
    "read_lock",
    "write_lock",
]

LOCK_FILE: Final = "facekit.lock"

_LIMIT: Final = 1_000_000
_HEAD: Final = "# Written by facekit preset lock; commit it, and do not edit it.\n"
_Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
_Line = Annotated[str, StringConstraints(max_length=1000, pattern=r"^[^\x00-\x1f\x7f]*$")]


class LockedBase(Closed):
    """The backbone that a preset was made for."""

    name: _Line
    repo: _Line = ""
    revision: _Line = ""
    digest: _Line = ""


class LockedPreset(Closed):
    """One version, for good."""

    version: str
    digest: _Sha256
    source: _Line
    """Name of the registry in `facekit.toml`."""
    channel: _Line = ""
    """That pointed at it; empty where the version was asked for."""
    counter: Annotated[int, Field(ge=0)] = 0
    """Of the channel's pointer; a later lock never goes below it."""
    approval: _Sha256 | None = None
    """sha256 of the pointer by which it was released; None where the version was asked for."""
    consent: _Sha256 | None = None
    """sha256 of the consent record in the preset."""
    base: LockedBase
    encoder: _Line = ""
    """Digest of the face encoder; empty for a plain LoRA."""

    @after(mode="after")
    def _is_version(self) -> "LockedPreset":
        if not is_version(self.version):
            raise ValueError(f"version {self.version[:80]!r} is none")
        return self


class Lock(Closed):
    """The whole file."""

    schema_: Literal["facekit.lock/1"] = Field(default="facekit.lock/1", alias="schema")
    libraries: dict[_Line, _Line] = Field(default_factory=dict)
    """Versions of facekit, torch, diffusers and what else decides how a shot looks."""
    presets: dict[str, LockedPreset] = Field(default_factory=dict)
    """By id."""

    @after(mode="after")
    def _are_ids(self) -> "Lock":
        for name in self.presets:
            if not is_preset_id(name):
                raise ValueError(f"presets.{name[:80]!r} is no name of a preset")
        return self

    def with_presets(self, more: Mapping[str, LockedPreset]) -> dict[str, LockedPreset]:
        """The presets of this lock and these, which win, by id.

        Raises:
            LockMismatch: A channel's counter would fall.
        """
        for name, new in more.items():
            old = self.presets.get(name)
            same = old is not None and (old.source, old.channel) == (new.source, new.channel)
            if old is not None and same and new.counter < old.counter:
                raise LockMismatch(
                    f"{name}@{new.channel}: pointer {new.counter}, expected {old.counter} or later"
                    f" as {LOCK_FILE} says; an old pointer was put back, or a mirror is behind"
                )
        return dict(sorted({**self.presets, **more}.items()))


def locked_preset(
    manifest: Manifest,
    digest: str,
    source: str,
    *,
    channel: str = "",
    counter: int = 0,
    approval: str | None = None,
) -> LockedPreset:
    """What a lock says about a preset."""
    consent = manifest.subject.consent
    sums = {file.path: file.sha256 for file in manifest.files}
    base = manifest.base
    return LockedPreset(
        version=manifest.version,
        digest=digest,
        source=source,
        channel=channel,
        counter=counter,
        approval=approval,
        consent=None if consent is None else sums[consent],
        base=LockedBase(name=base.name, repo=base.repo, revision=base.revision, digest=base.digest),
        encoder="" if manifest.encoder is None else manifest.encoder.digest,
    )


def preset_differences(locked: LockedPreset, manifest: Manifest) -> tuple[str, ...]:
    """What a lock says beside the digest and the preset of this digest does not.

    A lock that facekit has written has none; one that was edited tells those who review it
    something else than what is used.
    """
    real = locked_preset(manifest, locked.digest, locked.source)
    return tuple(
        f"{name} is {_short(getattr(real, name))}, expected {_short(getattr(locked, name))}"
        for name in ("base", "encoder", "consent")
        if getattr(real, name) != getattr(locked, name)
    )


def read_lock(path: Path) -> Lock:
    """Read a lock; an empty one when there is none.

    Raises:
        LockMismatch: It is damaged, or of a later version of facekit.
    """
    if not path.is_file():
        return Lock()
    try:
        content = path.read_bytes()
        if len(content) > _LIMIT:
            raise ValueError(f"{len(content)} bytes")
        tree: dict[str, Any] = tomllib.loads(content.decode())
        return Lock.model_validate(tree)
    except ValidationError as error:
        raise _damaged(path, told_mistakes(error)) from error
    except (OSError, ValueError) as error:
        raise _damaged(path, str(error)) from error


def write_lock(path: Path, lock: Lock) -> None:
    """Write a lock, whole or not at all; equal locks give equal bytes.

    Raises:
        OutputError: The file system refuses.
    """
    lines = [f"schema = {_toml(lock.schema_)}", "", "[libraries]"]
    lines += [f"{_toml(name)} = {_toml(text)}" for name, text in sorted(lock.libraries.items())]
    for name, preset in sorted(lock.presets.items()):
        lines += ["", f"[presets.{_toml(name)}]"]
        for key, value in preset.model_dump(exclude_none=True).items():
            if isinstance(value, dict):
                inside = ", ".join(f"{inner} = {_toml(one)}" for inner, one in value.items())
                lines.append(f"{key} = {{ {inside} }}")
            else:
                lines.append(f"{key} = {_toml(value)}")
    write_text(path, _HEAD + "\n".join(lines) + "\n")


def lock_differences(lock: Lock, libraries: Mapping[str, str]) -> tuple[str, ...]:
    """What is installed and is not what a lock says, each in a few words."""
    return tuple(
        f"{name} is {libraries.get(name, 'not installed')}, expected {wanted}"
        for name, wanted in sorted(lock.libraries.items())
        if libraries.get(name) != wanted
    )


def check_offline(
    label: str, digest: str, seen: Seen, now: datetime, hours: float, why: str
) -> None:
    """Let a preset pass while its registry cannot be asked, for as long as the show allows.

    Args:
        label: What messages call it.
        digest: Of the preset.
        seen: When it was last asked about.
        now: The time.
        hours: `rules.offline_hours` of the show.
        why: The registry cannot be asked.

    Raises:
        RegistryError: It was never asked about, or too long ago.
    """
    last = seen.last_checked(digest)
    if (
        last is not None
        and timedelta(0) <= now - last + timedelta(hours=1)
        and (now - last <= timedelta(hours=hours))
    ):
        return
    said = "never" if last is None else f"{last:%Y-%m-%d %H:%M} UTC"
    raise RegistryError(
        f"{label}: whether it is revoked was last asked {said}, expected within {hours:g} hours"
        f" ({why.partition(';')[0]}); reach the registry and run facekit preset sync"
    )


def _short(value: object) -> str:
    if isinstance(value, LockedBase):
        return " ".join(part for part in value.model_dump().values() if part)
    return str(value)[:12] if value else "none"


def _toml(value: object) -> str:
    """JSON is TOML for these values, but for the one control character JSON leaves bare."""
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def _damaged(path: Path, got: str) -> LockMismatch:
    return LockMismatch(
        f"{path}: {got}, expected a lock as facekit preset lock writes it; take it from version"
        " control again, or remove it and lock anew"
    )
