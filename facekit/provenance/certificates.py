"""The certificates that content credentials are signed with: a root and a leaf of facekit's own.

Source: C2PA 2.2, certificate profile, https://c2pa.org/specifications/specifications/2.2
"""

import os
import shutil
import tempfile
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_ssh_private_key,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from facekit.errors import KeyRefused, OutputError
from facekit.media.files import write_text
from facekit.signing.home import KeyHome
from facekit.signing.keys import PublicKey, SigningKey

__all__ = [
    "Certificates",
    "certificates_folder",
    "ensure_certificates",
    "load_certificates",
    "own_root",
]

_NAME = "facekit"
_YEARS = timedelta(days=3652)
"""Of the leaf, too: without a time stamp, credentials are worth nothing once it has expired."""
_RENEW = timedelta(days=180)


@dataclass(frozen=True, slots=True, kw_only=True)
class Certificates:
    """What credentials are signed with."""

    chain: str
    """PEM, the signing certificate first."""
    private_key: bytes = b""
    """PEM of its key; empty where `sign` is given."""
    sign: Callable[[bytes], bytes] | None = None
    """Signs bytes with a key that is elsewhere, such as in a KMS or HSM; raw r and s for ECDSA."""
    algorithm: str = "ed25519"
    is_new: bool = False
    """Whether it was made by this very call."""


def certificates_folder(home: KeyHome) -> Path:
    """The folder beside the keys of a person.

    facekit.pub   root key's public half, for others to trust with facekit keys trust
    facekit       root key, signs nothing but certificates
    root.pem      its certificate
    key.pem       key that signs files, readable by its owner alone
    chain.pem     its certificate and the root's
    """
    return home.folder / "credentials"


def own_root(home: KeyHome) -> PublicKey | None:
    """The root that stands behind one's own credentials; None before the first."""
    with suppress(FileNotFoundError):
        text = (certificates_folder(home) / f"{_NAME}.pub").read_text(encoding="utf-8")
        return PublicKey.from_line(text)
    return None


def ensure_certificates(home: KeyHome, *, now: datetime | None = None) -> Certificates:
    """Give one's own certificates; they are made when there are none, and renewed in time.

    Several processes may call it at once. The names in them tell nobody's name.

    Raises:
        KeyRefused: A key is readable for others, or a file is damaged.
        OutputError: The folder cannot be written.
    """
    now = now or datetime.now(UTC)
    folder = certificates_folder(home)
    try:
        is_new = not folder.is_dir() and _make(folder, now)
        found = load_certificates(folder / "chain.pem", folder / "key.pem")
        leaf = x509.load_pem_x509_certificates(found.chain.encode())[0]
        if leaf.not_valid_after_utc - now < _RENEW:
            _renew(folder, now)
            found = load_certificates(folder / "chain.pem", folder / "key.pem")
    except OSError as error:
        raise OutputError(
            f"{folder}: {error.strerror or error}, expected a folder for the certificates that sign"
            " files; name another one with FACEKIT_KEYS, or make files without credentials"
        ) from error
    return Certificates(chain=found.chain, private_key=found.private_key, is_new=is_new)


def load_certificates(chain: Path, private_key: Path, algorithm: str = "ed25519") -> Certificates:
    """Read a chain and its key, as an authority has given them.

    Raises:
        KeyRefused: A file is missing or damaged, or others may read the key.
    """
    try:
        text, key = chain.read_text(encoding="ascii"), private_key.read_bytes()
        mode = private_key.stat().st_mode
        x509.load_pem_x509_certificates(text.encode())
    except (OSError, ValueError) as error:
        raise KeyRefused(
            f"{chain}, {private_key}: {error}, expected a chain of certificates and its key in PEM;"
            " correct [provenance] of facekit.toml, or remove the folder to have facekit make them"
            " anew"
        ) from error
    if os.name == "posix" and mode & 0o077:
        raise KeyRefused(
            f"{private_key}: others may read it (mode {mode & 0o777:03o}), expected 600; chmod 600"
            " it, and have a new one made if somebody may have read it"
        )
    return Certificates(chain=text, private_key=key, algorithm=algorithm)


