"""The user's keys, and whose keys count: what `facekit keys` does."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from facekit.errors import KeyRefused, UsageError
from facekit.media.files import write_bytes
from facekit.provenance.certificates import certificates_folder, ensure_certificates, own_root
from facekit.signing.dsse import ENVELOPE_LIMIT
from facekit.signing.home import KeyHome, key_home
from facekit.signing.keys import PublicKey
from facekit.signing.statements import Statement, Subject, now_text, open_statement, sign_statement

__all__ = [
    "ROTATE",
    "KeyList",
    "NewKey",
    "Rotated",
    "Trusted",
    "init_key",
    "rotate_key",
    "show_keys",
    "trust_key",
]

ROTATE: Final = "keys.rotate"
"""Kind of the statement that a new key takes the place of an old one."""

_SUFFIX: Final = ".rotate.json"


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

    def describe(self) -> str:
        """Which, and whether anything changed."""
        said = "trusted" if self.is_new else "trusted already"
        by = f", handed over to by {self.instead_of[:12]}" if self.instead_of else ""
        return f"{said}: {self.key.line} ({self.key.keyid[:12]}{by})"

    def to_json(self) -> Mapping[str, object]:
        """The same as data."""
        return {
            "keyid": self.key.keyid,
            "line": self.key.line,
            "new": self.is_new,
            "instead_of": self.instead_of or None,
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


def init_key(name: str, *, passphrase: str | None = None) -> NewKey:
    """Make a key; the first one signs.

    Args:
        name: Of the file, and what others see.
        passphrase: Locks it.

    Raises:
        OutputExists: There is one of this name.
        UsageError: The name cannot be that of a file.
    """
    home = key_home()
    key = home.create(name, passphrase=passphrase)
    ensure_certificates(home)
    return NewKey(
        key=key.public,
        home=home,
        is_locked=passphrase is not None,
        certificates=certificates_folder(home),
    )


def show_keys() -> KeyList:
    """List own keys and trusted ones.

    Raises:
        KeyRefused: A file of the folder is damaged.
    """
    home = key_home()
    own = dict(zip(home.own_names(), home.own(), strict=True))
    mine = {key.keyid for key in own.values()}
    return KeyList(
        home=home,
        own=own,
        others=tuple(key for key in home.trusted() if key.keyid not in mine),
        default=home.default_name() if own else None,
        root=own_root(home),
    )


def trust_key(given: str, *, name: str | None = None) -> Trusted:
    """Let the signatures of somebody else count.

    Args:
        given: The line of a ``.pub`` file, such a file, or what ``keys rotate`` wrote of a key that
            is trusted already.
        name: Whose it is, in place of what the line says.

    Raises:
        KeyRefused: It is no key.
        SignatureRefused: A new key that no trusted key has handed over to.
    """
    home = key_home()
    path = Path(given)
    if given.startswith("ssh-") or not path.is_file():
        key = PublicKey.from_line(given, name=name)
        return Trusted(key=key, is_new=home.trust(key))
    if path.stat().st_size > ENVELOPE_LIMIT:
        raise KeyRefused(f"{path}: too large for a key, expected a .pub file; name that")
    content = path.read_bytes()
    if not content.lstrip().startswith(b"{"):
        key = PublicKey.from_line(content.decode("utf-8", errors="replace"), name=name)
        return Trusted(key=key, is_new=home.trust(key))
    statement = open_statement(content, home.trusted(), kind=ROTATE, name=str(path))
    key = PublicKey.from_line(str(statement.predicate.get("line", "")), name=name)
    signers = {signer.keyid for signer in statement.signers}
    old = str(statement.predicate.get("old", ""))
    if [one.sha256 for one in statement.subjects] != [key.keyid] or old not in signers:
        raise KeyRefused(
            f"{path}: hands over to another key than it names, expected the old key's word for the"
            " new one; ask for it again"
        )
    return Trusted(key=key, is_new=home.trust(key), instead_of=old)


def rotate_key(
    name: str | None = None, *, new_name: str | None = None, passphrase: str | None = None
) -> Rotated:
    """Make a new key, which signs from now on, and let the old one say so.

    The old one stays, so that what it has signed still counts.

    Args:
        name: Of the old one; the one that signs when None.
        new_name: Of the new one; the old one's with a number when None.
        passphrase: Locks the new one.

    Raises:
        KeyRefused: There is no old key, or it cannot be opened.
        OutputExists: There is one of the new name.
    """
    home = key_home()
    old_name = name or home.default_name()
    old = home.signing_key(old_name)
    chosen = new_name or _next_name(old_name, set(home.own_names()))
    new = home.create(chosen, passphrase=passphrase)
    statement = Statement(
        ROTATE,
        (Subject(chosen, new.public.keyid),),
        {"old": old.public.keyid, "line": new.public.line, "at": now_text()},
    )
    path = home.folder / f"{chosen}{_SUFFIX}"
    write_bytes(path, sign_statement(statement, [old, new]).to_bytes())
    home.use(chosen)
    return Rotated(old=old.public, new=new.public, statement=path)


def _next_name(name: str, known: set[str]) -> str:
    stem, _, number = name.rpartition("-")
    start = int(number) + 1 if stem and number.isdigit() else 2
    base = stem if stem and number.isdigit() else name
    for candidate in range(start, start + 1000):
        if f"{base}-{candidate}" not in known:
            return f"{base}-{candidate}"
    raise UsageError(f"{name}: no free name for a new key, expected one; give it with --as")
