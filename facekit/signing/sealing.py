"""Bytes that only chosen people can read: age files for their keys.

Source: age v1 with ssh-ed25519 recipients, https://age-encryption.org/v1
"""

from base64 import b64decode, b64encode
from collections.abc import Sequence
from hashlib import sha256

import pyrage

from facekit.errors import KeyRefused
from facekit.signing.keys import PublicKey, SigningKey

__all__ = ["count_recipients", "is_sealed_for", "open_sealed", "seal"]


def seal(content: bytes, recipients: Sequence[PublicKey]) -> bytes:
    """Encrypt bytes so that each of these people, and nobody else, can read them.

    Two calls give different bytes.

    Raises:
        KeyRefused: Nobody is named.
    """
    if not recipients:
        raise KeyRefused("sealing: no recipient, expected the key of at least one; name one")
    ssh = [pyrage.ssh.Recipient.from_str(key.line) for key in recipients]
    return bytes(pyrage.encrypt(content, ssh))


def open_sealed(content: bytes, key: SigningKey, name: str = "sealed file") -> bytes:
    """Decrypt what was sealed for this key.

    Raises:
        KeyRefused: It was sealed for others, or is damaged.
    """
    identity = pyrage.ssh.Identity.from_buffer(key.private_bytes())
    try:
        return bytes(pyrage.decrypt(content, [identity]))
    except pyrage.DecryptError as error:
        raise KeyRefused(
            f"{name}: cannot be opened with the key {key.public.name} ({error}), expected one of"
            " those it is sealed for; ask who sealed it to seal it for you"
        ) from error


def is_sealed_for(content: bytes, key: PublicKey) -> bool:
    """Whether a sealed file names a key among those that open it; nothing is opened.

    Source: the `ssh-ed25519` stanza of age, whose tag is the first 4 bytes of the sha256 of the key
    as OpenSSH writes it.
    """
    written = b64decode(key.line.split()[1])
    tag = b64encode(sha256(written).digest()[:4]).rstrip(b"=")
    head = content.partition(b"\n---")[0]
    return any(line.startswith(b"-> ssh-ed25519 " + tag + b" ") for line in head.splitlines())


def count_recipients(content: bytes) -> int:
    """How many keys of OpenSSH open a sealed file; nothing is opened."""
    head = content.partition(b"\n---")[0]
    return sum(line.startswith(b"-> ssh-ed25519 ") for line in head.splitlines())
