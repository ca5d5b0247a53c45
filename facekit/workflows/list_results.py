"""What a registry has, and what of a lock is behind, in words and as data."""

from collections.abc import Mapping
from dataclasses import dataclass

from facekit.wording import counted

__all__ = ["Listed", "Listing", "Outdated"]

_TAKEN_BACK = "as this machine has seen; the registry no longer says so"


@dataclass(frozen=True, slots=True)
class Listed:
    """A version in a list."""

    label: str
    digest: str
    state: str
    channels: tuple[str, ...]
    """That point at it."""
    ignored: int
    """Statements that do not count."""
    taken_back: bool = False
    """Whether the registry no longer says that it is revoked, as this machine has seen."""


@dataclass(frozen=True, slots=True)
class Listing:
    """Versions of a registry, or the names of its presets alone."""

    registry: str
    presets: tuple[tuple[str, str, int], ...]
    """Id, latest version that may be used, or `revoked` without one, and how many there are."""
    versions: tuple[Listed, ...]
    stands_in: str = ""
    """That a mirror was asked, and why."""

    def describe(self) -> str:
        """A line each."""
        lines = [
            f"{name}  {latest}  ({counted(count, 'version')})"
            for name, latest, count in self.presets
        ]
        for one in self.versions:
            marks = ", ".join(one.channels)
            told = f"  {one.ignored} not counted" if one.ignored else ""
            told += f"  {_TAKEN_BACK}" if one.taken_back else ""
            lines.append(f"{one.label}  {one.digest[:12]}  {one.state}  {marks}{told}".rstrip())
        said = [f"warning: {self.stands_in}"] if self.stands_in else []
        return "\n".join([*said, *(lines or [f"{self.registry}: no presets"])])

    def to_json(self) -> Mapping[str, object]:
        """The same as plain data."""
        return {
            "registry": self.registry,
            "warning": self.stands_in or None,
            "presets": [
                {"id": name, "latest": latest, "versions": count}
                for name, latest, count in self.presets
            ],
            "versions": [
                {
                    "preset": one.label,
                    "digest": one.digest,
                    "state": one.state,
                    "channels": list(one.channels),
                    "ignored": one.ignored,
                    "taken_back": one.taken_back,
                }
                for one in self.versions
            ],
        }


@dataclass(frozen=True, slots=True)
class Outdated:
    """What of the lock is no longer the latest."""

    behind: tuple[tuple[str, str, str, str], ...]
    """Id, locked version, what would be taken now, and why."""
    current: tuple[str, ...]
    warnings: tuple[str, ...] = ()
    """That a mirror was asked, and why."""

    def describe(self) -> str:
        """A line each."""
        lines = [f"warning: {one}" for one in self.warnings]
        lines += [f"{name}: {old} -> {new} ({why})" for name, old, new, why in self.behind]
        return "\n".join(
            [*lines, *(f"{name}: up to date" for name in self.current)] or ["nothing is locked"]
        )

    def to_json(self) -> Mapping[str, object]:
        """The same as plain data."""
        keys = ("id", "locked", "available", "why")
        return {
            "outdated": [dict(zip(keys, one, strict=True)) for one in self.behind],
            "current": list(self.current),
            "warnings": list(self.warnings),
        }
