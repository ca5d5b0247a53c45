"""Roots that are trusted, found among the certificates that a file brings."""

import mmap
import warnings
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding

from facekit.signing.keys import PublicKey

__all__ = ["anchors_in"]

_WINDOW: Final = 64 * 1024
_MARK: Final = b"c2pa.signature"


def anchors_in(path: Path, trusted: Iterable[PublicKey]) -> str:
    """Find roots of trusted keys among the certificates that a file brings, as PEM.

    A root counts because its key is trusted and signed it; that the file brings it means nothing.

    Args:
        path: A file with credentials, or a sidecar.
        trusted: Ed25519 keys.
    """
    keys = {key.keyid for key in trusted}
    found = {
        one.public_bytes(Encoding.PEM).decode()
        for one in _certificates_in(path)
        if _is_root_of(one, keys)
    }
    return "".join(sorted(found))


def _is_root_of(certificate: x509.Certificate, keyids: set[str]) -> bool:
    try:
        key = certificate.public_key()
        if not isinstance(key, Ed25519PublicKey):
            return False
        if PublicKey(key.public_bytes_raw()).keyid not in keyids:
            return False
        certificate.verify_directly_issued_by(certificate)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True


def _certificates_in(path: Path) -> Iterator[x509.Certificate]:
    """Every certificate near the signature of a manifest; nothing is believed of them."""
    if path.stat().st_size == 0:
        return
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        at = content.find(_MARK)
        done = 0
        while at >= 0:
            window = content[max(at, done) : at + _WINDOW]
            yield from _certificates(window)
            done = at + _WINDOW
            at = content.find(_MARK, at + 1)


def _certificates(window: bytes) -> Iterator[x509.Certificate]:
    at = window.find(b"\x30\x82")
    while at >= 0:
        size = 4 + int.from_bytes(window[at + 2 : at + 4], "big")
        with suppress(ValueError), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of strange certificates
            yield x509.load_der_x509_certificate(window[at : at + size])
        at = window.find(b"\x30\x82", at + 1)
