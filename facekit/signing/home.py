"""Where a person's keys lie, and the keys of others that they trust."""

import os
import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from facekit.errors import KeyRefused, KeyUnknown, OutputExists, UsageError
from facekit.signing.keys import PublicKey, SigningKey
from facekit.wording import one_of

__all__ = ["KEYS_VARIABLE", "KeyHome", "key_home", "settings_folder"]

KEYS_VARIABLE: Final = "FACEKIT_KEYS"
"""Names the folder of one's keys."""

_TRUSTED = "trusted.pub"
_DEFAULT = "default"
_LEAST_DIGITS = 8


@dataclass(frozen=True, slots=True)
class KeyHome:
    """A folder of keys.

    NAME          private key, readable by its owner alone
    NAME.pub      its public half, to give to others
    default       name of the key that signs
    trusted.pub   public keys of others, one line each
    """

    folder: Path

    def create(self, name: str, *, passphrase: str | None = None) -> SigningKey:
        """Make a key; the first one becomes the default.

        One of which an interruption has left only the private half is made whole.

        Raises:
            OutputExists: There is one of this name; keys are never replaced.
            KeyRefused: There is a private half, and it cannot be opened.
            UsageError: The name cannot be that of a file.
        """
        path = self._path(name)
        has_default = (self.folder / _DEFAULT).exists()
        if not path.exists():
            key = SigningKey.generate(name)
            self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            _write_new(path, key.private_bytes(passphrase), 0o600)
        elif not self._public(name).exists() or not has_default:
            key = self.signing_key(name, passphrase=passphrase)
        else:
            raise OutputExists(
                f"{path}: the key exists, expected a new name; keys are never replaced, rotate it"
                " with facekit keys rotate"
            )
        self._write_beside(self._public(name), f"{key.public.line}\n")
        if not has_default:
            self.use(name)
        return key

    def use(self, name: str) -> None:
        """Make a key the one that signs."""
        self._write_beside(self.folder / _DEFAULT, f"{name}\n")

    def default_name(self) -> str:
        """Name of the key that signs.

        Raises:
            KeyRefused: There is none.
        """
        try:
            return (self.folder / _DEFAULT).read_text().strip()
        except FileNotFoundError:
            raise KeyRefused(
                f"{self.folder}: no key of yours, expected one to sign with; make one with"
                " facekit keys init"
            ) from None

    def signing_key(self, name: str | None = None, *, passphrase: str | None = None) -> SigningKey:
        """Open a key.

        Args:
            name: Which; the default one when None.
            passphrase: `FACEKIT_PASSPHRASE` when None.

        Raises:
            KeyUnknown: There is none of this name.
            KeyRefused: There is none at all, or it cannot be opened.
        """
        if name is not None and not self._path(name).exists():
            there = one_of(self.own_names(), f"the keys of {self.folder}")
            raise KeyUnknown(
                f"{name}: no key of yours is called that, expected {there}; see facekit keys show"
            )
        secret = passphrase or os.environ.get("FACEKIT_PASSPHRASE")
        return SigningKey.load(self._path(name or self.default_name()), passphrase=secret)

    def is_locked(self, name: str) -> bool:
        """Whether a key of one's own needs a passphrase, or cannot be opened at all."""
        try:
            SigningKey.load(self._path(name))
        except KeyRefused:
            return True
        return False

    def own(self) -> tuple[PublicKey, ...]:
        """The public halves of all own keys, in the order of `own_names`."""
        return tuple(
            PublicKey.from_line(self._public(name).read_text()) for name in self.own_names()
        )

    def own_names(self) -> tuple[str, ...]:
        """What the files of own keys are called, sorted; a key itself may name somebody else."""
        found = (path for path in self.folder.glob("*.pub") if path.name != _TRUSTED)
        return tuple(sorted(path.stem for path in found))

    def trusted(self) -> tuple[PublicKey, ...]:
        """All keys whose signatures count: the own ones and those of others.

        Raises:
            KeyRefused: A line of the file is not a key.
        """
        return tuple({key.keyid: key for key in [*self.own(), *self.others()]}.values())

    def others(self) -> tuple[PublicKey, ...]:
        """The keys of others whose signatures count; raises as `trusted`."""
        path = self.folder / _TRUSTED
        lines = path.read_text().splitlines() if path.is_file() else []
        return tuple(PublicKey.from_line(line) for line in lines if line.strip())

    def trust(self, key: PublicKey) -> bool:
        """Add the key of somebody else; false if it was trusted already."""
        if any(known.keyid == key.keyid for known in self.trusted()):
            return False
        self._write_beside(self.folder / _TRUSTED, _as_lines([*self.others(), key]))
        return True

    def distrust(self, name: str) -> tuple[PublicKey, ...]:
        """Let the signatures of somebody else no longer count.

        Args:
            name: Of the keys, as `trust` was told it; or the beginning of one keyid, 8 digits or
                more.

        Returns:
            The keys that are trusted no longer.

        Raises:
            KeyUnknown: Nobody of this name is trusted; or the digits are those of several keys.
        """
        others = self.others()
        gone = [key for key in others if name and key.name == name]
        if not gone and len(name) >= _LEAST_DIGITS:
            gone = [key for key in others if key.keyid.startswith(name)]
        if not gone or len({key.keyid for key in gone if key.name != name}) > 1:
            known = one_of([f"{key.name} {key.keyid[:12]}" for key in others], "the trusted ones")
            raise KeyUnknown(
                f"{name}: {'several keys' if gone else 'not trusted'}, expected {known};"
                " your own keys always count, remove their files"
            )
        self._write_beside(
            self.folder / _TRUSTED, _as_lines(key for key in others if key not in gone)
        )
        return tuple(gone)

    def _path(self, name: str) -> Path:
        is_plain = name.replace("-", "").replace("_", "").replace(".", "").isalnum()
        if not is_plain or name.startswith(".") or name.endswith(".pub") or name == _DEFAULT:
            raise UsageError(
                f"{name!r}: not a name for a key, expected letters, digits, - and _; choose another"
            )
        return self.folder / name

    def _public(self, name: str) -> Path:
        return self.folder / f"{name}.pub"

    def _write_beside(self, path: Path, text: str) -> None:
        """Write a file that is no secret, whole or not at all."""
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        temporary = path.with_name(f".{path.name}-{secrets.token_hex(4)}")
        try:
            temporary.write_text(text)
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)


def key_home() -> KeyHome:
    """The folder that ``FACEKIT_KEYS`` names, else ``facekit/keys`` of the user's settings."""
    if named := os.environ.get(KEYS_VARIABLE):
        return KeyHome(Path(named).expanduser())
    return KeyHome(settings_folder() / "keys")


def settings_folder() -> Path:
    """The folder ``facekit`` of the user's settings: of `XDG_CONFIG_HOME`, or of ``~/.config``."""
    base = os.environ.get("XDG_CONFIG_HOME") or "~/.config"
    return Path(base).expanduser() / "facekit"


def _as_lines(keys: Iterable[PublicKey]) -> str:
    return "".join(f"{key.line}\n" for key in keys)


def _write_new(path: Path, content: bytes, mode: int) -> None:
    """Write a file that is not there yet, whole or not at all; it is never open to others."""
    temporary = path.with_name(f".{path.name}-{secrets.token_hex(4)}")
    handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.link(temporary, path)  # refused where one is there
    finally:
        temporary.unlink()
