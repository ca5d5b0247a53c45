"""What came of commands about keys, in words and as data."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from facekit.show_file import SHOW_FILE
from facekit.signing.home import KeyHome
from facekit.signing.keys import PublicKey

__all__ = ["Distrusted", "KeyList", "NewKey", "Rotated", "Trusted"]


@dataclass(frozen=True, slots=True, kw_only=True)
class NewKey:
    """A key that was just made."""

    key: PublicKey
    home: KeyHome
    is_locked: bool
    """Whether a passphrase opens it."""
    certificates: Path
    """Folder of the certificates that sign videos and pictures."""

    def describe(self) -> str:
        """Where it is, and the line to give to others."""
        lock = (
            "a passphrase opens it"
            if self.is_locked
            else "open to whoever reads the file; set FACEKIT_PASSPHRASE before, to lock one"
        )
        return "\n".join(
            [
                f"key: {self.home.folder / self.key.name} ({lock})",
                f"keyid: {self.key.keyid}",
                f"give to others: {self.key.line}",
                f"certificates of videos and pictures: {self.certificates}",
            ]
        )

    def to_json(self) -> Mapping[str, object]:
        """The same as data."""
        return {
            "name": self.key.name,
            "path": str(self.home.folder / self.key.name),
            "keyid": self.key.keyid,
            "line": self.key.line,
            "locked": self.is_locked,
            "certificates": str(self.certificates),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyList:
    """Own keys, and those of others that count."""

    home: KeyHome
    own: Mapping[str, PublicKey]
    """By the names of their files."""
    others: tuple[PublicKey, ...]
    default: str | None
    """The one that signs; None without any."""
    root: PublicKey | None = None
    """Root of the certificates that sign videos and pictures; None as long as there are none."""

    def describe(self) -> str:
        """A line per key, as others can trust it."""
        lines = [f"folder: {self.home.folder}"]
        for name, key in self.own.items():
            mark = ", signs" if name == self.default else ""
            lines.append(f"own: {key.line} ({key.keyid[:12]}{mark})")
        lines += [f"trusted: {key.line} ({key.keyid[:12]})" for key in self.others]
        if self.root is not None:
            lines.append(f"root of certificates: {self.root.line} ({self.root.keyid[:12]})")
        if not self.own:
            lines.append("no key of yours; make one with: facekit keys init")
        return "\n".join(lines)

    def to_json(self) -> Mapping[str, object]:
        """The same as data."""
        own, others = (
            [{"name": name, "keyid": key.keyid, "line": key.line} for name, key in keys]
            for keys in (self.own.items(), ((key.name, key) for key in self.others))
        )
        return {
            "folder": str(self.home.folder),
            "own": own,
            "trusted": others,
            "default": self.default,
            "root": None if self.root is None else self.root.line,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Trusted:
    """A key of somebody else whose signatures count."""

    key: PublicKey
    is_new: bool
    instead_of: str = ""
    """Keyid of the key that handed over to it."""
    old_name: str = ""
    """Of that key."""
    replaced: bool = False
    """Whether that one is trusted no longer."""

    def describe(self) -> str:
        """Which, whether anything changed, and what about the old one."""
        said = "trusted" if self.is_new else "trusted already"
        old = self.instead_of[:12]
        if not old:
            return f"{said}: {self.key.line} ({self.key.keyid[:12]})"
        whose = f"{self.old_name} ({old})"
        lines = [f"{said}: {self.key.line} ({self.key.keyid[:12]}, handed over to by {old})"]
        if self.replaced:
            lines.append(f"trusted no longer: {whose}; what it has signed does not count any more")
        else:
            lines.append(f"still trusted: {whose}; --replace takes that back if it leaked")
        return "\n".join(lines)

    def to_json(self) -> Mapping[str, object]:
        """The same as data."""
        return {
            "keyid": self.key.keyid,
            "line": self.key.line,
            "new": self.is_new,
            "instead_of": self.instead_of or None,
            "replaced": self.replaced,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Distrusted:
    """Keys of somebody else whose signatures count no longer."""

    keys: tuple[PublicKey, ...]
    counted_by_show: bool
    """Whether `facekit.toml` still lets one of them count."""

    def describe(self) -> str:
        """Which."""
        lines = [f"trusted no longer: {key.line} ({key.keyid[:12]})" for key in self.keys]
        if self.counted_by_show:
            lines.append(f"it still counts here: {SHOW_FILE} names it, under people")
        return "\n".join(lines)

    def to_json(self) -> Mapping[str, object]:
        """The same as data."""
        return {
            "keys": [{"keyid": key.keyid, "line": key.line} for key in self.keys],
            "counted_by_show": self.counted_by_show,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Rotated:
    """A new key that signs from now on."""

    old: PublicKey
    new: PublicKey
    statement: Path

    def describe(self) -> str:
        """What to do with it."""
        return "\n".join(
            [
                f"signs from now on: {self.new.line} ({self.new.keyid[:12]})",
                f"signed no longer, its signatures count: {self.old.name} ({self.old.keyid[:12]})",
                f"give to others: {self.statement}",
                f"they say: facekit keys trust {self.statement.name}",
            ]
        )

    def to_json(self) -> Mapping[str, object]:
        """The same as data."""
        return {
            "old": self.old.keyid,
            "new": self.new.keyid,
            "line": self.new.line,
            "statement": str(self.statement),
        }
