"""Where a person's keys lie, and the keys of others that they trust."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from facekit.errors import KeyRefused, OutputExists, UsageError
from facekit.signing.keys import PublicKey, SigningKey

__all__ = ["KEYS_VARIABLE", "KeyHome", "key_home"]

KEYS_VARIABLE: Final = "FACEKIT_KEYS"
"""Names the folder of one's keys."""

_TRUSTED = "trusted.pub"
_DEFAULT = "default"


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

        Raises:
            OutputExists: There is one of this name; keys are never replaced.
            UsageError: The name cannot be that of a file.
        """
        path = self._path(name)
        if path.exists():
            raise OutputExists(
                f"{path}: the key exists, expected a new name; keys are never replaced, rotate it"
                " with facekit keys rotate"
            )
        key = SigningKey.generate(name)
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        _write_new(path, key.private_bytes(passphrase), 0o600)
        _write_new(self._public(name), f"{key.public.line}\n".encode(), 0o644)
        if not (self.folder / _DEFAULT).exists():
            self.use(name)
        return key

    def use(self, name: str) -> None:
        """Make a key the one that signs."""
        path = self.folder / f".{_DEFAULT}.new"
        path.write_text(f"{name}\n")
        path.replace(self.folder / _DEFAULT)

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
            KeyRefused: There is none, or it cannot be opened.
        """
        secret = passphrase or os.environ.get("FACEKIT_PASSPHRASE")
        return SigningKey.load(self._path(name or self.default_name()), passphrase=secret)

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
        path = self.folder / _TRUSTED
        lines = path.read_text().splitlines() if path.is_file() else []
        others = [PublicKey.from_line(line) for line in lines if line.strip()]
        return tuple({key.keyid: key for key in [*self.own(), *others]}.values())

    def trust(self, key: PublicKey) -> bool:
        """Add the key of somebody else; false if it was trusted already."""
        if any(known.keyid == key.keyid for known in self.trusted()):
            return False
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        path = self.folder / _TRUSTED
        before = path.read_text() if path.is_file() else ""
        temporary = path.with_name(f".{_TRUSTED}.new")
        temporary.write_text(f"{before}{key.line}\n")
        temporary.replace(path)
        return True

    def _path(self, name: str) -> Path:
        is_plain = name.replace("-", "").replace("_", "").replace(".", "").isalnum()
        if not is_plain or name.startswith(".") or name.endswith(".pub") or name == _DEFAULT:
            raise UsageError(
                f"{name!r}: not a name for a key, expected letters, digits, - and _; choose another"
            )
        return self.folder / name

    def _public(self, name: str) -> Path:
        return self.folder / f"{name}.pub"


def key_home() -> KeyHome:
    """The folder that ``FACEKIT_KEYS`` names, else ``facekit/keys`` of the user's settings."""
    if named := os.environ.get(KEYS_VARIABLE):
        return KeyHome(Path(named).expanduser())
    settings = os.environ.get("XDG_CONFIG_HOME") or "~/.config"
    return KeyHome(Path(settings).expanduser() / "facekit" / "keys")


def _write_new(path: Path, content: bytes, mode: int) -> None:
    """Write a file that is not there yet; it is never open to others, not even for a moment."""
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with os.fdopen(handle, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
