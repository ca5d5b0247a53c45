"""Ed25519 keys in OpenSSH files: a key signs for a person and opens what is sealed for it."""

import hashlib
import os
from dataclasses import dataclass, field
from pathlib import Path

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    KeySerializationEncryption,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_ssh_private_key,
    load_ssh_public_key,
)

from facekit.errors import KeyRefused, KeyUnknown, UsageError

__all__ = ["KEYID_LENGTH", "PublicKey", "SigningKey", "check_name"]

KEYID_LENGTH = 64
"""Hex digits of a key's id."""

_NAME_LIMIT = 64


@dataclass(frozen=True, slots=True)
class PublicKey:
    """The half of a key that everybody may have."""

    raw: bytes
    """32 bytes."""
    name: str = field(default="", compare=False)
    """Whose it is, as the file says it; plays no part in what the key is worth."""

    def __post_init__(self) -> None:
        if len(self.raw) != 32:
            raise KeyRefused(
                f"key {self.name or '?'}: {len(self.raw)} bytes, expected 32 of Ed25519;"
                " take the .pub file again"
            )

    @property
    def keyid(self) -> str:
        """The sha256 (hex) of the raw key: what a signature names it by."""
        return hashlib.sha256(self.raw).hexdigest()

    @property
    def line(self) -> str:
        """One line as in an OpenSSH ``.pub`` file, without an end of line."""
        key = Ed25519PublicKey.from_public_bytes(self.raw)
        text = key.public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()
        return f"{text} {self.name}".rstrip()

    @classmethod
    def from_line(cls, line: str, *, name: str | None = None) -> "PublicKey":
        """Read a line of an OpenSSH ``.pub`` file.

        Args:
            line: ``ssh-ed25519 AAAA... name``.
            name: Instead of the one in the line.

        Raises:
            KeyRefused: It is not one Ed25519 key.
        """
        words = line.split(maxsplit=2)
        try:
            key = load_ssh_public_key(" ".join(words[:2]).encode())
        except (ValueError, UnsupportedAlgorithm) as error:
            raise _not_a_key(line) from error
        if not isinstance(key, Ed25519PublicKey):
            raise _not_a_key(line)
        told = words[2].strip() if len(words) > 2 else ""
        return cls(key.public_bytes_raw(), check_name(told if name is None else name))

    @classmethod
    def given(cls, line: str, *, name: str | None = None, source: str = "") -> "PublicKey":
        """Read a line that somebody has typed, or the content of a file that they have named.

        Args:
            line: As for `from_line`.
            name: Instead of the one in the line.
            source: The file; its content is not repeated in messages.

        Raises:
            KeyUnknown: It is not one Ed25519 key.
        """
        try:
            return cls.from_line(line, name=name)
        except KeyRefused as error:
            shown = source or repr(_shortened(line))
            raise KeyUnknown(
                f"{shown}: not a public key, expected one line 'ssh-ed25519 AAAA... name'; take the"
                " .pub file as it is"
            ) from error

    def verify(self, message: bytes, signature: bytes) -> bool:
        """Whether the other half of this key signed exactly these bytes."""
        try:
            Ed25519PublicKey.from_public_bytes(self.raw).verify(signature, message)
        except (InvalidSignature, ValueError):
            return False
        return True


class SigningKey:
    """The half of a key that its owner keeps.

    Args:
        private: As ``cryptography`` holds it.
        name: Whose it is.
    """

    def __init__(self, private: Ed25519PrivateKey, name: str) -> None:
        self._private = private
        self.public = PublicKey(private.public_key().public_bytes_raw(), check_name(name))

    def __repr__(self) -> str:
        return f"SigningKey({self.public.name!r}, {self.public.keyid[:12]})"

    @classmethod
    def generate(cls, name: str) -> "SigningKey":
        """Make a new one from the randomness of the operating system."""
        return cls(Ed25519PrivateKey.generate(), name)

    @classmethod
    def load(cls, path: Path, *, passphrase: str | None = None) -> "SigningKey":
        """Read a private key in the format of OpenSSH; its name is that of the file.

        Raises:
            KeyRefused: The file is missing, readable for others, damaged, or no Ed25519 key; or
                the passphrase is missing or wrong.
        """
        try:
            content = path.read_bytes()
            mode = path.stat().st_mode
        except OSError as error:
            raise KeyRefused(
                f"{path}: {error.strerror or error}, expected a private key; make one with"
                " facekit keys init"
            ) from error
        if os.name == "posix" and mode & 0o077:
            raise KeyRefused(
                f"{path}: others may read it (mode {mode & 0o777:03o}), expected 600; chmod 600 it,"
                " and make a new key if somebody may have read it"
            )
        try:
            key = _open_private(content, passphrase.encode() if passphrase else None)
        except (ValueError, TypeError, UnsupportedAlgorithm) as error:
            raise KeyRefused(
                f"{path}: cannot be opened ({error}), expected an Ed25519 key of OpenSSH and its"
                " passphrase, if it has one; give FACEKIT_PASSPHRASE or take another key"
            ) from error
        if not isinstance(key, Ed25519PrivateKey):
            raise KeyRefused(
                f"{path}: {type(key).__name__}, expected an Ed25519 key; make one with"
                " facekit keys init"
            )
        return cls(key, path.name)

    def private_bytes(self, passphrase: str | None = None) -> bytes:
        """The key as the content of an OpenSSH private key file.

        Args:
            passphrase: Locks it; None leaves it open to whoever reads it.
        """
        lock: KeySerializationEncryption = NoEncryption()
        if passphrase:
            lock = BestAvailableEncryption(passphrase.encode())
        return self._private.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, lock)

    def sign(self, message: bytes) -> bytes:
        """Sign bytes; 64 bytes come back, always the same for the same message."""
        return self._private.sign(message)


def check_name(name: str) -> str:
    """Take a name of a key if it is one short printable line.

    Raises:
        UsageError: It is not.
    """
    if len(name) > _NAME_LIMIT or not name.isprintable():
        raise UsageError(
            f"{name[:80]!r}: not a name for a key, expected at most {_NAME_LIMIT} printable"
            " characters; choose another"
        )
    return name


def _open_private(content: bytes, secret: bytes | None) -> object:
    """A passphrase in the environment is for the keys that have one; others need none."""
    try:
        return load_ssh_private_key(content, password=secret)
    except TypeError:
        if secret is None:
            raise
        return load_ssh_private_key(content, password=None)


def _shortened(line: str) -> str:
    return line if len(line) <= 40 else line[:40] + "..."


def _not_a_key(line: str) -> KeyRefused:
    return KeyRefused(
        f"{_shortened(line)!r}: not a public key, expected one line 'ssh-ed25519 AAAA... name';"
        " take the .pub file as it is"
    )