def _make(folder: Path, now: datetime) -> bool:
    """Make all files in one move; false when another process was faster."""
    folder.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    fresh = Path(tempfile.mkdtemp(prefix=".credentials-", dir=folder.parent))
    try:
        root = KeyHome(fresh).create(_NAME)
        key = Ed25519PrivateKey.generate()
        secret = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        _write_secret(fresh / "key.pem", secret)
        signer = _private(root)
        name = f"{_NAME} {root.public.keyid[:12]}"
        text = _root(name, signer, now)
        (fresh / "root.pem").write_text(text, encoding="ascii")
        leaf = _leaf(name, key.public_key(), signer, now)
        (fresh / "chain.pem").write_text(leaf + text, encoding="ascii")
        try:
            fresh.rename(folder)
        except OSError:
            if not folder.is_dir():
                raise
            return False
        return True
    finally:
        shutil.rmtree(fresh, ignore_errors=True)


def _renew(folder: Path, now: datetime) -> None:
    """Give the same keys new certificates, that of the root too: what it signed ends with it."""
    signer = _private(SigningKey.load(folder / _NAME))
    old = x509.load_pem_x509_certificates((folder / "chain.pem").read_bytes())[0]
    (name,) = old.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    key = old.public_key()
    if not isinstance(key, Ed25519PublicKey):
        raise KeyRefused(
            f"{folder / 'chain.pem'}: not of an Ed25519 key, expected what facekit made; remove the"
            " folder to have it made anew"
        )
    root = _root(str(name.value), signer, now)
    write_text(folder / "root.pem", root)
    write_text(folder / "chain.pem", _leaf(str(name.value), key, signer, now) + root)


def _root(name: str, signer: Ed25519PrivateKey, now: datetime) -> str:
    builder = _builder(f"{name} root", f"{name} root", signer.public_key(), signer, now)
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), True)
    usage = _usage(digital_signature=False, key_cert_sign=True, crl_sign=True)
    certificate = builder.add_extension(usage, True).sign(signer, None)
    return certificate.public_bytes(Encoding.PEM).decode()


def _leaf(name: str, key: Ed25519PublicKey, signer: Ed25519PrivateKey, now: datetime) -> str:
    builder = _builder(name, f"{name} root", key, signer, now)
    builder = builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), True)
    builder = builder.add_extension(_usage(digital_signature=True), True)
    purpose = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.EMAIL_PROTECTION])
    certificate = builder.add_extension(purpose, False).sign(signer, None)
    return certificate.public_bytes(Encoding.PEM).decode()


def _builder(
    name: str, issuer: str, key: Ed25519PublicKey, signer: Ed25519PrivateKey, now: datetime
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(_distinguished(name))
        .issuer_name(_distinguished(issuer))
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))  # clocks of others may be behind
        .not_valid_after(now + _YEARS)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), False
        )
    )


def _distinguished(name: str) -> x509.Name:
    return x509.Name(
        [
            x509.NameAttribute(NameOID.COMMON_NAME, name),
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, _NAME),
        ]
    )


def _usage(
    *, digital_signature: bool, key_cert_sign: bool = False, crl_sign: bool = False
) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=digital_signature,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=key_cert_sign,
        crl_sign=crl_sign,
        encipher_only=False,
        decipher_only=False,
    )


def _private(key: SigningKey) -> Ed25519PrivateKey:
    """The key as what signs certificates takes it."""
    private = load_ssh_private_key(key.private_bytes(), password=None)
    assert isinstance(private, Ed25519PrivateKey)
    return private


def _write_secret(path: Path, content: bytes) -> None:
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "wb") as file:
        file.write(content)
